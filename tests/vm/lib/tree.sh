# shellcheck shell=bash
# The guests' Debian, by flavour: SUITE, or SUITE-TOOL for one that can make an initramfs.
#
# Built once by mmdebstrap (half a minute to three) and cached under target/vm by a hash of
# everything that went into it. The program under test is not in it: overlay.sh lays that over a
# copy of the image, initramfs.sh into the tree in which the initramfs is made.

# cryptsetup-bin is the second opinion on what is mapped and which key fits; it brings no units and
# no initramfs hooks. procps and iproute2 are for the checks.
readonly PACKAGES=(
    ca-certificates
    cryptsetup-bin
    dbus
    dmsetup
    e2fsprogs
    iproute2
    kmod
    libcryptsetup12
    mount
    procps
    systemd
    systemd-sysv
    udev
)
readonly DRACUT_PACKAGES=(dracut dracut-network lvm2)
# For the case that boots with a splash. In Debian its units do nothing without `splash` on the kernel
# command line, and the other cases' images are without it.
readonly SPLASH_PACKAGES=(plymouth)
# cryptsetup-initramfs for its keyscripts; without a crypttab it opens nothing.
readonly INITRAMFS_TOOLS_PACKAGES=(busybox cryptsetup-initramfs initramfs-tools lvm2)
# What systemd opens crypttab with; in Debian 12 it is in the package systemd.
readonly CRYPTTAB_PACKAGES=(systemd-cryptsetup)

# Nothing here has to do with unlocking, and under TCG every process start costs a tenth of a
# second.
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

# tree FLAVOUR: prints the directory that holds root.tar, the system, and root.img, the same with
# the kernel's modules as a file system.
tree() {
    local flavour=$1 kernel dir
    kernel=$(kernel "${flavour%%-*}")
    dir=$CACHE/tree-$flavour-$(hash_of "$VM_DIR/lib/tree.sh" <(echo "$MIRROR $(basename "$kernel")"))
    once "$dir" "building a Debian, one to three minutes: $flavour" build_tree "$flavour" "$dir" "$kernel"
    echo "$dir"
}

# The same for the data-disk cases, which need no initramfs.
base_image() {
    local dir
    dir=$(tree "$(guest_suite)")
    echo "$dir/root.img"
}

build_tree() {
    local flavour=$1 dir=$2 kernel=$3
    local -a packages=("${PACKAGES[@]}")
    case $flavour in
        bookworm-dracut) packages+=("${DRACUT_PACKAGES[@]}" "${SPLASH_PACKAGES[@]}") ;;
        *-dracut) packages+=("${DRACUT_PACKAGES[@]}") ;;
        *-initramfs-tools) packages+=("${INITRAMFS_TOOLS_PACKAGES[@]}") ;;
        bookworm) ;;
        *) packages+=("${CRYPTTAB_PACKAGES[@]}") ;;
    esac
    mkdir "$dir/tree"
    mmdebstrap --variant=minbase --skip=cleanup/reproducible \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --include="$(
            IFS=,
            echo "${packages[*]}"
        )" \
        --customize-hook="$(customization)" \
        "${flavour%%-*}" "$dir/root.tar" "$MIRROR" || return 1
    in_tree "$dir" "$kernel" pack_tree "$dir/root.img"
}

# Runs as one shell line inside mmdebstrap, "$1" being the tree.
customization() {
    local unit
    # shellcheck disable=SC2016
    printf 'set -e; cd "$1"; '
    for unit in "${MASKED[@]}"; do
        printf 'ln -sf /dev/null etc/systemd/system/%s; ' "$unit"
    done
    printf '[ ! -d etc/dracut.conf.d ] || echo "omit_dracutmodules+=\\" plymouth \\"" >etc/dracut.conf.d/zz-no-plymouth.conf; '
    # A fixed id: no first-boot logic, and journal paths the host can guess.
    printf 'echo b0071d00b0071d00b0071d00b0071d00 >etc/machine-id; '
    printf 'chroot . systemctl enable systemd-networkd.service systemd-networkd-wait-online.service; '
    printf 'chroot . journalctl --update-catalog'
}

# in_tree DIR KERNEL COMMAND...: runs COMMAND, a function of these scripts, as root in the unpacked
# tree of DIR, with the kernel's modules in it. An ordinary user is root in a user namespace. The
# tree is a tmpfs in a mount namespace of its own, gone with COMMAND, and the network is one without
# interfaces: whatever runs there cannot reach this machine's.
in_tree() {
    local dir=$1 kernel=$2
    local -a namespaces=(--mount --net --propagation private)
    shift 2
    ((EUID == 0)) || namespaces+=(--map-root-user --map-auto)
    # shellcheck disable=SC2016
    unshare "${namespaces[@]}" bash -c '
        set -euo pipefail
        source "$1"
        shift
        unpack_tree "$@"
    ' - <(declare -f) "$dir" "$kernel" "$@"
}

unpack_tree() {
    local dir=$1 kernel=$2
    shift 2
    mount -t tmpfs -o mode=0755 tree "$dir/tree"
    cd "$dir/tree" || return 1
    # systemd mounts devtmpfs; device nodes cannot be made in a user namespace.
    tar -xf "$dir/root.tar" --exclude './dev/*'
    cp -R "$kernel/lib/modules" usr/lib/modules
    "$@"
}

# No journal: the image is thrown away after the boot.
pack_tree() {
    local image=$1
    truncate --size 512M "$image"
    mke2fs -q -F -t ext4 -b 4096 -O ^has_journal -E root_owner=0:0,nodiscard -d . "$image"
}
