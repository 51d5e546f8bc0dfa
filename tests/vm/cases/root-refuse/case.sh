# shellcheck shell=bash
# What can be wrong with a root disk: each time one readable block on the serial console within the
# deadline, then a shell that answers.

FLAVOURS=(bookworm-dracut trixie-dracut)
LAYOUT=ade
KEY_FILES=(LinuxPassPhraseFileName=root.wrapped)
STEPS=(unreachable wrong_key wrong_partition kek_disabled header_missing)
# The shell of dracut 106 is another one; what is refused why is the same program.
[[ ${FLAVOUR:-} != trixie-dracut ]] || STEPS=(wrong_key)

bektab() { echo "osencrypt PARTUUID=$ROOT_PARTUUID LinuxPassPhraseFileName header=/boot/luks/osluksheader,timeout=120,x-initrd.attach,kek=$KEK"; }

prepare() {
    head --bytes=127 /dev/urandom | base64 --wrap=0 >"$DIR/keys/other"
    azure_wrap "$DIR" "$DIR/keys/other" >"$DIR/keys/other.wrapped"
}

disturb() {
    # The root account of these guests is locked, as on Azure; dracut 106 minds.
    PARAMETERS='SYSTEMD_SULOGIN_FORCE=1'
    KEY_DISK=$DIR/key.img
    case $1 in
        unreachable)
            REACHABLE=("${NETWORK[@]}")
            NETWORK=(-nic none)
            KEY_DISK=
            # The one that waits until the deadline.
            PARAMETERS+=" rd.bek.key=osencrypt=- rd.bek.options=osencrypt=vault=https://$VAULT,timeout=60"
            ;;
        wrong_key)
            NETWORK=("${REACHABLE[@]:-${NETWORK[@]}}")
            KEY_DISK=$DIR/other.img
            key_disk "$KEY_DISK" "LinuxPassPhraseFileName=$DIR/keys/other.wrapped"
            ;;
        wrong_partition) PARAMETERS+=" rd.bek.device=osencrypt=PARTUUID=$OTHER_PARTUUID" ;;
        kek_disabled) azure_change '{"disable_key": {"vault": "contoso-kv.vault.azure.net", "name": "kek"}}' ;;
        header_missing)
            rm "$DIR/boot/luks/osluksheader"
            os_disk "$DIR"
            ;;
    esac
}

watch() {
    case $1 in
        unreachable) refused_in_initramfs 69 'metadata service 169.254.169.254: Network is unreachable; .* gave up after [0-9]+ tries' 'ip route get 169.254.169.254' 60 ;;
        wrong_key) refused_in_initramfs 2 'fits? ' 'was the secret rotated, or the disk moved' ;;
        wrong_partition) refused_in_initramfs 4 'it opens but holds no file system or LVM' 'the header may be out of date or belong to another disk' ;;
        kek_disabled) refused_in_initramfs 77 '403' 'enable' ;;
        header_missing) refused_in_initramfs 4 'no usable header in' 'does header= in .etc.bektab name the right file and disk' ;;
    esac
}
