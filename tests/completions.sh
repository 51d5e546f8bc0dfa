#!/usr/bin/env bash
# The completions in the shells that they are for: bash with and without bash-completion, zsh at a
# terminal of its own, fish.
#
#     cargo build && tests/completions.sh
#
# A stub answers for the program where names of volumes are asked for, so nothing of this machine is
# read. A shell that is not installed is left out, and said; `tests/setup.sh check` installs them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SCRIPTS=$PWD/completions
WORK=$(mktemp -d)
readonly WORK
trap 'rm -rf "$WORK"' EXIT
FAILED=0

# LINE|what is offered, all of it, sorted.
readonly CASES='
bek-unlock att|attach
bek-unlock to|token token-key
bek-unlock detach |data1 data2
bek-unlock status data1 data|data1 data2
bek-unlock rotate data2|data2
bek-unlock adopt --d|--dry-run
bek-unlock token |assign import remove show
bek-unlock token-key v|validate
bek-unlock initramfs plan --tool |dracut initramfs-tools
bek-unlock recover disk.img --kek-algorithm RSA-|RSA-OAEP RSA-OAEP-256
bek-unlock secrets --auth man|managed-identity
bek-unlock recover --key-file key|key.bin
bek-unlock recover di|disk.img
bek-unlock recover --token di|disk.img
bek-unlock token show di|disk.img
bek-unlock attach data1 disk.img key|key.bin
bek-unlock --json de|decode detach
bek-unlock decode |
bek-unlock enroll disk.img --secret-name |
'

# What bash has to put behind its word breaks, and the others know by themselves.
readonly BASH_CASES='
bek-unlock recover --auth=man|managed-identity
bek-unlock recover --auth=token:ke|key.bin
bek-unlock recover --auth token:ke|key.bin
bek-unlock recover --key-file=ke|key.bin
bek-unlock enroll --identity cl|client-id:
'

main() {
    mkdir "$WORK/bin" "$WORK/here" "$WORK/home"
    stub
    touch "$WORK/here/disk.img" "$WORK/here/key.bin"
    export PATH=$WORK/bin:$PATH HOME=$WORK/home XDG_CONFIG_HOME=$WORK/home XDG_DATA_HOME=$WORK/home
    unset ZDOTDIR ENV BASH_ENV
    in_shell bash with_bash "$CASES$BASH_CASES"
    in_shell zsh with_zsh "$CASES"
    in_shell fish with_fish "$CASES"
    loaded_by_bash_completion
    asks_the_program
    ((FAILED == 0)) || exit 1
    echo 'completions: fine'
}

# The program as far as completions ask it, and no device that looks encrypted.
stub() {
    cat >"$WORK/bin/bek-unlock" <<'STUB'
#!/bin/sh
[ "$*" = 'status --json' ] || { echo "completing has run: bek-unlock $*" >>"$0.log"; exit 1; }
echo '[{"open":true,"volume":"data1"},{"open":false,"volume":"data2"}]'
STUB
    printf '#!/bin/sh\n' >"$WORK/bin/lsblk"
    chmod 755 "$WORK/bin/bek-unlock" "$WORK/bin/lsblk"
}

# in_shell NAME FUNCTION CASES: FUNCTION for each case, the line as its argument.
in_shell() {
    local name=$1 function=$2 cases=$3 line expected offered
    if ! command -v "$name" >/dev/null; then
        echo "completions: $name: left out, it is not installed"
        return
    fi
    while IFS='|' read -r line expected; do
        [[ -n $line ]] || continue
        offered=$(cd "$WORK/here" && "$function" "$line" | sed 's/ *$//' | sort | paste -s -d ' ')
        [[ $offered == "$expected" ]] || fail "$name: '$line' offers '$offered', not '$expected'"
    done <<<"$cases"
    [[ ! -e $WORK/bin/bek-unlock.log ]] || fail "$name: $(<"$WORK/bin/bek-unlock.log")"
}

# As readline calls it: the words are broken at "=" and ":", too.
with_bash() {
    bash --norc --noprofile -c '
        source "$1"
        [[ $(complete -p bek-unlock) == "complete -F _bek_unlock bek-unlock" ]] || exit
        COMP_LINE=$2 COMP_POINT=${#2}
        _bek_unlock bek-unlock
        ((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"
    ' - "$SCRIPTS/bek-unlock.bash" "$1"
}

# It finds the file by the command's name.
loaded_by_bash_completion() {
    local script=/usr/share/bash-completion/bash_completion
    if [[ ! -e $script ]]; then
        echo 'completions: bash-completion: left out, it is not installed'
        return
    fi
    mkdir -p "$WORK/home/bash-completion/completions"
    cp "$SCRIPTS/bek-unlock.bash" "$WORK/home/bash-completion/completions/bek-unlock"
    # shellcheck disable=SC2016  # the other bash's
    bash --norc --noprofile -c '
        source "$1"
        # Its name since version 2.12, and before.
        load=_completion_loader
        if declare -F _comp_load >/dev/null; then load=_comp_load; fi
        "$load" bek-unlock
        [[ $(complete -p bek-unlock) == *"-F _bek_unlock bek-unlock" ]]
    ' - $script || fail 'bash-completion does not load it'
}

# A shell at a pseudo-terminal, in which a tab is typed; what matches is shown by compadd itself.
# Options are offered where there is nothing else, so they count only where one was begun.
with_zsh() {
    zsh -f -c '
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "PS1= PS2= PROMPT=; fpath=($1 \$fpath)"
        zpty -w shell "autoload -U compinit; compinit -u -d ~/dump"
        zpty -w shell "_show() { compadd() {
            local -a flags had; local i=1
            if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)* ]]; then builtin compadd \"\$@\"; return; fi
            builtin compadd -O had \"\$@\"
            (( \$#had == 0 )) || print -l -- \"OFFER \"\$^had
            builtin compadd \"\$@\"
        }; _main_complete }"
        zpty -w shell "zle -C show list-choices _show; bindkey \"^I\" show"
        zpty -w shell "print READ\Y"
        zpty -r shell line "*READY*"
        zpty -w -n shell "$2"$'"'\t'"'
        sleep 0.2
        zpty -w -n shell $'"'\x15'"'
        zpty -w shell "print DON\E"
        zpty -r shell line "*DONE*"
        print -r -- "$line"
        zpty -d shell
    ' - "$SCRIPTS" "$1" | tr -d '\r' | sed -n 's/^.*OFFER //p' |
        if [[ $1 == *' -'* && $1 != *' ' ]]; then cat; else grep -v '^-' || true; fi
}

with_fish() {
    # shellcheck disable=SC2016  # fish's own variables
    fish --no-config -c '
        set fish_complete_path $argv[1] $fish_complete_path
        complete -C $argv[2]
    ' "$SCRIPTS" "$1" | cut -f 1
}

# The names come from the program itself, which needs no root for them.
asks_the_program() {
    local program=${RELEASE:-${CARGO_TARGET_DIR:-target}/debug}/bek-unlock
    "$program" status --json >/dev/null || fail 'status --json does not run'
}

fail() {
    printf 'completions: %s\n' "$*" >&2
    FAILED=1
}

main
