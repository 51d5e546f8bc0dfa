# shellcheck shell=bash
# The same with a wrapped key file: Key Vault unwraps it from inside the initramfs.

FLAVOURS=(bookworm-dracut bookworm-initramfs-tools trixie-dracut)
LAYOUT=ade
KEY_FILES=(LinuxPassPhraseFileName=root.wrapped)
STEPS=(guest guest_again)

bektab() { echo "osencrypt PARTUUID=$ROOT_PARTUUID LinuxPassPhraseFileName header=/boot/luks/osluksheader,discard,timeout=180,x-initrd.attach,kek=$KEK"; }

guest() {
    root_unlocked
    touch /written
    END=reboot.target
}

guest_again() {
    root_unlocked
    written_and_clean
}

inspect() {
    root_shut_down_cleanly
    equal 'each boot asks for a token and for the unwrapping' "$(
        cat <<'LIST'
GET /metadata/identity/oauth2/token
POST /keys/kek/00000000000000000000000000000001/unwrapkey
GET /metadata/identity/oauth2/token
POST /keys/kek/00000000000000000000000000000001/unwrapkey
LIST
    )" "$(requests_made)"
}
