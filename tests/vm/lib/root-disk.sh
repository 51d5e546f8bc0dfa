# shellcheck shell=bash
# The encrypted OS disk of the root cases, made in user space.
#
# LAYOUT says how it is divided; the first partition is always /boot, an ext4 in the clear.
#   ade    partition 2 is the root file system, encrypted from its first sector to its last; its
#          header is /boot/luks/osluksheader. Azure Disk Encryption's own layout.
#   luks2  partition 2 is LUKS2 with the root file system in it
#   lvm    partition 2 is LUKS2 with a physical volume in it, the root file system a logical volume

readonly BOOT_UUID=b0070000-0000-4000-8000-000000000000
readonly LUKS_UUID=0000c0de-0000-4000-8000-000000000000
readonly BOOT_PARTUUID=0c0a0001-0000-4000-8000-000000000000
readonly ROOT_PARTUUID=0c0a0002-0000-4000-8000-000000000000
readonly OTHER_PARTUUID=0c0a0003-0000-4000-8000-000000000000

# root_volume DIR PLAIN: makes DIR/root.img, partition 2, of the file system PLAIN, and DIR/boot,
# the contents of partition 1.
root_volume() {
    local dir=$1 plain=$2
    local -a volume=(--uuid "$LUKS_UUID" --key-file "$dir/keys/root" "$dir/root.img")
    mkdir -p "$dir/boot"
    case $LAYOUT in
        ade)
            mv "$plain" "$dir/root.img"
            mkdir "$dir/boot/luks"
            encrypt "$dir" --header "$dir/boot/luks/osluksheader" "${volume[@]}"
            ;;
        luks2)
            mv "$plain" "$dir/root.img"
            truncate --size +"$SHIFT" "$dir/root.img"
            encrypt "$dir" --reduce-device-size "$SHIFT" "${volume[@]}"
            ;;
        lvm)
            python3 "$VM_DIR/lib/lvm.py" "$plain" "$dir/root.img"
            rm "$plain"
            truncate --size +"$SHIFT" "$dir/root.img"
            encrypt "$dir" --reduce-device-size "$SHIFT" "${volume[@]}"
            ;;
        *) die "no such layout: $LAYOUT" ;;
    esac
}

# Where the root file system is, for the kernel command line and for fstab.
root_device() {
    case $LAYOUT in
        lvm) echo /dev/mapper/rootvg-rootlv ;;
        *) echo /dev/mapper/osencrypt ;;
    esac
}

# os_disk DIR: DIR/disk.img of partition 1 (DIR/boot), partition 2 (DIR/root.img) and partition 3,
# which holds nothing.
os_disk() {
    local dir=$1 size
    size=$(stat --format=%s "$dir/root.img")
    rm -f "$dir/disk.img" "$dir/boot.img"
    truncate --size 256M "$dir/boot.img"
    mke2fs -q -F -t ext4 -L boot -U $BOOT_UUID -E root_owner=0:0,nodiscard -d "$dir/boot" "$dir/boot.img"
    truncate --size $((size + 272 * 1048576)) "$dir/disk.img"
    sfdisk --quiet --label gpt "$dir/disk.img" <<TABLE
start=1MiB, size=256MiB, uuid=$BOOT_PARTUUID
start=257MiB, size=$((size / 1048576))MiB, uuid=$ROOT_PARTUUID
size=8MiB, uuid=$OTHER_PARTUUID
TABLE
    place "$dir/boot.img" "$dir/disk.img" 1
    place "$dir/root.img" "$dir/disk.img" 257
}

encrypted_os_disk() {
    DISKS+=(-drive "if=none,id=os,file=$1/disk.img,format=raw,cache=unsafe,discard=unmap"
        -device scsi-hd,bus=scsi0.0,scsi-id=0,lun=0,drive=os)
}

# place FILE DISK MEBIBYTES
place() { dd if="$1" of="$2" bs=1M seek="$3" conv=notrunc,sparse status=none; }
