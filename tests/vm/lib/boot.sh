# shellcheck shell=bash
# One boot of a guest under QEMU, with disks attached as Azure attaches them.

# A boot takes 10-40 s alone on a machine; a busy one may take this long.
readonly BOOT_LIMIT=${VM_BOOT_LIMIT:-400}

# start_guest DIR WORDS...: starts the guest whose images are in DIR. WORDS go to the kernel command
# line. The serial console is DIR/console.log (appended, so that a second boot follows the first)
# and takes what is written to the file descriptor KEYBOARD; results come out through
# DIR/results.img. Variables of the case:
#   KERNEL     directory made by kernel (kernel.sh)
#   INITRAMFS  path of the image; empty: none
#   ROOT       words for the kernel command line: where the root file system is
#   DISKS      QEMU options of the disks but the key disk
#   NETWORK    QEMU options of the network card (azure.sh)
#   KEY_DISK   path of the key disk's image; empty: no key disk
#   LIMIT      seconds for one boot, where it does more than the others' (default: BOOT_LIMIT)
#   CLOCK      what the hardware clock starts with (QEMU's -rtc base=)
start_guest() {
    local dir=$1
    shift
    truncate --size 0 "$dir/results.img"
    truncate --size 64M "$dir/results.img"
    cp "$dir/needles" "$dir/needles.img"
    truncate --size %4096 "$dir/needles.img"
    rm -f "$dir/keyboard"
    mkfifo "$dir/keyboard"
    # For reading, too: neither side's open waits for the other's.
    exec {KEYBOARD}<>"$dir/keyboard"
    qemu "$dir" "$@" <&"$KEYBOARD" >>"$dir/console.log" 2>"$dir/qemu.log" &
    QEMU_PID=$!
    started "$QEMU_PID"
}

# end_guest DIR: waits for the guest to power off.
end_guest() {
    local dir=$1 status=0
    wait "$QEMU_PID" || status=$?
    exec {KEYBOARD}>&-
    case $status in
        0) ;;
        124 | 137) say "the guest did not power off within ${LIMIT:-$BOOT_LIMIT} s; see $dir/console.log" ;;
        *) say "QEMU ended with status $status: $(<"$dir/qemu.log")" ;;
    esac
    return "$status"
}

boot() {
    start_guest "$@"
    end_guest "$1"
}

qemu() {
    local dir=$1
    shift
    machine
    # To initramfs-tools it means: no shell.
    [[ ${FLAVOUR:-} != *-initramfs-tools ]] || KERNEL_WORDS=${KERNEL_WORDS/panic=-1/}
    local -a options=(
        "${MACHINE[@]}" -m 1024 -rtc "base=${CLOCK:-utc}"
        -kernel "$KERNEL/vmlinux"
        -append "$ROOT console=ttyS0 $KERNEL_WORDS net.ifnames=0 systemd.unit=vm-case.target $*"
        -serial stdio
        # Not on NVMe: controllers are probed in parallel, and root= is a number.
        -drive "if=none,id=results,file=$dir/results.img,format=raw,cache=unsafe" -device virtio-blk-pci,serial=results,drive=results
        # What secrets-search looks for; raw, so that it is in no file of the guest.
        -drive "if=none,id=needles,file=$dir/needles.img,format=raw,read-only=on" -device virtio-blk-pci,serial=needles,drive=needles
        # A generation 2 VM: OS disk and key disk on one controller at luns 0 and 3, data disks on a
        # second one.
        -device virtio-scsi-pci,id=scsi0,addr=0x5
        -device virtio-scsi-pci,id=scsi1,addr=0x6
    )
    [[ -z ${INITRAMFS:-} ]] || options+=(-initrd "$INITRAMFS")
    if [[ -n ${KEY_DISK:-} ]]; then
        options+=(-drive "if=none,id=key,file=$KEY_DISK,format=raw,cache=unsafe"
            -device scsi-hd,bus=scsi0.0,scsi-id=0,lun=3,drive=key)
    fi
    run_qemu "${LIMIT:-$BOOT_LIMIT}" "$dir/console.log" "${options[@]}" "${DISKS[@]}" "${NETWORK[@]}"
}

# run_qemu SECONDS CONSOLE OPTION...: QEMU with its standard input, until it ends or time is up; for
# the background, where a TERM ends both.
#
# QEMU 7.2 was seen to abort under TCG with a thread for each processor, once in a run of every case,
# by an assertion of its own (msix_table_mmio_write in hw/pci/msix.c). Why was not traced; QEMU's
# discussion of a later fix tells of stale device maps between those threads. It says nothing about
# the guest, which is started again, with CONSOLE as it was. A guest that hangs is not: that ends at
# its limit.
run_qemu() {
    local limit=$1 console=$2 before child status
    shift 2
    trap 'kill "$child" 2>/dev/null; wait "$child"; exit 143' TERM
    for _ in 1 2 3; do
        before=$(length_of "$console")
        # Without the redirection the shell would give it /dev/null.
        timeout --kill-after=5 "$limit" qemu-system-x86_64 "$@" <&0 &
        child=$!
        status=0
        wait "$child" || status=$?
        if ((status != 134)); then break; fi
        say 'QEMU aborted; starting it again'
        truncate --size "$before" "$console"
    done
    return "$status"
}

length_of() { stat --format=%s "$1" 2>/dev/null || echo 0; }

# plain_os_disk DIR: an OS disk that is not encrypted, and no initramfs: NVMe is in the kernel.
plain_os_disk() {
    KERNEL=$(kernel)
    INITRAMFS=
    ROOT='root=/dev/nvme0n1 rootwait rw'
    DISKS+=(-drive "if=none,id=os,file=$1/os.img,format=raw,cache=unsafe" -device nvme,serial=os,drive=os)
}

data_disks() {
    local dir=$1 volume lun=0
    for volume in data1 data2 data3 data4; do
        DISKS+=(-drive "if=none,id=$volume,file=$dir/$volume.img,format=raw,cache=unsafe,discard=unmap"
            -device "scsi-hd,bus=scsi1.0,scsi-id=0,lun=$lun,drive=$volume")
        lun=$((lun + 1))
    done
}

# machine: sets MACHINE and KERNEL_WORDS, what makes a boot under TCG take
# seconds (measured; QEMU's and Debian's defaults take three to five times as
# long). VM_ACCEL=kvm is for machines where KVM works; with VM_ACCEL=icount the guest's clock counts
# instructions, one a nanosecond, so that what else this machine does is not in its times.
machine() {
    MACHINE=(
        -machine 'q35,hpet=off,smbus=off,sata=off,usb=off,vmport=off'
        -nodefaults -no-user-config -display none -no-reboot -smp 2
    )
    if [[ ${VM_ACCEL:-tcg} == kvm ]]; then
        MACHINE+=(-accel kvm -cpu host)
    elif [[ ${VM_ACCEL:-} == icount ]]; then
        MACHINE+=(-smp 1 -accel tcg,thread=single -icount shift=0,sleep=off -cpu "$(tcg_cpu)")
    else
        # Both processors in one thread: a boot is no slower (10 s up to the unlocked root, two guests
        # at once, and 12 s with a thread each), and QEMU's own races between them are out of reach.
        MACHINE+=(-accel 'tcg,thread=single' -cpu "$(tcg_cpu)")
    fi
    # no_timer_check: without it the emulated timer can hang the boot.
    KERNEL_WORDS='quiet panic=-1 mitigations=off tsc=reliable no_timer_check cryptomgr.notests'
    case ${VM_ACCEL:-tcg} in
        kvm) ;;
        icount) KERNEL_WORDS+=' tsc_early_khz=1000000' ;;
        *) KERNEL_WORDS+=$(counter_speed) ;;
    esac
}

# The kernel measures the time stamp counter against emulated timers, and on a busy machine that
# goes so wrong that the guest's clock runs away. The counter is this machine's own.
counter_speed() {
    local program khz
    program=$CACHE/tsc-$(hash_of "$VM_DIR/lib/tsc.c")
    if [[ ! -x $program ]]; then
        # Under another name first: two guests may start at once.
        cc -O2 -o "$program.$BASHPID" "$VM_DIR/lib/tsc.c"
        mv "$program.$BASHPID" "$program"
    fi
    khz=$("$program")
    if [[ -n $khz ]]; then echo " tsc_early_khz=$khz"; fi
}

# svm makes udev load kvm_amd; erms and fsrm make the kernel clear pages with
# `rep stosb`, which is catastrophically slow over pages that held code.
tcg_cpu() {
    local cpu=max,-svm,-erms
    # Known since QEMU 4.1; asked, because an unknown flag ends QEMU.
    if [[ $(qemu-system-x86_64 -cpu help) =~ [[:space:]]fsrm[[:space:]] ]]; then cpu+=,-fsrm; fi
    echo "$cpu"
}
