# shellcheck shell=bash
# Paths, words on the terminal and the processes this run started.
#
# Sourced by tests/vm/run, tests/vm/demo and tests/root/run; sets nothing up by
# itself but the variables below.

# Without it a failure inside of $( ) would go unnoticed.
shopt -s inherit_errexit

# e2fsprogs, dosfstools and fdisk live in sbin, which users may lack.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

SOURCE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
readonly SOURCE_ROOT
readonly VM_DIR=$SOURCE_ROOT/tests/vm
# Shared with cargo, so `cargo clean` also frees the images.
readonly TARGET=${CARGO_TARGET_DIR:-$SOURCE_ROOT/target}
readonly CACHE=$TARGET/vm

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# A key for a cache directory: the same inputs give the same word.
hash_of() { cat "$@" | sha256sum | cut -c 1-16; }

# once DIR WHAT COMMAND...: makes DIR with COMMAND, whose words go to a log there, unless it is there
# already. Guests are started side by side, and on a fresh machine they want the same kernel: one
# makes it, the other waits. Held by the descriptor, so what is killed leaves no lock behind.
once() {
    local dir=$1 what=$2 lock
    shift 2
    [[ ! -e $dir/complete ]] || return 0
    mkdir -p "$(dirname "$dir")"
    exec {lock}>"$dir.lock"
    flock "$lock"
    if [[ ! -e $dir/complete ]]; then
        say "$what (once)"
        rm -rf "$dir"
        mkdir -p "$dir"
        "$@" >"$dir/making.log" 2>&1 || die "failed: $what; see $dir/making.log"
        touch "$dir/complete"
    fi
    exec {lock}>&-
}

# stop_all ends what start recorded, by process id, never by name: other
# emulators and QEMUs of the same machine are somebody else's.
STARTED=()

started() { STARTED+=("$1"); }

stop_all() {
    local pid
    for pid in "${STARTED[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    STARTED=()
}
