# shellcheck shell=bash
# The clock says 1970: no certificate is valid yet. systemd would set it to the day it was built, so
# this is an initramfs without.

FLAVOURS=(bookworm-initramfs-tools)
LAYOUT=luks2
KEY_FILES=()
STEPS=(clock)

bektab() { echo "osencrypt UUID=$LUKS_UUID - vault=https://$VAULT,timeout=120,x-initrd.attach"; }

disturb() { CLOCK=1970-01-01; }

watch() { refused_in_initramfs 76 'certificate' 'clock'; }
