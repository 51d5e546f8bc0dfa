# shellcheck shell=bash
# The guest's encrypted disks, made on the host without root or device-mapper.
#
# cryptsetup can encrypt a file in place in user space, so every volume holds a
# file system with a known file before anything is booted. They are made once
# (a second) and copied for each case.

# Cost of one key slot: the smallest the format allows, because under TCG the
# usual cost takes minutes and memory-hard slots are the subject of no case.
readonly CHEAP_KDF=(--pbkdf pbkdf2 --pbkdf-force-iterations 1000)
# cryptsetup's lock directory belongs to root; no two processes share these files.
readonly QUIETLY=(--batch-mode --disable-locks)
# ADE's own space for a LUKS2 header in front of the data is 16 MiB; cryptsetup
# wants twice that while it shifts the data.
readonly SHIFT=32M

# encrypt DIR ARGUMENT...: cryptsetup reencrypt --encrypt with these. In DIR, because it keeps the
# header in a file of the current directory meanwhile, named by a UUID that other cases use, too.
encrypt() (
    cd "$1" || exit
    shift
    exec cryptsetup reencrypt --encrypt --type luks2 "${CHEAP_KDF[@]}" "${QUIETLY[@]}" "$@"
)

# make_disks DIR: key disk, four volumes, their passphrases in DIR/keys.
make_disks() {
    local dir=$1 volume
    rm -rf "$dir"
    mkdir -p "$dir/keys"
    for volume in data1 data2 data3 data4; do
        # As ADE does: the base64 text of 127 random bytes is the passphrase, all
        # 172 characters of it, without a line break.
        head --bytes=127 /dev/urandom | base64 --wrap=0 >"$dir/keys/$volume"
    done
    luks2_volume "$dir" data1
    luks2_volume "$dir" data2
    luks2_volume "$dir" data3
    luks1_detached_volume "$dir" data4
}

# cases/no-azure-links names the devices by these UUIDs.
luks2_volume() {
    local dir=$1 volume=$2 image=$1/$2.img
    file_system "$image" "$volume"
    truncate --size +$SHIFT "$image"
    encrypt "$dir" --reduce-device-size $SHIFT --uuid "da7a000${volume#data}-0000-4000-8000-000000000000" \
        --key-file "$dir/keys/$volume" "$image"
}

# The device holds nothing but cipher text from its first sector to its last,
# like an OS disk encrypted by ADE; only the header file tells what it is.
luks1_detached_volume() {
    local dir=$1 volume=$2 image=$1/$2.img header=$1/$2.header
    file_system "$image" "$volume"
    encrypt "$dir" --header "$header" --key-file "$dir/keys/$volume" "$image"
    cryptsetup convert --type luks1 "${QUIETLY[@]}" "$header"
}

file_system() {
    local image=$1 volume=$2 content
    content=$(mktemp --directory)
    echo "hello from $volume" >"$content/hello.txt"
    truncate --size 16M "$image"
    mke2fs -q -F -t ext4 -L "$volume" -d "$content" "$image"
    rm -r "$content"
}

# key_disk IMAGE FILE=SOURCE...: the small vfat disk, as the platform makes it.
key_disk() {
    local image=$1 pair
    shift
    rm -f "$image"
    truncate --size 48M "$image"
    echo 'start=2048, type=c' | sfdisk --quiet --label dos "$image"
    # 47 MiB, in KiB; one sector a cluster, or it would be too small for FAT32.
    mkfs.vfat -F 32 -s 1 -n 'BEK VOLUME' --offset 2048 "$image" $((47 * 1024)) >/dev/null
    printf 'WARNING: THIS DISK HOLDS THE KEYS OF YOUR ENCRYPTED VOLUMES.\r\n\r\nPlease do not change, unmount or delete anything on it.\r\n' |
        mcopy -i "$image@@1M" - ::CRITICAL_DATA_WARNING_README.txt
    for pair in "$@"; do
        mcopy -i "$image@@1M" "${pair#*=}" "::${pair%%=*}"
    done
}
