# shellcheck shell=bash
# The guest's base image: an ordinary Debian with systemd as init, and its kernel.
#
# Built once by mmdebstrap (half a minute to two) and cached under target/vm by
# a hash of everything that went into it. The program under test is not in it:
# overlay.sh lays that over a copy.

readonly MIRROR=${VM_MIRROR:-http://deb.debian.org/debian}

# cryptsetup-bin is the second opinion on what is mapped and which key fits; it
# brings no units and no initramfs hooks. procps and iproute2 are for the checks.
readonly PACKAGES=(
    ca-certificates
    cryptsetup-bin
    dbus
    dmsetup
    e2fsprogs
    iproute2
    kmod
    libcryptsetup12
    linux-image-cloud-amd64
    mount
    procps
    systemd
    systemd-sysv
    udev
)

# Nothing here has to do with unlocking, and under TCG every process start
# costs a tenth of a second.
readonly MASKED=(
    apt-daily-upgrade.timer
    apt-daily.timer
    dpkg-db-backup.timer
    e2scrub_all.timer
    e2scrub_reap.service
    fstrim.timer
    getty.target
    ldconfig.service
    modprobe@drm.service
    modprobe@efi_pstore.service
    modprobe@fuse.service
    systemd-hwdb-update.service
    systemd-journal-catalog-update.service
    systemd-logind.service
    systemd-pstore.service
    systemd-tmpfiles-clean.timer
    systemd-update-utmp-runlevel.service
    systemd-update-utmp.service
)

# base_image: prints the directory that holds root.img, vmlinux and modules.txt.
base_image() {
    local suite dir
    suite=$(guest_suite)
    dir=$CACHE/base-$suite-$(hash_of "${BASH_SOURCE[0]}" <(echo "$MIRROR"))
    if [[ ! -e $dir/complete ]]; then
        say "building the base image: Debian $suite (once, one to two minutes)"
        rm -rf "$dir"
        mkdir -p "$dir"
        build_base "$suite" "$dir" >"$dir/build.log" 2>&1 ||
            die "the base image was not built; see $dir/build.log"
        touch "$dir/complete"
    fi
    echo "$dir"
}

# guest_suite: the oldest Debian whose C library is as new as this machine's,
# because the guest runs the program this machine built.
guest_suite() {
    local libc
    if [[ -n ${VM_SUITE:-} ]]; then
        echo "$VM_SUITE"
        return
    fi
    libc=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
    if printf '%s\n' "$libc" 2.36 | sort --check=quiet --version-sort; then
        echo bookworm
    else
        echo trixie
    fi
}

build_base() {
    local suite=$1 dir=$2
    mmdebstrap --variant=minbase --skip=cleanup/reproducible \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --include="$(
            IFS=,
            echo "${PACKAGES[*]}"
        )" \
        --customize-hook="$(customization)" \
        "$suite" "$dir/root.tar" "$MIRROR"
    # uid 0 inside is all mke2fs needs; an ordinary user gets it in a user namespace.
    if ((EUID == 0)); then
        pack_base "$dir"
    else
        export -f pack_base uncompress_kernel slice little_endian
        unshare --map-root-user --map-auto bash -c "set -euo pipefail; pack_base '$dir'"
    fi
    rm "$dir/root.tar"
}

# Runs as one shell line inside mmdebstrap, "$1" being the tree.
customization() {
    local unit
    # shellcheck disable=SC2016
    printf 'set -e; cd "$1"; '
    printf 'rm -f boot/initrd.img*; '
    for unit in "${MASKED[@]}"; do
        printf 'ln -sf /dev/null etc/systemd/system/%s; ' "$unit"
    done
    # A fixed id: no first-boot logic, and journal paths the host can guess.
    printf 'echo b0071d00b0071d00b0071d00b0071d00 >etc/machine-id; '
    printf 'chroot . systemctl enable systemd-networkd.service systemd-networkd-wait-online.service; '
    printf 'chroot . journalctl --update-catalog'
}

pack_base() {
    local dir=$1 tree=$1/tree
    mkdir "$tree"
    # systemd mounts devtmpfs; device nodes cannot be made in a user namespace.
    tar -C "$tree" -xf "$dir/root.tar" --exclude './dev/*'
    uncompress_kernel "$tree"/boot/vmlinuz-* >"$dir/vmlinux"
    truncate --size 1G "$dir/root.img"
    # No journal: the image is thrown away after the boot.
    mke2fs -q -F -t ext4 -b 4096 -O ^has_journal -E root_owner=0:0,nodiscard -d "$tree" "$dir/root.img"
    rm -rf "$tree"
}

# uncompress_kernel BZIMAGE: the ELF kernel inside, which QEMU starts at its
# PVH entry; decompression under TCG would take longer than the rest of the
# kernel's boot. Offsets: the kernel's Documentation/arch/x86/boot.rst.
uncompress_kernel() {
    local image=$1 start length magic
    start=$(((($(little_endian "$image" 0x1f1 1) + 1) * 512) + $(little_endian "$image" 0x248 4)))
    length=$(little_endian "$image" 0x24c 4)
    magic=$(od --address-radix=n --format=x1 --skip-bytes=$start --read-bytes=4 "$image" | tr -d ' ')
    # The last four bytes are the uncompressed size, which only gzip expects.
    case $magic in
        02214c18) slice "$image" "$start" $((length - 4)) | lz4 -dc ;;
        28b52ffd) slice "$image" "$start" $((length - 4)) | zstd -dc ;;
        fd377a58) slice "$image" "$start" $((length - 4)) | xz -dc ;;
        1f8b*) slice "$image" "$start" "$length" | gzip -dc ;;
        *)
            echo "kernel compressed in an unknown way: $magic" >&2
            return 1
            ;;
    esac
}

slice() { dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none; }

little_endian() { od --address-radix=n --format=u"$3" --skip-bytes="$2" --read-bytes="$3" "$1" | tr -d ' '; }
