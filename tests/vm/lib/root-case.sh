# shellcheck shell=bash
# What a case of the root disk adds to the life of a case (case.sh).
#
# Such a case sets FLAVOURS, each SUITE-TOOL (tree.sh); it is run once for each, which is FLAVOUR then.
# Besides what every case may define:
#   LAYOUT     of the OS disk (root-disk.sh)
#   bektab     prints the lines of /etc/bektab; a function, because the guest, which reads the same
#              file, lacks what it is made of
#   PARAMETERS words for the kernel command line
#   DATA_DISKS the scenario, for a guest that has the other cases' four data disks, too
#   watch      on the host, while step $1 runs, when the initramfs is where it ends; it ends the
#              guest itself (stop_guest)

# build_root_guest DIR
build_root_guest() {
    local system
    DIR=$1
    rm -rf "$DIR"
    if [[ -n $DATA_DISKS ]]; then
        make_disks "$DIR"
        data_disks "$DIR"
    fi
    mkdir -p "$DIR/keys" "$DIR/tree"
    head --bytes=127 /dev/urandom | base64 --wrap=0 >"$DIR/keys/root"
    cp "$VM_DIR/scenarios/${DATA_DISKS:-root}.json" "$DIR/scenario.json"
    prepare
    azure_up "$DIR"
    [[ -z $DATA_DISKS ]] || azure_wrap "$DIR" "$DIR/keys/data2" >"$DIR/keys/data2.wrapped"
    azure_wrap "$DIR" "$DIR/keys/root" >"$DIR/keys/root.wrapped"
    make_key_disk
    needles "$DIR/keys" >"$DIR/needles"
    system=$(tree "$FLAVOUR")/root.img
    make_root_tree "$system"
    os_image "$system" "$DIR/os.img" "$PROGRAM" "$VM_DIR/guest" "$DIR/tree"
    root_volume "$DIR" "$DIR/os.img"
    make_initramfs_of_case
    os_disk "$DIR"
    encrypted_os_disk "$DIR"
    KERNEL=$(kernel "${FLAVOUR%%-*}")
    INITRAMFS=$DIR/initramfs
    ROOT="root=$(root_device) rw"
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
        echo "UUID=$BOOT_UUID /boot ext4 defaults,x-systemd.device-timeout=300 0 2"
        [[ -z $DATA_DISKS ]] || cat "$VM_DIR/guest/etc/fstab"
    } >"$tree/etc/fstab"
    if [[ -n $DATA_DISKS ]]; then
        install -D -m 600 "$DIR/data4.header" "$tree/etc/bek-unlock/data4.header"
    fi
    # The second boot reads the journal of the first.
    printf '[Journal]\nStorage=persistent\n' >"$tree/etc/systemd/journald.conf.d/zz-root.conf"
    system_with_ca "$system" >"$tree/etc/ssl/certs/ca-certificates.crt"
}

# The key disk is mounted while the image is made: its key must not get in.
make_initramfs_of_case() {
    local pair version
    mkdir "$DIR/mounted"
    if ((${#KEY_FILES[@]})); then
        for pair in "${KEY_FILES[@]}"; do cp "$DIR/keys/${pair#*=}" "$DIR/mounted/${pair%%=*}"; done
    fi
    BOOT=$DIR/boot KEYS=$DIR/mounted initramfs "$FLAVOUR" "$DIR/initramfs" "$PROGRAM" "$VM_DIR/guest" "$DIR/tree" \
        >"$RESULTS/initramfs.log" 2>&1 || die "the initramfs was not made; see $RESULTS/initramfs.log"
    # Where dracut looks for it at shutdown.
    version=$(basename "$(kernel "${FLAVOUR%%-*}")"/lib/modules/*)
    cp "$DIR/initramfs" "$DIR/boot/initrd.img-$version"
    equal 'no secret in the initramfs, though the key disk was mounted' '' "$(passphrases_in "$DIR/keys" "$DIR/initramfs")"
}

# For watch -----------------------------------------------------------------

# refused_in_initramfs STATUS CAUSE HINT [TIMEOUT]: the root stayed closed for that cause (a regular
# expression), said so once on the console, and left a shell there.
#
# What ends long before its timeout= has one that a busy machine does not use up, for it is then
# refused for want of time.
refused_in_initramfs() {
    local status=$1 cause=$2 hint=$3 timeout=${4:-120} words=$RESULTS/words.txt seconds
    check 'the console has the error' seen 'error: cannot unlock osencrypt'
    check 'a shell answers on the console' shell_answers
    # Its lines are wrapped.
    tr --delete '\r' <"$DIR/console.log" | tr --squeeze-repeats ' \n' ' ' >"$words"
    equal 'it has it once' 1 "$(grep --only-matching 'error: cannot unlock osencrypt' "$words" | wc --lines)"
    check "its cause is: $cause" matches "cause: .*$cause" "$words"
    check "its hint is: $hint" matches "hint: .*$hint" "$words"
    if [[ $FLAVOUR == *-dracut ]]; then
        equal "bek-unlock@osencrypt ended with status $status" "$status" \
            "$(ask 'systemctl show --property=ExecMainStatus --value bek-unlock@osencrypt')"
        seconds=$(seconds_in_initramfs)
        # Starting and ending a process takes seconds on a busy machine under TCG.
        check "it took no longer than timeout=$timeout ($seconds s)" test "$seconds" -le $((timeout + 20))
    fi
    equal 'nothing is mapped' '' "$(ask 'cat /sys/block/dm-*/dm/name 2>/dev/null')"
    equal 'the key disk and /boot are mounted nowhere' '' \
        "$(ask "$(lines_with '*vfat* | */dev/sd*' 'cat /proc/[0-9]*/mountinfo')")"
    equal 'no process of the program is left' '' \
        "$(ask "$(lines_with '*/bin/bek-unlock*' 'ls -l /proc/[0-9]*/exe')")"
    stop_guest
}

# A command for any shell, without grep: the lines like that of what COMMAND says.
lines_with() {
    # shellcheck disable=SC2016
    printf '%s 2>/dev/null | while read -r l; do case $l in %s) echo "$l";; esac; done' "$2" "$1"
}

# From the unit's start to its end, rounded up.
seconds_in_initramfs() {
    local from to
    from=$(ask 'systemctl show --property=ExecMainStartTimestampMonotonic --value bek-unlock@osencrypt')
    to=$(ask 'systemctl show --property=ExecMainExitTimestampMonotonic --value bek-unlock@osencrypt')
    # Where there was no answer, this is no number either.
    [[ $from$to != *[!0-9]* ]] || return 0
    echo $(((to - from + 999999) / 1000000))
}

# For inspect ---------------------------------------------------------------

# systemd-shutdown cannot close what it runs from, nor what a logical volume stands on; it makes the
# root read-only and syncs.
root_shut_down_cleanly() {
    local step console
    for step in "${STEPS[@]}"; do
        console=$RESULTS/console-$step.log
        check "shutdown of step $step reached the end" matches 'reboot: (Power down|Restarting system)' "$console"
        check "nothing else was busy at the end of step $step" \
            not matches '[Bb]usy' <(grep --invert-match 'systemd-shutdown.* Could not detach DM' "$console")
        [[ $FLAVOUR != *-initramfs-tools ]] ||
            equal "the console tells of one unlock in step $step" 1 \
                "$(grep --count --extended-regexp 'osencrypt unlocked with|osencrypt: key from .* handed over' "$console")"
    done
}

# Requests of all boots, in order.
requests_made() { sed --quiet '/"event":"request"/s/.*"method":"\([A-Z]*\)","path":"\([^"]*\)".*/\1 \2/p' "$RESULTS/requests.jsonl"; }
