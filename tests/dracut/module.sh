#!/usr/bin/env bash
# The dracut module against a dracut made of shell functions, and its hooks in their own network.
#
#     tests/dracut/module.sh
#
# What the real dracut makes of it tests/dracut/images looks at. Needs no root; writes to a
# temporary directory only.
# Functions that the module calls, and variables that it reads:
# shellcheck disable=SC2034,SC2317
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly MODULE=$PWD/dracut/50bek-unlock
WORK=$(mktemp -d)
readonly WORK
trap 'rm -rf "$WORK"' EXIT

# Without a network, and among no processes but its own: the hooks end some.
readonly APART=(unshare --map-root-user --net --pid --fork --kill-child --mount-proc)

readonly OS_PLAN='volume	osencrypt
bektab	osencrypt PARTUUID=0c0a - x-initrd.attach,machine-name=a\040b
file	/etc/keys/osencrypt.wrapped
luks-uuid	5f1e-22
module	dm_crypt
module	vfat
module-maybe	nls_utf8'
readonly NETWORK_PLAN="$OS_PLAN
network	maybe"

main() {
    run included_when_the_plan_has_a_volume
    run left_out_without_one_and_its_reason_said
    run a_forced_module_has_no_bektab
    run dependencies_are_those_that_can_be_had
    run the_image_gets_what_the_plan_says
    run the_image_has_no_network_unless_the_plan_says_so
    run a_missing_network_is_said
    run without_systemd_a_hook_opens_the_volumes
    run no_plan_is_an_error
    run another_root_has_its_own_plan
    if "${APART[@]}" true 2>/dev/null; then
        local shell
        for shell in dash 'busybox sh' bash; do
            command -v "${shell%% *}" >/dev/null || continue
            run hook_adds_the_network "$shell"
            run hook_leaves_the_boot_loader_its_say "$shell"
            run hook_takes_dracuts_own_luks_words_out "$shell"
            run hook_attaches_once_in_order "$shell"
            run nothing_runs_on_behind_the_cleanup "$shell"
            run the_cleanup_ends_nobody_else "$shell"
        done
    else
        echo 'dracut module: hooks are left out, there are no namespaces here'
    fi
    echo 'dracut module: fine'
}

# Each case in a shell of its own, with a dracut of its own and an empty image.
run() {
    initdir=$(mktemp -d "$WORK/image.XXXX")
    mkdir -p "$initdir"/{etc,usr/lib}
    (
        dracut_functions
        "$@"
    ) || fail "$*"
}

# Never those of a real dracut: what they would do is written down in $initdir/calls. Names of
# commands, interfaces and files are such that nothing happens should one ever be run.
dracut_functions() {
    export initdir
    moddir=$MODULE kernel=6.1.0-test hostonly='' dracutmodules=all included=' systemd network '
    usable=' dm dracut-systemd network ' plan=$OS_PLAN
    systemdutildir=$initdir/host/systemd
    systemdsystemunitdir=$systemdutildir/system
    tmpfilesdir=/usr/lib/tmpfiles.d
    mkdir -p "$systemdutildir"/{system,system-generators}
    touch "$systemdutildir"/system-generators/bek-unlock-generator \
        "$systemdutildir"/system/{bek-unlock@.service,bek-unlock.target,'system-bek\x2dunlock.slice'}

    bek-unlock() {
        note "bek-unlock $*"
        printf '%s\n' "$plan"
    }
    check_module() { [[ $usable == *" $1 "* ]]; }
    dracut_module_included() { [[ $included == *" $1 "* ]]; }
    dracut_need_initqueue() { note need_initqueue; }
    derror() { note "error $*"; }
    dwarn() { note "warning $*"; }
    inst_hook() { note "hook $*"; }
    inst_libdir_file() { note "lib $*"; }
    inst_multiple() { note "files $*"; }
    inst_rules() { note "rules $*"; }
    inst_simple() { note "file $*"; }
    instmods() { note "modules hostonly=$hostonly $*"; }
    require_binaries() { true; }
    # shellcheck source=/dev/null
    source "$MODULE/module-setup.sh"
    set +e
}

note() { printf '%s\n' "$*" >>"$initdir/calls"; }

included_when_the_plan_has_a_volume() {
    hostonly=-h
    expect "$(check)" '' && check || return 1
    hostonly=''
    check || return 1
    # One plan for one image, as far as it is one shell: $(check) was another.
    expect "$(grep -c '^bek-unlock' "$initdir/calls")" 2 || return 1
    ! grep -q '^warning' "$initdir/calls"
}

left_out_without_one_and_its_reason_said() {
    plan=$'module\tdm_crypt\nwarning\t/etc/bektab:3:7: unknown option "x"'
    local said status
    said=$(check)
    status=$?
    expect "$said" '' && expect "$status" 255 || return 1
    expect "$(calls warning)" 'warning bek-unlock: /etc/bektab:3:7: unknown option "x"'
}

a_forced_module_has_no_bektab() {
    plan=$'module\tdm_crypt'
    install
    [[ ! -e $initdir/etc/bektab ]] && [[ $(calls files) == *'files bek-unlock'* ]]
}

dependencies_are_those_that_can_be_had() {
    local wanted
    expect "$(depends)" $'dm\nrootfs-block\ndracut-systemd' || return 1
    usable=' dm '
    expect "$(depends)" $'dm\nrootfs-block' || return 1
    for wanted in 'network' 'network-manager network' 'systemd-networkd network' 'network-legacy network'; do
        unset bek_unlock_plan
        plan=$NETWORK_PLAN usable=" $wanted "
        # dracut 059's "network" wants NetworkManager where it is half there; then any other.
        [[ $wanted == network ]] || check_module() {
            [[ $1 != network || ${tried-} ]] && [[ $usable == *" $1 "* ]] && tried=yes
        }
        expect "$(depends)" $'dm\nrootfs-block\n'"${wanted// /$'\n'}" || return 1
    done
}

the_image_gets_what_the_plan_says() {
    install
    hostonly=-h
    installkernel
    expect "$(tail -n +2 "$initdir/etc/bektab")" \
        'osencrypt PARTUUID=0c0a - x-initrd.attach,machine-name=a\040b' || return 1
    expect "$(stat -c %a "$initdir/etc/bektab")" 600 || return 1
    expect "$(cat "$initdir/usr/lib/bek-unlock-luks-uuids")" 5f1e-22 || return 1
    expect "$(calls modules)" 'modules hostonly= dm_crypt vfat nls_utf8' || return 1
    [[ $(calls files) == *'files -o /etc/keys/osencrypt.wrapped'* ]] || return 1
    expect "$(calls 'file ' | grep -c /host/systemd/)" 4 || return 1
    expect "$(calls bek-unlock)" \
        'bek-unlock initramfs plan --tool dracut --root / --kernel 6.1.0-test'
}

the_image_has_no_network_unless_the_plan_says_so() {
    install
    ! grep -q 'nsswitch\|nss_dns\|wait-online' "$initdir/calls" || return 1
    unset bek_unlock_plan
    plan=$NETWORK_PLAN
    install
    [[ $(calls files) == */etc/nsswitch.conf* && $(calls lib) == *libnss_dns* ]] || return 1
    expect "$(calls 'file ' | grep -c wait-online)" 3
}

a_missing_network_is_said() {
    plan=$NETWORK_PLAN included=' systemd '
    install
    [[ $(calls warning) == *'this dracut has no network; install'* ]]
}

without_systemd_a_hook_opens_the_volumes() {
    included=' '
    install
    [[ $(calls hook) == *"initqueue/settled 50 $MODULE/bek-unlock-attach.sh"* ]] || return 1
    [[ $(calls warning) == *'without systemd'* ]] && [[ $(calls need) == need_initqueue ]] || return 1
    [[ ! $(calls 'file ') ]]
}

no_plan_is_an_error() {
    bek-unlock() { return 1; }
    check
    expect $? 1 && [[ $(calls error) == *'no plan for this image'* ]]
}

another_root_has_its_own_plan() {
    dracutsysrootdir=/srv/tree kernel=''
    check
    expect "$(calls bek-unlock)" 'bek-unlock initramfs plan --tool dracut --root /srv/tree'
}

hook_adds_the_network() {
    networkd_is there
    boot "$1" bek-unlock-cmdline.sh network=maybe
    expect "$(cat "$initdir/etc/cmdline.d/10-bek-unlock.conf")" rd.neednet=1 || return 1
    [[ -e $initdir/run/initramfs/bek-unlock-network ]] || return 1
    grep -q '^DHCP=yes' "$initdir/etc/systemd/network/zzzz-bek-unlock.network" || return 1
    expect "$(calls systemctl | tail -n 1)" 'systemctl --no-block start systemd-networkd.service' || return 1
    [[ ! -e $initdir/etc/systemd/network/zzzz-bek-unlock-vf.network ]] || return 1
    # The booted system gets /run, and is to configure its network itself.
    [[ ! -e $initdir/run/systemd ]] || return 1
    networkd_is there
    mkdir -p "$initdir/sys/bus/vmbus"
    boot "$1" bek-unlock-cmdline.sh network=maybe
    grep -q '^Unmanaged=yes' "$initdir/etc/systemd/network/zzzz-bek-unlock-vf.network" || return 1
    networkd_is missing
    boot "$1" bek-unlock-cmdline.sh network=yes
    [[ -e $initdir/etc/cmdline.d/10-bek-unlock.conf && ! $(calls systemctl) ]] || return 1
    [[ ! -e $initdir/etc/NetworkManager ]] || return 1
    # NetworkManager's image, on Hyper-V and elsewhere.
    mkdir -p "$initdir/usr/sbin"
    touch "$initdir/usr/sbin/NetworkManager"
    networkd_is missing
    boot "$1" bek-unlock-cmdline.sh network=yes
    expect "$(grep -c 'driver:mana,driver:mlx4_core' "$initdir"/etc/NetworkManager/conf.d/*.conf)" 1 || return 1
    rm -r "$initdir/sys/bus/vmbus" "$initdir/etc/NetworkManager"
    networkd_is missing
    boot "$1" bek-unlock-cmdline.sh network=yes
    [[ ! -e $initdir/etc/NetworkManager ]] || return 1
    networkd_is there
    boot "$1" bek-unlock-cmdline.sh network=
    [[ ! -e $initdir/etc/cmdline.d && ! -e $initdir/run && ! $(calls systemctl) ]]
}

# rd.neednet=0 wins over ours; rd.neednet=1 and a root on the network wait as they always did.
hook_leaves_the_boot_loader_its_say() {
    networkd_is there
    boot "$1" bek-unlock-cmdline.sh network=maybe neednet=0
    [[ ! $(calls systemctl) ]] || return 1
    networkd_is there
    boot "$1" bek-unlock-cmdline.sh network=maybe neednet=1
    [[ ! -e $initdir/run/initramfs/bek-unlock-network && ! -e $initdir/etc/cmdline.d ]] || return 1
    [[ $(calls systemctl) == *systemd-networkd* ]] || return 1
    networkd_is there
    boot "$1" bek-unlock-cmdline.sh network=maybe ip=dhcp
    [[ ! -e $initdir/etc/systemd/network && $(calls systemctl) == *systemd-networkd* ]] || return 1
    networkd_is missing
    boot "$1" bek-unlock-cmdline.sh network=maybe netroot=nbd:bektest0
    [[ ! -e $initdir/run/initramfs/bek-unlock-network ]]
}

hook_takes_dracuts_own_luks_words_out() {
    local conf=$initdir/etc/cmdline.d/90crypt.conf
    networkd_is missing
    mkdir -p "${conf%/*}"
    echo ' rd.luks.uuid=luks-5f1e-22 rd.luks.uuid=luks-77aa rd.lvm.lv=vg0/root' >"$conf"
    echo 5f1e-22 >"$initdir/usr/lib/bek-unlock-luks-uuids"
    # rd.bek=0: nothing is attached, so dracut may.
    boot "$1" bek-unlock-cmdline.sh names=
    grep -q 5f1e-22 "$conf" || return 1
    boot "$1" bek-unlock-cmdline.sh names=root
    expect "$(xargs <"$conf")" 'rd.luks.uuid=luks-77aa rd.lvm.lv=vg0/root'
}

hook_attaches_once_in_order() {
    boot "$1" bek-unlock-attach.sh names='root late'
    boot "$1" bek-unlock-attach.sh names='root late'
    expect "$(calls attach)" $'attach -- root\nattach -- late' || return 1
}

# An attempt that never ends by itself: without the cleanup, this would not end either.
nothing_runs_on_behind_the_cleanup() {
    mkfifo "$initdir/attached" "$initdir/alive" "$initdir/forever"
    boot "$1" 'bek-unlock-attach.sh bek-unlock-cleanup.sh' names='root late'
    [[ ! -e $initdir/run/initramfs/bek-unlock-pid ]] && expect "$(calls attach)" 'attach -- root'
}

# The number of what was started is that of another process by now, which is alive behind the cleanup:
# it is what answers.
the_cleanup_ends_nobody_else() {
    mkfifo "$initdir/asked"
    boot "$1" 'bek-unlock-cleanup.sh' other=yes
    expect "$(cat "$initdir/calls")" alive || return 1
    [[ ! -e $initdir/run/initramfs/bek-unlock-pid ]]
}

# A new boot, with or without networkd in the image.
networkd_is() {
    local unit=lib/systemd/system/systemd-networkd.service
    rm -rf "${initdir:?}"/{calls,run,etc/cmdline.d,etc/systemd,"$unit"}
    mkdir -p "$initdir/${unit%/*}"
    [[ $1 == missing ]] || touch "$initdir/$unit"
}

# boot SHELL HOOKS [WHAT=VALUE...]: sources the hooks as dracut does, in a network without interfaces
# and with its paths below the image's directory. WHAT is what the program says (names, network) or
# the kernel command line (ip, neednet, netroot). systemctl and getargbool are functions: a shell with
# built-in commands would prefer those to files. unshare takes no notice of TERM while it waits.
boot() {
    local shell=$1 hooks=$2 hook
    shift 2
    mkdir -p "$initdir"/{bin,dev,usr/lib}
    touch "$initdir/dev/null"
    for hook in $hooks; do
        sed -E "s@(^|[ <>\"])/(etc|run|usr|lib|dev|sys)/@\1$initdir/\2/@g" "$MODULE/$hook" >"$initdir/$hook"
    done
    cat >"$initdir/bin/bek-unlock" <<'PROGRAM'
#!/bin/sh
case $* in
    'initramfs names') for name in $names; do echo "$name"; done ;;
    'initramfs network') echo "$network" ;;
    attach*)
        echo "$*" >>"$initdir/calls"
        [ ! -e "$initdir/attached" ] || {
            exec 3<>"$initdir/alive"
            echo >"$initdir/attached"
            read -r _ <"$initdir/forever"
        }
        ;;
esac
PROGRAM
    chmod +x "$initdir/bin/bek-unlock"
    cat >"$initdir/boot" <<'BOOT'
systemctl() { echo "systemctl $*" >>"$initdir/calls"; }
getarg() { echo "$ip"; }
getargbool() {
    [ "$neednet" != 0 ] || return 1
    [ "$neednet" = 1 ] || [ -e "$initdir/etc/cmdline.d/10-bek-unlock.conf" ]
}
if [ -n "$other" ]; then
    (read -r _ <"$initdir/asked" && echo alive >>"$initdir/calls") &
    mkdir -p "$initdir/run/initramfs"
    echo "$! 1" >"$initdir/run/initramfs/bek-unlock-pid"
fi
for hook in $hooks; do
    if [ -e "$initdir/attached" ] && [ "$hook" = bek-unlock-cleanup.sh ]; then
        read -r _ <"$initdir/attached"
        exec 4<"$initdir/alive"
    fi
    . "$initdir/$hook"
done
[ -z "$other" ] || echo >"$initdir/asked"
wait
# The end of the file is the end of the attempt that has it open.
[ ! -e "$initdir/alive" ] || cat <&4
BOOT
    # shellcheck disable=SC2086 # busybox sh is two words
    env PATH="$initdir/bin:$PATH" hooks="$hooks" names='' network='' neednet='' netroot='' ip='' other='' "$@" \
        timeout --signal=KILL 60 "${APART[@]}" $shell "$initdir/boot" || fail "$shell: $hooks: status $?"
}

# calls WORD: what was noted with this beginning.
calls() { grep "^$1" "$initdir/calls" 2>/dev/null || true; }

# expect SEEN WANTED
expect() {
    [[ $1 == "$2" ]] && return 0
    printf 'seen:   %s\nwanted: %s\n' "$1" "$2" >&2
    return 1
}

fail() {
    printf 'dracut module: %s\n' "$*" >&2
    exit 1
}

main
