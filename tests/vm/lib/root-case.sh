# shellcheck shell=bash
# What a case of the root disk adds to the life of a case (case.sh).
#
# Such a case sets FLAVOURS, each SUITE-TOOL (tree.sh); it is run once for each. Besides what every
# case may define:
#   LAYOUT     of the OS disk (root-disk.sh)
#   bektab     prints the lines of /etc/bektab; a function, because the guest, which reads the same
#              file, lacks what it is made of
#   PARAMETERS words for the kernel command line
#   watch      on the host, while step $1 runs, when the initramfs is where it ends; it ends the
#              guest itself (stop_guest)

# build_root_guest DIR FLAVOUR
build_root_guest() {
    local flavour=$2 system
    DIR=$1
    rm -rf "$DIR"
    mkdir -p "$DIR/keys" "$DIR/tree"
    head --bytes=127 /dev/urandom | base64 --wrap=0 >"$DIR/keys/root"
    cp "$VM_DIR/scenarios/root.json" "$DIR/scenario.json"
    prepare
    azure_up "$DIR"
    azure_wrap "$DIR" "$DIR/keys/root" >"$DIR/keys/root.wrapped"
    make_key_disk
    needles "$DIR/keys" >"$DIR/needles"
    system=$(tree "$flavour")/root.img
    make_root_tree "$system"
    os_image "$system" "$DIR/os.img" "$PROGRAM" "$VM_DIR/guest" "$DIR/tree"
    root_volume "$DIR" "$DIR/os.img"
    make_initramfs_of_case "$flavour"
    os_disk "$DIR"
    KERNEL=$(kernel "${flavour%%-*}")
    INITRAMFS=$DIR/initramfs
    ROOT="root=$(root_device) rw $PARAMETERS"
}

# What differs from tests/vm/guest, and what belongs to this run alone.
make_root_tree() {
    local system=$1 tree=$DIR/tree
    mkdir -p "$tree/usr/lib/vm" "$tree/etc/ssl/certs" "$tree/etc/systemd/journald.conf.d"
    if [[ -d $CASE/guest ]]; then cp -R "$CASE/guest/." "$tree"; fi
    cp "$CASE/case.sh" "$tree/usr/lib/vm/case.sh"
    bektab >"$tree/etc/bektab"
    {
        echo "$(root_device) / ext4 defaults 0 1"
        echo "UUID=$BOOT_UUID /boot ext4 defaults 0 2"
    } >"$tree/etc/fstab"
    # The second boot reads the journal of the first.
    printf '[Journal]\nStorage=persistent\n' >"$tree/etc/systemd/journald.conf.d/zz-root.conf"
    system_with_ca "$system" >"$tree/etc/ssl/certs/ca-certificates.crt"
}

# The key disk is mounted while the image is made: its key must not get in.
make_initramfs_of_case() {
    local flavour=$1 pair version
    mkdir "$DIR/mounted"
    if ((${#KEY_FILES[@]})); then
        for pair in "${KEY_FILES[@]}"; do cp "$DIR/keys/${pair#*=}" "$DIR/mounted/${pair%%=*}"; done
    fi
    BOOT=$DIR/boot KEYS=$DIR/mounted initramfs "$flavour" "$DIR/initramfs" "$PROGRAM" "$VM_DIR/guest" "$DIR/tree" \
        >"$RESULTS/initramfs.log" 2>&1 || die "the initramfs was not made; see $RESULTS/initramfs.log"
    # Where dracut looks for it at shutdown.
    version=$(basename "$(kernel "${flavour%%-*}")"/lib/modules/*)
    cp "$DIR/initramfs" "$DIR/boot/initrd.img-$version"
    equal 'no secret in the initramfs, though the key disk was mounted' '' "$(passphrases_in "$DIR/keys" "$DIR/initramfs")"
}

# For inspect ---------------------------------------------------------------

# systemd-shutdown cannot close what it runs from; it makes it read-only and syncs, and the
# initramfs, where one comes back, closes it.
root_shut_down_cleanly() {
    local step console
    for step in "${STEPS[@]}"; do
        console=$RESULTS/console-$step.log
        check "shutdown of step $step reached the end" matches 'reboot: (Power down|Restarting system)' "$console"
        check "nothing was busy at the end of step $step" not matches '[Bb]usy' "$console"
    done
}

# Requests of all boots, in order.
requests_made() { sed --quiet '/"event":"request"/s/.*"method":"\([A-Z]*\)","path":"\([^"]*\)".*/\1 \2/p' "$RESULTS/requests.jsonl"; }
