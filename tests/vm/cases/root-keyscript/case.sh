# shellcheck shell=bash
# Debian's own cryptsetup-initramfs opens the root; only the key comes from bek-unlock.

FLAVOURS=(bookworm-initramfs-tools)
LAYOUT=luks2
KEY_FILES=()

guest() {
    check 'the root file system stands on osencrypt' root_stands_on osencrypt
    equal 'osencrypt is mapped, and nothing else' osencrypt "$(mapped)"
    check 'multi-user.target was reached' unit_is multi-user.target active
    equal 'no unit failed' '' "$(failed_units)"
    check 'no process of the program is left' no_process_left
    equal 'nothing secret is left' '' "$(places_with_secrets)"
}

inspect() {
    root_shut_down_cleanly
    equal 'one token, one secret, one unwrapping' "$(
        cat <<'LIST'
GET /metadata/identity/oauth2/token
GET /secrets/bek-root/00000000000000000000000000000002
POST /keys/kek/00000000000000000000000000000001/unwrapkey
LIST
    )" "$(requests_made)"
}
