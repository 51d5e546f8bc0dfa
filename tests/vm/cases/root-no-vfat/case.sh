# shellcheck shell=bash
# Neither kernel nor initramfs knows vfat: the program reads the key disk itself.

FLAVOURS=(bookworm-dracut)
LAYOUT=ade
KEY_FILES=(LinuxPassPhraseFileName=root)

bektab() { echo "osencrypt PARTUUID=$ROOT_PARTUUID LinuxPassPhraseFileName header=/boot/luks/osluksheader,timeout=180,x-initrd.attach"; }

guest() {
    root_unlocked
    check 'the kernel does not know vfat' not contains vfat /proc/filesystems
    check 'the journal warns of that' matches 'vfat' <(journalctl --boot --output=cat --identifier=bek-unlock --priority=warning)
}

inspect() {
    equal 'no vfat in the initramfs' '' "$(cpio --quiet --list <"$DIR/initramfs" | grep /vfat || true)"
    root_shut_down_cleanly
}
