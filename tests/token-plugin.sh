#!/usr/bin/env bash
# The plugin that libcryptsetup loads for our LUKS2 tokens: what it exports, and the real cryptsetup
# with it.
#
#     cargo build --package bek-unlock --package bek-unlock-token && tests/token-plugin.sh
#
# Needs no network and changes nothing. The plugin has to lie where libcryptsetup looks, so that part
# runs in a mount namespace of its own, and is left out, with a word, where there is none to be had.
# Instead of bek-unlock a script answers, which does what a case wants it to do; at the end, bek-unlock.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Fedora and openSUSE keep cryptsetup in sbin.
PATH=$PATH:/usr/sbin:/sbin
readonly BUILD=${RELEASE:-${CARGO_TARGET_DIR:-target}/debug}
# What no output may hold.
export KEY='a passphrase SENTINEL'

main() {
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    mkdir "$WORK/plugins"
    token-plugin/link "$BUILD/libbek_unlock_token.a" "$WORK/bek-unlock" "$WORK/plugins/libcryptsetup-token-bek-unlock.so"
    ln -s libcryptsetup-token-bek-unlock.so "$WORK/plugins/libcryptsetup-token-Azure_Disk_Encryption.so"
    exports
    loads
    with_cryptsetup
    echo 'token-plugin: fine'
}

# The functions of exports.map, under its version, and nothing of Rust's.
exports() {
    local names
    names=$(nm --dynamic --defined-only "$WORK/plugins/libcryptsetup-token-bek-unlock.so" | sed 's/^[^ ]* //' | sort)
    diff --unified - <(echo "$names") <<'NAMES' || fail 'it does not export these functions (-) but others (+)'
A CRYPTSETUP_TOKEN_1.0
T cryptsetup_token_buffer_free@@CRYPTSETUP_TOKEN_1.0
T cryptsetup_token_dump@@CRYPTSETUP_TOKEN_1.0
T cryptsetup_token_open@@CRYPTSETUP_TOKEN_1.0
T cryptsetup_token_validate@@CRYPTSETUP_TOKEN_1.0
T cryptsetup_token_version@@CRYPTSETUP_TOKEN_1.0
NAMES
}

# In a program that does not have libcryptsetup; and `make install` knows where that looks.
loads() {
    local said version directory installed
    ${CC:-cc} -Wall -Wextra -Werror -o "$WORK/host" tests/token-plugin/host.c -ldl
    said=$("$WORK/host" "$WORK/plugins/libcryptsetup-token-bek-unlock.so") || fail 'it does not load'
    { read -r version && read -r directory; } <<<"$said"
    [[ $version == "$(sed -n 's/^version = "\(.*\)"/\1/p' token-plugin/Cargo.toml)" ]] || fail "its version is $version"
    # shellcheck disable=SC2016  # make's variable
    installed=$(make --no-print-directory --silent --eval='where: ; @echo $(tokendir)' where)
    [[ $(realpath -m "$directory") == "$(realpath -m "$installed")" ]] ||
        fail "libcryptsetup looks in $directory, and make installs into $installed"
    DIRECTORY=$directory
}

with_cryptsetup() {
    local -a namespace=(unshare --mount)
    ((EUID == 0)) || namespace+=(--map-root-user)
    if ! "${namespace[@]}" mount --bind "$WORK/plugins" "$DIRECTORY" 2>/dev/null; then
        echo 'token-plugin: with cryptsetup: left out, no mount namespace over' "$DIRECTORY"
        return
    fi
    export -f fail
    WORK=$WORK DIRECTORY=$DIRECTORY PROGRAM=$BUILD/bek-unlock "${namespace[@]}" tests/token-plugin/cases.sh
}

fail() {
    printf 'token-plugin: %s\n' "$*" >&2
    exit 1
}

main
