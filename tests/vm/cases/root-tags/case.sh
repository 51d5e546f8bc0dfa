# shellcheck shell=bash
# A LUKS2 root and no key disk at all: the initramfs finds the key in Key Vault by its tags.

FLAVOURS=(bookworm-dracut bookworm-initramfs-tools trixie-dracut)
LAYOUT=luks2
KEY_FILES=()
STEPS=(guest guest_again)

bektab() { echo "osencrypt UUID=$LUKS_UUID - vault=https://$VAULT,timeout=180,x-initrd.attach"; }

guest() {
    root_unlocked
    root_reported key-vault device header key-disk token list secret unwrap-key keyslots
    touch /written
    END=reboot.target
}

guest_again() {
    root_unlocked
    written_and_clean
    next_boot_proven osencrypt
}

inspect() { root_shut_down_cleanly; }
