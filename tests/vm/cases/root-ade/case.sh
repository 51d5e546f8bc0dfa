# shellcheck shell=bash
# The OS disk as Azure Disk Encryption leaves it, its key in the clear on the key disk.

FLAVOURS=(bookworm-dracut bookworm-initramfs-tools trixie-dracut)
LAYOUT=ade
KEY_FILES=(LinuxPassPhraseFileName=root)
STEPS=(guest guest_again)

bektab() { echo "osencrypt PARTUUID=$ROOT_PARTUUID LinuxPassPhraseFileName header=/boot/luks/osluksheader,discard,timeout=180,x-initrd.attach"; }

guest() {
    root_unlocked
    root_reported key-disk device header key-disk read-key-disk keyslots content
    check 'discards are passed on' matches allow_discards <(dmsetup table osencrypt)
    touch /written
    END=reboot.target
}

guest_again() {
    root_unlocked
    written_and_clean
    next_boot_proven osencrypt
    image_outdated
}

# A line that was changed after the image was made is the old one at the next boot.
image_outdated() {
    local report=$EVIDENCE/outdated.json status=0
    sed --in-place 's/,discard,/,/' /etc/bektab
    bek-unlock check --json >"$report" 2>"$EVIDENCE/outdated.err" || status=$?
    equal 'check refuses an image that is older than its line' 1 "$status"
    check 'and says why' contains 'its line of osencrypt is another one' "$report"
}

inspect() { root_shut_down_cleanly; }
