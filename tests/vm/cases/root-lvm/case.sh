# shellcheck shell=bash
# The root is a logical volume on the encrypted partition.

FLAVOURS=(bookworm-dracut bookworm-initramfs-tools trixie-dracut)
LAYOUT=lvm
KEY_FILES=(LinuxPassPhraseFileName=root)
STEPS=(guest guest_again)

bektab() { echo "osencrypt UUID=$LUKS_UUID LinuxPassPhraseFileName discard,timeout=180,x-initrd.attach"; }

guest() {
    root_unlocked
    check 'the root file system is the logical volume' root_stands_on rootvg-rootlv
    check 'LVM finds nothing wrong with its group' vgck rootvg
    touch /written
    END=reboot.target
}

guest_again() {
    root_unlocked
    written_and_clean
}

inspect() { root_shut_down_cleanly; }
