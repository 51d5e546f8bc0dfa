# shellcheck shell=bash
# A root disk's initramfs, made by the distribution's own tool inside the guest's system.

# initramfs FLAVOUR IMAGE TREE...: IMAGE is what dracut or update-initramfs makes of that Debian
# with the TREEs laid over it. What is mounted while it is made, as on a machine where the package
# is installed: BOOT, the contents of /boot, and KEYS, those of the key disk; both are directories.
initramfs() {
    local flavour=$1 image=$2 dir kernel
    dir=$(tree "$flavour")
    kernel=$(kernel "${flavour%%-*}")
    shift 2
    BOOT=$BOOT KEYS=$KEYS in_tree "$dir" "$kernel" make_initramfs "${flavour#*-}" "$kernel" "$image" "$@"
}

# Uncompressed: QEMU loads it in no time, decompression under TCG takes seconds. Not for the
# machine it is made on, which is none of the guests: hence --no-hostonly; initramfs-tools' default,
# MODULES=most, is the same.
make_initramfs() {
    local tool=$1 kernel=$2 image=$3 place version tree
    shift 3
    for tree in "$@"; do cp -R --no-dereference --remove-destination "$tree/." .; done
    mount_copy "$BOOT" boot
    cp "$kernel"/config-* boot
    mkdir -p mnt/azure_bek_disk
    mount_copy "$KEYS" mnt/azure_bek_disk
    for place in dev proc; do mount --rbind "/$place" "$place"; done
    version=$(basename usr/lib/modules/*)
    case $tool in
        dracut) chroot . dracut --no-hostonly --no-compress --kver "$version" /tmp/initramfs ;;
        initramfs-tools)
            # As cryptsetup-initramfs advises where a key is in the image: directories for root alone.
            echo 'UMASK=0077' >etc/initramfs-tools/conf.d/umask
            chroot . mkinitramfs -c gzip -l 1 -o /tmp/initramfs.gz "$version"
            gzip --decompress tmp/initramfs.gz
            ;;
    esac
    cp tmp/initramfs "$image"
}

# A file system of its own, for those who look into the table of mounts.
mount_copy() {
    mount -t tmpfs -o mode=0755 copy "$2"
    [[ -z $1 ]] || cp -R "$1/." "$2"
}
