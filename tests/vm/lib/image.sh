# shellcheck shell=bash
# The guest's base image: an ordinary Debian with systemd as init.
#
# Built once by mmdebstrap (half a minute to two) and cached under target/vm by
# a hash of everything that went into it. The program under test is not in it:
# overlay.sh lays that over a copy.

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

# base_image: prints the path of the image.
base_image() {
    local suite kernel dir
    suite=$(guest_suite)
    kernel=$(kernel)
    dir=$CACHE/base-$suite-$(hash_of "$VM_DIR/lib/image.sh" <(echo "$MIRROR $kernel"))
    if [[ ! -e $dir/complete ]]; then
        say "building the base image: Debian $suite (once, one to two minutes)"
        rm -rf "$dir"
        mkdir -p "$dir"
        build_base "$suite" "$dir" "$kernel" >"$dir/build.log" 2>&1 ||
            die "the base image was not built; see $dir/build.log"
        touch "$dir/complete"
    fi
    echo "$dir/root.img"
}

build_base() {
    local suite=$1 dir=$2 kernel=$3
    mmdebstrap --variant=minbase --skip=cleanup/reproducible \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --include="$(
            IFS=,
            echo "${PACKAGES[*]}"
        )" \
        --customize-hook="$(customization)" \
        "$suite" "$dir/root.tar" "$MIRROR" || return 1
    # uid 0 inside is all mke2fs needs; an ordinary user gets it in a user namespace.
    if ((EUID == 0)); then
        pack_base "$dir" "$kernel"
    else
        export -f pack_base
        unshare --map-root-user --map-auto bash -c 'pack_base "$@"' - "$dir" "$kernel"
    fi || return 1
    rm "$dir/root.tar"
}

# Runs as one shell line inside mmdebstrap, "$1" being the tree.
customization() {
    local unit
    # shellcheck disable=SC2016
    printf 'set -e; cd "$1"; '
    for unit in "${MASKED[@]}"; do
        printf 'ln -sf /dev/null etc/systemd/system/%s; ' "$unit"
    done
    # A fixed id: no first-boot logic, and journal paths the host can guess.
    printf 'echo b0071d00b0071d00b0071d00b0071d00 >etc/machine-id; '
    printf 'chroot . systemctl enable systemd-networkd.service systemd-networkd-wait-online.service; '
    printf 'chroot . journalctl --update-catalog'
}

# errexit does not reach here (the caller tests the outcome), hence the chain.
pack_base() {
    local dir=$1 kernel=$2 tree=$1/tree
    mkdir "$tree" &&
        # systemd mounts devtmpfs; device nodes cannot be made in a user namespace.
        tar -C "$tree" -xf "$dir/root.tar" --exclude './dev/*' &&
        cp -R "$kernel/lib/modules" "$tree/usr/lib/modules" &&
        truncate --size 1G "$dir/root.img" &&
        # No journal: the image is thrown away after the boot.
        mke2fs -q -F -t ext4 -b 4096 -O ^has_journal -E root_owner=0:0,nodiscard -d "$tree" "$dir/root.img" &&
        rm -rf "$tree"
}
