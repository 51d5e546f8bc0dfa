# shellcheck shell=bash
# Nothing but what Azure Disk Encryption puts on the kernel command line; no bektab.

FLAVOURS=(bookworm-dracut trixie-dracut)
LAYOUT=ade
KEY_FILES=(LinuxPassPhraseFileName=root)

prepare() { PARAMETERS="rd.luks.ade.partuuid=$ROOT_PARTUUID rd.luks.ade.bootuuid=$BOOT_UUID"; }

guest() { root_unlocked; }

inspect() { root_shut_down_cleanly; }
