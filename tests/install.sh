#!/usr/bin/env bash
# What `make install` puts where, for a package (prefix=/usr) and by hand (prefix=/usr/local).
#
#     RELEASE=target/debug tests/install.sh
#
# Any build will do: names, modes and the paths in the unit are looked at, nothing is run. Needs
# no root; writes to a temporary directory only.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BUILD=${RELEASE:-${CARGO_TARGET_DIR:-target}/debug}
# Where libcryptsetup looks; tests/token-plugin.sh asks it.
# shellcheck disable=SC2016  # make's variable
TOKENS=$(make --no-print-directory --silent --eval='where: ; @echo $(tokendir)' where)
readonly TOKENS
WORK=$(mktemp -d)
readonly WORK
trap 'rm -rf "$WORK"' EXIT

main() {
    local prefix tree
    for prefix in /usr /usr/local; do
        tree=$WORK/${prefix//\//-}
        install_to "$tree" "$prefix"
        files_and_modes "$tree" "$prefix"
        unit_starts_what_is_installed "$tree" "$prefix"
        scripts_start_what_is_installed "$tree" "$prefix"
        plugin_runs_what_is_installed "$tree" "$prefix"
    done
    echo 'install: fine'
}

# A root of a hardened system has this umask; the files are for everybody all the same.
install_to() (
    umask 077
    make --no-print-directory --silent install DESTDIR="$1" prefix="$2" RELEASE="$BUILD"
)

files_and_modes() {
    local tree=$1 prefix=$2
    diff --unified <(expected "$prefix" | sort) <(cd "$tree" && find . -type f -printf '%m %P\n' | sort) ||
        fail "$prefix: not the expected files (-) but others (+)"
    # DESTDIR itself is the caller's.
    find "$tree" -mindepth 1 -type d ! -perm 755 -printf '%m %p\n' | { ! grep .; } ||
        fail "$prefix: directories that not everybody can enter"
}

# MODE PATH of each file.
expected() {
    local path prefix=${1#/}
    echo "644 ${TOKENS#/}/libcryptsetup-token-bek-unlock.so"
    while read -r path; do
        case $path in
            bin/* | */system-generators/* | */initramfs-tools/* | */keyscript | lib/dracut/*.sh) echo "755 $prefix/$path" ;;
            *) echo "644 $prefix/$path" ;;
        esac
    done <<'FILES'
bin/bek-unlock
lib/bek-unlock/keyscript
lib/dracut/modules.d/50bek-unlock/bek-unlock-attach.sh
lib/dracut/modules.d/50bek-unlock/bek-unlock-cleanup.sh
lib/dracut/modules.d/50bek-unlock/bek-unlock-cmdline.sh
lib/dracut/modules.d/50bek-unlock/module-setup.sh
lib/dracut/modules.d/50bek-unlock/no-wait-online.conf
lib/systemd/catalog/bek-unlock.catalog
lib/systemd/system-generators/bek-unlock-generator
lib/systemd/system/bek-unlock-key@.service
lib/systemd/system/bek-unlock-key@.socket
lib/systemd/system/bek-unlock-network.service
lib/systemd/system/bek-unlock-network.socket
lib/systemd/system/bek-unlock.target
lib/systemd/system/bek-unlock@.service
lib/systemd/system/bek-unlock@.service.d/10-umount.conf
lib/systemd/system/system-bek\x2dunlock.slice
share/bash-completion/completions/bek-unlock
share/doc/bek-unlock/CHANGELOG.md
share/doc/bek-unlock/LICENSE
share/doc/bek-unlock/LICENSE-APACHE
share/doc/bek-unlock/LICENSE-MIT
share/doc/bek-unlock/README.md
share/doc/bek-unlock/azure.md
share/doc/bek-unlock/distributions.md
share/doc/bek-unlock/fleet.svg
share/doc/bek-unlock/internals.md
share/doc/bek-unlock/internals.svg
share/doc/bek-unlock/performance.md
share/doc/bek-unlock/testing.md
share/doc/bek-unlock/threat-model.md
share/doc/bek-unlock/troubleshooting.md
share/fish/vendor_completions.d/bek-unlock.fish
share/initramfs-tools/hooks/bek-unlock
share/initramfs-tools/scripts/local-bottom/bek-unlock
share/initramfs-tools/scripts/local-top/bek-unlock
share/man/man5/bektab.5
share/man/man7/bek-unlock-initramfs.7
share/man/man7/bek-unlock-messages.7
share/man/man8/bek-unlock-enroll.8
share/man/man8/bek-unlock-generator.8
share/man/man8/bek-unlock-recover.8
share/man/man8/bek-unlock-token.8
share/man/man8/bek-unlock.8
share/zsh/site-functions/_bek-unlock
FILES
}

# All command lines, and the socket's condition, name the program by the path it was installed under.
unit_starts_what_is_installed() {
    local tree=$1 prefix=$2 units=$1$2/lib/systemd/system program
    local -a programs
    mapfile -t programs < <(sed -n 's/^\(Exec[A-Za-z]*\|ConditionFileIsExecutable\)=\([^ ]*\).*/\2/p' "$units"/bek-unlock*@.{service,socket})
    ((${#programs[@]} == 4)) || fail "$prefix: the units name ${#programs[@]} programs, not 4"
    for program in "${programs[@]}"; do
        [[ $program == "$prefix"/bin/* && -x $tree$program ]] || fail "$prefix: a unit starts $program"
    done
}

# An image gets the program and the keyscript from where they are.
scripts_start_what_is_installed() {
    local tree=$1 prefix=$2 path
    local -a paths
    mapfile -t paths < <(sed -n 's/^\(exec \|PROGRAM=\)\([^ ]*\).*/\2/p' \
        "$tree$prefix/lib/bek-unlock/keyscript" "$tree$prefix/share/initramfs-tools/hooks/bek-unlock")
    ((${#paths[@]} == 2)) || fail "$prefix: ${#paths[@]} paths in the scripts, not 2"
    for path in "${paths[@]}"; do
        [[ $path == "$prefix"/* && -x $tree$path ]] || fail "$prefix: the scripts start $path"
    done
}

# Both names are one plugin, and the path in it ends where C's strings end.
plugin_runs_what_is_installed() {
    local tree=$1 prefix=$2 name
    for name in bek-unlock Azure_Disk_Encryption; do
        grep --quiet --text --null-data "$prefix/bin/bek-unlock\$" "$tree$TOKENS/libcryptsetup-token-$name.so" ||
            fail "$prefix: the plugin for $name does not run $prefix/bin/bek-unlock"
    done
}

fail() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

main
