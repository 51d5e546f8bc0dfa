# shellcheck shell=bash
# What tests/vm/demo shows of the guest, in the guest's own words.

LAYOUT=ade
DATA_DISKS=healthy
KEY_FILES=(LinuxPassPhraseFileName=root.wrapped
    LinuxPassPhraseFileName_1_0=data1 LinuxPassPhraseFileName_1_1=data2.wrapped)

bektab() {
    echo "osencrypt PARTUUID=$ROOT_PARTUUID LinuxPassPhraseFileName header=/boot/luks/osluksheader,discard,timeout=60,x-initrd.attach,kek=$KEK"
    cat "$VM_DIR/guest/etc/bektab"
}

guest() {
    title 'What the boot did'
    try grep osencrypt /etc/bektab
    try journalctl --boot --identifier=bek-unlock --output=short-monotonic --no-hostname
    try lsblk --output NAME,SIZE,TYPE,FSTYPE,MOUNTPOINTS /dev/sd?
    try findmnt --types ext4 --output TARGET,SOURCE,FSTYPE,OPTIONS
    try tail /mnt/data1/hello.txt /mnt/data2/hello.txt /mnt/data3/hello.txt /mnt/data4/hello.txt
    try bek-unlock status

    title 'What it took so long for'
    try bek-unlock status --last-boot osencrypt data3

    title 'Whether the next boot will do the same: nothing is opened'
    # Emulated, an answer of Key Vault may take longer than the 15 s of a real one.
    try bek-unlock check --timeout 60s

    title 'By hand: close data2 and open it again'
    try systemctl stop bek-unlock@data2
    try lsblk --output NAME,SIZE,TYPE,FSTYPE,MOUNTPOINTS /dev/disk/azure/scsi1/lun1
    try systemctl start bek-unlock@data2
    try mount /mnt/data2
    try lsblk --output NAME,SIZE,TYPE,FSTYPE,MOUNTPOINTS /dev/disk/azure/scsi1/lun1
    try cat /mnt/data2/hello.txt

    title 'Power off'
    echo
}

title() { printf '\n== %s\n' "$1"; }

# A failing command is counted, so that the demo ends with a failure too.
try() {
    printf '\n# %s\n' "$*"
    "$@" || FAILED=$((FAILED + 1))
}
