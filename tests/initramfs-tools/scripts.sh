#!/usr/bin/env bash
# The scripts for initramfs-tools, each in a root directory that holds a shell and hardly more.
#
#     tests/initramfs-tools/scripts.sh
#
# Nothing of this machine can be touched: the scripts run below another root, in a network
# namespace without interfaces, and what configures networks, mounts or ends processes is a function
# (stubs.sh) wherever they are called. Once for each shell that an initramfs may have.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly HERE=tests/initramfs-tools
readonly SCRIPTS=(
    initramfs-tools/hooks/bek-unlock
    initramfs-tools/keyscript
    initramfs-tools/scripts/local-bottom/bek-unlock
    initramfs-tools/scripts/local-top/bek-unlock
)
readonly APPLETS=(cat chmod cp env ln ls mkdir mkfifo rm sed sort tr)

WORK=$(mktemp -d)
readonly WORK
trap 'rm -rf "$WORK"' EXIT

main() {
    syntax
    if ! apart true; then
        echo 'initramfs-tools: left out: this system allows no namespaces'
        return
    fi
    nothing_to_break
    local shell case status
    for shell in dash busybox; do
        for case in $(declare -F | sed -n 's/^declare -f \(test_.*\)/\1/p'); do
            image "$shell"
            # Neither behind "if" nor before "||", where "set -e" says nothing inside of it.
            set +e
            (set -e; "$case")
            status=$?
            set -e
            ((status == 0)) || fail "$shell: $case"
        done
    done
    echo 'initramfs-tools: fine'
}

syntax() {
    local script
    for script in "${SCRIPTS[@]}"; do
        dash -n "$script"
        busybox ash -n "$script"
        bash --posix -n "$script"
    done
}

# apart COMMAND...: without a network; as an unprivileged user, who is root in there.
apart() {
    local -a flags=(--net)
    ((EUID == 0)) || flags+=(--user --map-root-user)
    unshare "${flags[@]}" "$@"
}

nothing_to_break() {
    local interfaces
    interfaces=$(apart sed -n 's/^ *\([^ :]*\):.*/\1/p' /proc/net/dev)
    [[ $interfaces == lo ]] || fail "the namespace has interfaces: $interfaces"
}

# image SHELL: a fresh root directory, $root, in which /bin/sh is SHELL.
image() {
    local shell=$1 binary library
    root=$WORK/root
    rm -rf "$root"
    mkdir -p "$root"/{bin,closed,conf,dev,etc,fstype,proc,run/initramfs,scripts,usr/bin,usr/share/initramfs-tools}
    mknod_null
    for binary in dash busybox; do
        cp "$(command -v "$binary")" "$root/bin/$binary"
        while read -r library; do
            cp --parents --dereference "$library" "$root"
        done < <(ldd "$root/bin/$binary" 2>/dev/null | grep -o '/[^ ]*')
    done
    for binary in "${APPLETS[@]}"; do ln -s busybox "$root/bin/$binary"; done
    case $shell in
        dash) ln -s dash "$root/bin/sh" ;;
        busybox) ln -s busybox "$root/bin/sh" ;;
    esac
    cp "$HERE/program.sh" "$root/usr/bin/bek-unlock"
    cp -R initramfs-tools "$root/"
    cp "$HERE/stubs.sh" "$root/scripts/functions"
    cp "$HERE/stubs.sh" "$root/usr/share/initramfs-tools/hook-functions"
    : >"$root/said"
    : >"$root/names"
    : >"$root/plan"
    : >"$root/proc/mounts"
}

# A device node would need more rights than a test has; who reads it finds nothing all the same.
mknod_null() {
    : >"$root/dev/null"
}

# inside SCRIPT [ARGUMENT]: as initramfs-tools runs it, but that it finds the functions in any case.
inside() {
    local script=$1
    shift
    # shellcheck disable=SC2016
    apart timeout 20 env -i PATH=/sbin:/usr/sbin:/bin:/usr/bin \
        "${environment[@]}" chroot "$root" /bin/sh -c '. /scripts/functions; script=$1; shift; . "$script"' sh \
        "/initramfs-tools/$script" "$@" >"$WORK/stdout" 2>"$WORK/stderr"
}
environment=()

local_top() {
    environment=(ROOT=/dev/mapper/osencrypt "$@")
    inside scripts/local-top/bek-unlock
}

local_bottom() {
    environment=("$@")
    inside scripts/local-bottom/bek-unlock
}

hook() {
    environment=(DESTDIR=/image version=6.1.0-test)
    mkdir -p "$root/image/etc" "$root/image/usr/bin"
    inside hooks/bek-unlock
}

# said: what happened is exactly the lines of the standard input.
said() {
    diff --unified - "$root/said"
}

never_said() {
    ! grep --line-number -- "$1" "$root/said"
}

opens() {
    local name
    for name in "$@"; do echo ext4 >"$root/fstype/$name"; done
    printf '%s\n' "$@" >"$root/names"
}

test_prereqs_do_nothing() {
    local script answer
    # What is not there cannot be read.
    rm "$root/scripts/functions" "$root/usr/share/initramfs-tools/hook-functions"
    for script in hooks scripts/local-top scripts/local-bottom; do
        answer=$(apart chroot "$root" "/initramfs-tools/$script/bek-unlock" prereqs 2>&1)
        case $script in
            hooks) [[ $answer == cryptroot ]] ;;
            *) [[ -z $answer ]] ;;
        esac || return 1
    done
    said </dev/null
}

test_no_volume_no_work() {
    local_top
    said <<<'bek-unlock initramfs names'
}

test_volumes_are_opened_in_order() {
    opens osencrypt usr
    local_top
    said <<'SAID'
bek-unlock initramfs names
modprobe -q dm_crypt
bek-unlock attach -- osencrypt
bek-unlock attach -- usr
SAID
    [[ $(stat -c %a "$root/run/cryptsetup") == 700 ]]
}

test_the_network_delays_nobody() {
    opens osencrypt
    mkdir "$root/conf/bek-unlock"
    : >"$root/conf/bek-unlock/network"
    echo maybe >"$root/network-needed"
    mkfifo "$root/network"
    local_top
    grep --quiet '^configure_networking$' "$root/said"
    grep --quiet '^configured$' "$root/said"
    [[ $(<"$root/run/initramfs/bek-unlock.pid") -gt 1 ]]
}

test_a_network_that_is_there_is_left_alone() {
    opens osencrypt
    mkdir "$root/conf/bek-unlock"
    : >"$root/conf/bek-unlock/network"
    echo yes >"$root/network-needed"
    : >"$root/run/net-bektest0.conf"
    local_top
    never_said configure && [[ ! -e $root/run/initramfs/bek-unlock.pid ]]
}

test_without_the_mark_there_is_no_network() {
    opens osencrypt
    echo yes >"$root/network-needed"
    local_top
    never_said configure
}

test_without_need_there_is_no_network() {
    opens osencrypt
    mkdir "$root/conf/bek-unlock"
    : >"$root/conf/bek-unlock/network"
    : >"$root/network-needed"
    local_top
    never_said configure
}

test_a_keyscript_finds_the_network() {
    mkdir "$root/conf/bek-unlock"
    : >"$root/conf/bek-unlock/network"
    : >"$root/conf/bek-unlock/keyscript"
    mkfifo "$root/network"
    # Nobody attaches; what runs in the background is waited for here.
    timeout 20 cp "$root/proc/mounts" "$root/network" &
    local_top
    wait
    grep --quiet '^configure_networking$' "$root/said" && never_said attach
}

test_a_root_that_stays_closed_ends_in_the_shell() {
    opens osencrypt
    rm "$root/fstype/osencrypt"
    : >"$root/closed/osencrypt"
    local_top
    said <<'SAID'
bek-unlock initramfs names
modprobe -q dm_crypt
bek-unlock attach -- osencrypt
panic bek-unlock: without osencrypt there is no root file system, see above
SAID
}

test_another_volume_that_stays_closed_does_not() {
    opens osencrypt usr
    : >"$root/closed/usr"
    local_top
    never_said panic
}

test_nofail_is_obeyed() {
    opens data
    printf 'data\tnofail\n' >"$root/names"
    : >"$root/closed/data"
    local_top ROOT=/dev/sda1
    never_said panic
}

test_names_that_cannot_be_told_end_in_the_shell() {
    rm "$root/names"
    local_top
    said <<'SAID'
bek-unlock initramfs names
panic bek-unlock: which volumes to open is not clear, see above
SAID
}

test_volume_groups_on_a_volume_are_activated() {
    local kind
    opens osencrypt
    for kind in LVM2_member lvm2; do
        : >"$root/said"
        echo "$kind" >"$root/fstype/osencrypt"
        local_top
        said <<'SAID'
bek-unlock initramfs names
modprobe -q dm_crypt
bek-unlock attach -- osencrypt
wait_for_udev 10
lvm pvs --noheadings -o vg_name /dev/mapper/osencrypt
lvm vgchange -aay --sysinit vg0
SAID
    done
}

test_an_image_without_lvm_is_no_error() {
    opens osencrypt
    echo LVM2_member >"$root/fstype/osencrypt"
    sed -i '/^lvm() {/,/^}/d' "$root/scripts/functions"
    local_top
    never_said lvm && [[ ! -s $WORK/stderr ]]
}

test_nothing_was_begun_nothing_is_ended() {
    echo '/dev/mapper/osencrypt /root ext4 ro 0 0' >"$root/proc/mounts"
    : >"$root/run/net-bektest0.conf"
    local_bottom
    said </dev/null
}

test_the_key_disk_does_not_stay_mounted() {
    echo '/dev/sdb1 /mnt/azure_bek_disk vfat ro 0 0' >"$root/proc/mounts"
    local_bottom
    said <<<'umount /mnt/azure_bek_disk'
}

begun() {
    echo 42 >"$root/run/initramfs/bek-unlock.pid"
    : >"$root/run/initramfs/bek-unlock.network"
    : >"$root/run/net-bektest0.conf"
    mkdir "$root/proc"/{7,42,43} "$root/run/netplan"
    : >"$root/run/netplan/bektest0.yaml"
    echo '7 (init) S 1 7 7 0' >"$root/proc/7/stat"
    echo '42 (bek-unlock) S 1 42 42 0' >"$root/proc/42/stat"
    printf '%s\0' /bin/sh /scripts/local-top/bek-unlock >"$root/proc/42/cmdline"
    echo '43 (ipconfig) S 42 42 42 0' >"$root/proc/43/stat"
}

test_the_network_ends_with_the_initramfs() {
    begun
    # By DHCPv6, which initramfs-tools asks for, too.
    : >"$root/run/net6-bek-test1.conf"
    local_bottom
    said <<'SAID'
kill -KILL 43
kill -KILL 42
ip address flush dev bektest0
ip link set dev bektest0 down
ip address flush dev bek-test1
ip link set dev bek-test1 down
SAID
    [[ -z $(find "$root/run" -type f) ]]
}

test_a_process_that_is_another_s_is_left_alone() {
    local cmdline
    for cmdline in /usr/sbin/daemon '' missing; do
        rm -rf "$root"/proc/[0-9]* "$root/run/netplan"
        begun
        : >"$root/said"
        printf '%s\0' "$cmdline" >"$root/proc/42/cmdline"
        [[ $cmdline != missing ]] || rm "$root/proc/42/cmdline"
        local_bottom
        said <<'SAID'
ip address flush dev bektest0
ip link set dev bektest0 down
SAID
        [[ -z $(find "$root/run" -type f) && ! -s $WORK/stderr ]] || return 1
    done
}

test_the_network_of_the_root_stays() {
    begun
    echo bektest0 >"$root/run/initramfs/open-iscsi.interface"
    local_bottom
    said <<'SAID'
kill -KILL 43
kill -KILL 42
SAID
    [[ -e $root/run/net-bektest0.conf && ! -e $root/run/initramfs/bek-unlock.network ]]
}

test_a_network_that_was_asked_for_stays() {
    begun
    local_bottom IP=dhcp
    said <<'SAID'
kill -KILL 43
kill -KILL 42
SAID
    [[ -e $root/run/net-bektest0.conf && ! -e $root/run/initramfs/bek-unlock.network ]]
}

test_the_keyscript_has_no_arguments() {
    apart chroot "$root" /initramfs-tools/keyscript 'https://contoso-kv.vault.azure.net/secrets/a'
    said <<<'bek-unlock keyscript'
}

test_an_image_without_volumes_gets_nothing() {
    printf 'module\tdm_crypt\nwarning\tsomething\n' >"$root/plan"
    hook
    said <<<'bek-unlock initramfs plan --tool initramfs-tools --kernel 6.1.0-test'
    [[ $(<"$WORK/stderr") == 'W: bek-unlock: something' && -z $(find "$root/image" -type f) ]]
}

test_the_plan_is_copied() {
    : >"$root/etc/hosts"
    : >"$root/etc/ca.pem"
    cat >"$root/plan" <<'PLAN'
volume	osencrypt
bektab	osencrypt PARTUUID=0c0a - header=/luks/h:UUID=5f1e,x-initrd.attach
bektab	usr UUID=77aa key\040file x-initrd.attach
file	/etc/ca.pem
file	/etc/missing
module	dm_crypt
module-maybe	nls_utf8
network	maybe
warning	usr: something
PLAN
    : >"$root/lib/libnss_dns.so.2"
    hook
    said <<'SAID'
bek-unlock initramfs plan --tool initramfs-tools --kernel 6.1.0-test
copy_file file /etc/ca.pem
copy_file file /etc/missing
manual_add_modules dm_crypt
manual_add_modules nls_utf8
copy_exec /usr/bin/bek-unlock
copy_exec /lib/libnss_dns.so.2
copy_file file /etc/hosts
SAID
    diff --unified - "$WORK/stderr" <<'STDERR'
W: bek-unlock: /etc/missing cannot be copied into the image
W: bek-unlock: usr: something
STDERR
    diff --unified <(sed -n 's/^bektab\t//p' "$root/plan") "$root/image/etc/bektab"
    [[ $(stat -c %a "$root/image/etc/bektab") == 600 ]]
    [[ $(<"$root/image/etc/nsswitch.conf") == 'hosts: files dns' ]]
    [[ -e $root/image/conf/bek-unlock/network && ! -e $root/image/conf/bek-unlock/keyscript ]]
}

test_a_name_service_that_is_there_is_kept() {
    printf '%s\t%s\n' volume osencrypt network maybe >"$root/plan"
    mkdir -p "$root/image/etc"
    echo 'hosts: mymachines dns' >"$root/image/etc/nsswitch.conf"
    hook
    [[ $(<"$root/image/etc/nsswitch.conf") == 'hosts: mymachines dns' ]]
    [[ -e $root/image/conf/bek-unlock/network ]]
}

test_a_plan_without_network_brings_none() {
    printf 'volume\tosencrypt\nbektab\tosencrypt UUID=5f1e\n' >"$root/plan"
    hook
    [[ ! -e $root/image/conf/bek-unlock && ! -e $root/image/etc/nsswitch.conf ]]
}

test_without_a_plan_there_is_no_image() {
    local status=0
    rm "$root/plan"
    hook || status=$?
    [[ $status == 1 ]] && grep --quiet '^E: bek-unlock: no plan' "$WORK/stderr"
}

# What is in the image's crypttab is the program's to judge; without that file it is not asked.
test_a_keyscript_of_ours_needs_the_program() {
    printf '%s\t%s\n' keyscript osencrypt file /etc/wrapped module vfat network maybe >"$root/plan"
    : >"$root/etc/wrapped"
    mkdir -p "$root/image/cryptroot"
    : >"$root/image/cryptroot/crypttab"
    hook
    said <<'SAID'
bek-unlock initramfs plan --tool initramfs-tools --kernel 6.1.0-test --crypttab /image/cryptroot/crypttab
copy_file file /etc/wrapped
manual_add_modules vfat
copy_exec /usr/bin/bek-unlock
SAID
    [[ -e $root/image/conf/bek-unlock/keyscript && -e $root/image/conf/bek-unlock/network ]]
    [[ ! -e $root/image/etc/bektab && ! -s $WORK/stderr ]]
}

test_a_keyscript_without_network_brings_none() {
    printf '%s\t%s\n' keyscript osencrypt module vfat >"$root/plan"
    hook
    [[ -e $root/image/conf/bek-unlock/keyscript && ! -e $root/image/conf/bek-unlock/network ]]
    grep --quiet '^copy_exec /usr/bin/bek-unlock$' "$root/said"
}

fail() {
    printf 'initramfs-tools: %s\n' "$*" >&2
    cat "$WORK/stdout" "$WORK/stderr" "$WORK/root/said" >&2 || true
    exit 1
}

main
