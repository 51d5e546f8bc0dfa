# shellcheck shell=bash
# One boot of a guest under QEMU, with disks attached as Azure attaches them.

# A boot takes 10-20 s alone on a machine; a busy one may take this long.
readonly BOOT_LIMIT=${VM_BOOT_LIMIT:-240}

# boot BASE DIR WORDS...: starts the guest whose images are in DIR and waits for
# it to power off. WORDS go to the kernel command line. The serial console is
# DIR/console.log (appended, so that a second boot follows the first); results
# come out through DIR/results.img. Variables of the case:
#   NETWORK    QEMU options of the network card (azure.sh)
#   KEY_DISK   path of the key disk's image; empty: no key disk
boot() {
    local base=$1 dir=$2 status=0
    shift 2
    truncate --size 0 "$dir/results.img"
    truncate --size 64M "$dir/results.img"
    qemu "$base" "$dir" "$@" </dev/null >>"$dir/console.log" 2>"$dir/qemu.log" &
    QEMU_PID=$!
    started "$QEMU_PID"
    wait "$QEMU_PID" || status=$?
    case $status in
        0) ;;
        124 | 137) say "the guest did not power off within $BOOT_LIMIT s; see $dir/console.log" ;;
        *) say "QEMU ended with status $status: $(<"$dir/qemu.log")" ;;
    esac
    return "$status"
}

# Why these options: docs of the measurements are in README.md, "Quick under TCG".
qemu() {
    local base=$1 dir=$2 volume lun=0
    shift 2
    local -a options=(
        -machine 'q35,hpet=off,smbus=off,sata=off,usb=off,vmport=off'
        -nodefaults -no-user-config -display none -no-reboot
        -smp 2 -m 1024
        -kernel "$base/vmlinux"
        -append "$(kernel_command_line "$@")"
        -serial stdio
        -drive "if=none,id=os,file=$dir/os.img,format=raw,cache=unsafe" -device nvme,serial=os,drive=os
        -drive "if=none,id=results,file=$dir/results.img,format=raw,cache=unsafe" -device nvme,serial=results,drive=results
        # A generation 2 VM: key disk on the OS controller at lun 3, data disks
        # on a second controller (facts of Azure's slots: docs/azure.md).
        -device virtio-scsi-pci,id=scsi0,addr=0x5
        -device virtio-scsi-pci,id=scsi1,addr=0x6
    )
    if [[ ${VM_ACCEL:-tcg} == kvm ]]; then
        options+=(-accel kvm -cpu host)
    else
        options+=(-accel 'tcg,thread=multi' -cpu "$(tcg_cpu)")
    fi
    if [[ -n ${KEY_DISK:-} ]]; then
        options+=(-drive "if=none,id=key,file=$KEY_DISK,format=raw,cache=unsafe"
            -device scsi-hd,bus=scsi0.0,scsi-id=0,lun=3,drive=key)
    fi
    for volume in data1 data2 data3 data4; do
        options+=(-drive "if=none,id=$volume,file=$dir/$volume.img,format=raw,cache=unsafe,discard=unmap"
            -device "scsi-hd,bus=scsi1.0,scsi-id=0,lun=$lun,drive=$volume")
        lun=$((lun + 1))
    done
    exec timeout --kill-after=5 "$BOOT_LIMIT" qemu-system-x86_64 "${options[@]}" "${NETWORK[@]}"
}

kernel_command_line() {
    # no_timer_check: without it QEMU 7.2's emulated timer can hang the boot.
    printf '%s ' root=/dev/nvme0n1 rw console=ttyS0 quiet panic=-1 \
        mitigations=off tsc=reliable no_timer_check cryptomgr.notests net.ifnames=0 \
        systemd.unit=vm-case.target systemd.show_status=yes "$@"
}

# svm makes udev load kvm_amd; erms and fsrm make the kernel clear pages with
# `rep stosb`, which is catastrophically slow over pages that held code.
tcg_cpu() {
    local cpu=max,-svm,-erms
    if qemu-system-x86_64 -cpu help | grep --quiet --word-regexp fsrm; then cpu+=,-fsrm; fi
    echo "$cpu"
}
