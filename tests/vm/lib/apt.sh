# shellcheck shell=bash
# Debian's packages without touching this machine's package lists.
#
# The kernel of the guests and cryptsetup's sources come from Debian whatever
# the host is, and need neither root nor a deb-src line in its configuration.

readonly MIRROR=${VM_MIRROR:-http://deb.debian.org/debian}
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# private_apt STATE SUITE: makes STATE an apt state of that suite. Sets APT, the
# options that make any apt tool use it.
private_apt() {
    local state=$1 suite=$2
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    printf '%s [signed-by=%s] %s %s main\n' \
        deb $KEYRING "$MIRROR" "$suite" deb-src $KEYRING "$MIRROR" "$suite" >"$state/sources.list"
    : >"$state/status"
    APT=(
        -o "Dir::Etc::sourcelist=$state/sources.list"
        -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferencesparts=/dev/null
        -o "Dir::State=$state"
        -o "Dir::State::status=$state/status"
        -o "Dir::Cache=$state/cache"
        -o Acquire::Languages=none
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
        # Downloads land where only this user may write.
        -o APT::Sandbox::User=
    )
    apt-get --quiet "${APT[@]}" update
}
