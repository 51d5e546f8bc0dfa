#!/bin/bash
# What systemd itself makes of the shipped units and of the generator's output (run.expected of the
# cases beside this script, which tests/generator.rs holds equal to what the generator writes).
#
#   1. systemd-analyze verify is silent about each unit of each case, and about the template alone
#   2. with all of them in one boot there is no ordering cycle, whatever brings up the network and
#      even with the mounts of remote volumes in local-fs.target; and the socket of the key service
#      is there before systemd-cryptsetup asks
#   3. after systemd has merged template and drop-ins, dependencies are those that
#      systemd-cryptsetup-generator's units have, but for the differences listed below
#   4. in an initramfs a volume that does not open fails the target that brings the emergency shell,
#      and nothing but that target, and what mounts come after, is ordered
#   5. names are escaped as systemd-escape does, and the catalog compiles
#   6. the exposure that systemd-analyze security counts does not grow, in no case and no initramfs,
#      and what is left of it has its reason in the unit file
#
# Needs no root and no running systemd; changes nothing outside a temporary directory.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
shipped=$here/../../systemd
peer=$here/16-as-systemd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Tenths of what systemd-analyze security counts, at most; in an initramfs each run starts its own
# process for the network, and needs what that needs. Lower them when the sandbox gets narrower.
exposure_max=25 exposure_max_initramfs=36

fail() {
    printf 'verify.sh: %s\n' "$*" >&2
    exit 1
}

# systemd checks that ExecStart= exists, and bek-unlock need not be installed here.
install_units() {
    mkdir "$work/units"
    cp -r "$shipped/." "$work/units/"
    mv "$work/units/bek-unlock.slice" "$work/units/system-bek\x2dunlock.slice"
    sed -i "s,/usr/bin/bek-unlock,$(type -P true)," "$work/units"/bek-unlock*@.{service,socket}
}

# analyze GENERATED UNIT…: systemd-analyze verify, with GENERATED where generators write. It puts the
# directory of each file it is given first in its search path: units are named as if they were in
# GENERATED, or the shipped drop-ins would be stronger than the generated ones.
analyze() {
    local generated=$1 unit files=()
    shift
    for unit in "$@"; do
        files+=("$generated/$unit")
    done
    SYSTEMD_UNIT_PATH=$generated:$work/units:/usr/lib/systemd/system:/lib/systemd/system \
        systemd-analyze verify --man=no "${files[@]}"
}

# Instances that have a drop-in in DIRECTORY, as the names of unit files.
instances() {
    local dropin
    for dropin in "$1"/bek-unlock@*.service.d "$1"/bek-unlock-key@*.service.d; do
        [[ ! -d $dropin ]] || basename "${dropin%.d}"
    done
}

verify_cases() {
    local case unit said units
    for case in "$here"/*/run.expected; do
        # The target loads them all; systemd-analyze takes what follows a ":" for an alias.
        units=(bek-unlock.target)
        while read -r unit; do
            [[ $unit == *:* ]] || units+=("$unit")
        done < <(instances "$case")
        said=$(analyze "$case" "${units[@]}" 2>&1) || fail "$case: $said"
        [ -z "$said" ] || fail "$case: $said"
    done
    mkdir "$work/empty"
    said=$(analyze "$work/empty" 'bek-unlock@by\x2dhand.service' bek-unlock.target \
        'bek-unlock-key@by\x2dhand.socket' 'bek-unlock-key@by\x2dhand.service' \
        'system-bek\x2dunlock.slice' 2>&1) ||
        fail "template: $said"
    [ -z "$said" ] || fail "template: $said"
}

# boot GENERATED: what systemd says about a boot into multi-user.target with these units. The two
# kinds of network there are: networkd is up before sysinit.target, NetworkManager after it.
boot() {
    local generated=$1 wants
    wants=$generated/multi-user.target.wants
    mkdir -p "$wants" "$generated/network-online.target.wants" "$generated/local-fs.target.requires"
    cat >"$generated/early-network.service" <<'END'
[Unit]
DefaultDependencies=no
After=systemd-udevd.service
Before=network.target
Wants=network.target
[Service]
Type=oneshot
ExecStart=/bin/true
END
    cat >"$generated/late-network.service" <<'END'
[Unit]
Before=network.target
Wants=network.target
[Service]
Type=oneshot
ExecStart=/bin/true
END
    cat >"$generated/late-online.service" <<'END'
[Unit]
Requires=late-network.service
After=late-network.service
Before=network-online.target
[Service]
Type=oneshot
ExecStart=/bin/true
END
    ln -sf ../early-network.service ../late-network.service "$wants/"
    ln -sf ../late-online.service "$generated/network-online.target.wants/"
    cat >"$generated/srv-secret.mount" <<'END'
[Unit]
Before=local-fs.target
[Mount]
What=/dev/mapper/secret
Where=/srv/secret
END
    ln -sf ../srv-secret.mount "$generated/local-fs.target.requires/"
    analyze "$generated" multi-user.target 2>&1 || true
}

verify_boot() {
    local generated=$work/boot said broken=$work/broken
    cp -a "$peer/run.expected" "$generated"
    cp -a "$generated" "$broken"
    said=$(boot "$generated")
    ! grep -q 'ordering cycle' <<<"$said" || fail "ordering cycle: $said"
    # The check finds one where there is one: this is why remote volumes are not ordered after the
    # network. Without it a change of systemd-analyze's words would go unnoticed.
    mkdir -p "$broken/bek-unlock@secret.service.d"
    printf '[Unit]\nAfter=network.target\n' >"$broken/bek-unlock@secret.service.d/60-broken.conf"
    said=$(boot "$broken")
    grep -q 'ordering cycle' <<<"$said" || fail "a cycle was not found: $said"
}

# The socket for systemd-cryptsetup's questions is there before they are asked, also when the volume
# is started by hand, and needs nothing that waits for the answer.
verify_key_service() {
    local generated=$work/key-service name='luks\x2ddata1' socket crypt said
    socket=bek-unlock-key@$name.socket
    crypt=systemd-cryptsetup@$name.service
    mkdir -p "$generated/$crypt.wants" "$generated/cryptsetup.target.requires"
    cat >"$generated/$crypt" <<'END'
[Unit]
DefaultDependencies=no
After=cryptsetup-pre.target
Before=cryptsetup.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
END
    ln -s "../$crypt" "$generated/cryptsetup.target.requires/"
    # The link that makes it start with the volume is systemctl's own.
    mkdir -p "$work/enabled/usr/lib/systemd/system"
    cp "$work/units"/bek-unlock-key@.s* "$work/enabled/usr/lib/systemd/system/"
    systemctl --quiet --root="$work/enabled" enable "$socket"
    [[ -L $work/enabled/etc/systemd/system/$crypt.wants/$socket ]] ||
        fail "$(find "$work/enabled/etc" -type l): the socket is not started with the volume"
    ln -s "$work/units/bek-unlock-key@.socket" "$generated/$crypt.wants/$socket"
    said=$(analyze "$generated" multi-user.target 2>&1) || true
    ! grep -qE 'ordering cycle|bek-unlock-key' <<<"$said" || fail "key service: $said"
    dependencies "$generated" "$socket" >"$work/socket"
    for said in "Before: $crypt" 'Before: cryptsetup-pre.target' 'Wants: cryptsetup-pre.target' \
        "WantedBy: $crypt" 'Conflicts: shutdown.target' 'Before: shutdown.target' \
        'DefaultDependencies: no'; do
        grep -qxF "$said" "$work/socket" || fail "$socket has no $said"
    done
    ! grep -E '^(After|Requires): (sysinit|sockets|basic|local-fs)' "$work/socket" ||
        fail "$socket waits for what waits for it"
    dependencies "$generated" "bek-unlock-key@$name.service" >"$work/service"
    diff -u --label wanted --label found <(printf 'After: %s\n' "$socket" bek-unlock-network.socket system-ours.slice \
        systemd-journald.socket systemd-remount-fs.service systemd-udevd-kernel.socket | sort) \
        <(grep -E '^(After|BindsTo|StopPropagatedFrom|RequiresMountsFor): ' "$work/service") ||
        fail 'the key service waits for other units'
}

# dependencies GENERATED UNIT: what systemd has loaded, one "Word: unit" per line, without its own
# additions for every unit, and with the words in which the two programs must differ made equal.
dependencies() {
    local generated=$1 unit=$2
    SYSTEMD_LOG_LEVEL=debug analyze "$generated" "$unit" 2>/dev/null |
        # In the environment: -v would read the backslashes of the name. Before "Unit" stands an
        # arrow, in ASCII or not.
        unit=" Unit $unit:" awk '
            /^[\t ]*[^\t ]+ Unit [^ ]*:/ { inside = index($0, ENVIRON["unit"]) }
            inside' |
        sed -nE 's/^\t\t(Requires|Wants|BindsTo|Conflicts|Before|After|RequiredBy|WantedBy|StopPropagatedFrom|RequiresMountsFor|IgnoreOnIsolate|DefaultDependencies|OnFailure|RemainAfterExit|Type|TimeoutStartSec|KeyringMode|OOMScoreAdjust): (.*)$/\1: \2/p' |
        sed -E 's/ \((origin|destination)-[^)]*\)$//
                s/(system-)(bek\\x2dunlock|systemd\\x2dcryptsetup)(\.slice)/\1ours\3/' |
        sort -u
}

# The differences there are, each with its reason. "ours" and "theirs" name the side that has it.
known_differences() {
    local side=$1 name=$2
    local out=()
    case $side in
    ours)
        # The group target; systemd has none.
        out+=('(Before|WantedBy): bek-unlock\.target')
        # The mount point of the key disk may have to be created; systemd mounts elsewhere.
        out+=('After: systemd-remount-fs\.service')
        # StandardError=journal says what systemd's default does for the other, too.
        out+=('After: systemd-journald\.socket')
        # What talks to Key Vault is a service of its own.
        out+=('(Wants|After): bek-unlock-network\.socket')
        # The network is started for keys that may need it, and never ordered before us.
        out+=('Wants: network-online\.target')
        # modprobe@ instead of the static node: systemd itself since v254.
        out+=('(Wants|After): modprobe@loop\.service')
        ;;
    theirs)
        # The static node of /dev/loop-control, until v253; Requires=modprobe@loop later.
        out+=('(Requires|Wants|After): (systemd-tmpfiles-setup-dev|modprobe@loop)\.service')
        # TPM2 keys, since v255.
        out+=('After: systemd-tpm2-setup-early\.service')
        # Said outright by newer ones, too.
        out+=('After: systemd-journald\.socket')
        ;;
    esac
    # systemd's programs share typed passphrases through the keyring of root; ours keeps none.
    case $side in
    ours) out+=('KeyringMode: private') ;;
    theirs) out+=('KeyringMode: shared') ;;
    esac
    case $side,$name in
    # A link that not every image has: see dropin.rs.
    ours,lun) out+=('StopPropagatedFrom: dev-disk-azure-.*') ;;
    theirs,lun) out+=('BindsTo: dev-disk-azure-.*') ;;
    # Until v253 systemd orders these before umount.target although the initramfs closes them; since
    # v254 it does not, and ours must not in any version. Nor are ours bound to the device: when the
    # initramfs hands over, devices are unknown for a moment.
    theirs,initrd | theirs,usr)
        out+=('(Before|Conflicts): umount\.target' '(BindsTo|After): dev-disk-.*\.device')
        ;;
    # Until v253 systemd orders only volumes on devices before umount.target.
    *,image) out+=('Before: umount\.target') ;;
    # The key of a token in the header comes over the network, which is there until it is closed.
    ours,remote | ours,quiet) out+=('After: (network|nss-lookup)\.target') ;;
    # crypttab has no word for "needs the network for its key only": _netdev says more.
    theirs,secret) out+=('After: remote-fs-pre\.target') ;;
    esac
    printf '%s\n' "${out[@]}"
}

compare_with_peer() {
    local generator name escaped side
    for generator in /usr/lib/systemd/system-generators /lib/systemd/system-generators; do
        generator=$generator/systemd-cryptsetup-generator
        [ ! -x "$generator" ] || break
    done
    if [ ! -x "$generator" ]; then
        # Debian 13 has it in the package systemd-cryptsetup.
        printf 'verify.sh: not compared: no systemd-cryptsetup-generator here\n'
        return
    fi
    mkdir "$work/theirs" "$work/other"
    SYSTEMD_CRYPTTAB=$peer/crypttab.peer SYSTEMD_PROC_CMDLINE='' \
        "$generator" "$work/theirs" "$work/other" "$work/other"
    while read -r name _; do
        escaped=$(systemd-escape -- "$name")
        dependencies "$peer/run.expected" "bek-unlock@$escaped.service" >"$work/ours.all"
        dependencies "$work/theirs" "systemd-cryptsetup@$escaped.service" >"$work/theirs.all"
        for side in ours theirs; do
            grep -q 'Before: blockdev@' "$work/$side.all" || fail "$name: $side was not loaded"
            known_differences "$side" "$name" | sed 's/.*/^&$/' >"$work/patterns"
            grep -Ev -f "$work/patterns" "$work/$side.all" >"$work/$side.rest" || true
        done
        diff -u --label theirs --label ours "$work/theirs.rest" "$work/ours.rest" ||
            fail "$name: a difference without a reason"
    done < <(grep -v '^#' "$peer/crypttab.peer")
    compare_trees
}

# Links and drop-ins of the devices: same places, same limits.
compare_trees() {
    (cd "$peer/run.expected" && find . \( -type l -o -name '*.conf' \)) |
        # Group target: none there. Drop-ins of the service: whole units there, compared above.
        grep -Ev '/(bek-unlock|multi-user)\.target\.wants/|/bek-unlock@.*\.service\.d/' |
        # Named after the volume, because two of them may share a device.
        sed -E 's,/50-bek-unlock@.*\.service\.conf$,/50-device-timeout.conf,
                s,/40-bek-unlock\.conf$,/40-device-timeout.conf,' |
        # systemd leaves an optional volume to the 90 s of every device, less than timeout= may
        # take; ours gives it the time of the unlock.
        grep -Ev '/dev-mapper-(tagged|manual|both|quiet)\.device\.d/' |
        sort >"$work/ours.tree"
    (cd "$work/theirs" && find . \( -type l -o -name '*.conf' \)) |
        sed 's,systemd-cryptsetup@,bek-unlock@,' | sort >"$work/theirs.tree"
    diff -u --label theirs --label ours "$work/theirs.tree" "$work/ours.tree" ||
        fail "other links or drop-ins than systemd"
    # "0" is how v253 and older spell it.
    grep -qxE 'JobTimeoutSec=(0|infinity)' \
        "$work/theirs/dev-mapper-plain.device.d/40-device-timeout.conf" ||
        fail "systemd's own limit has changed"
    grep -qx 'JobTimeoutSec=infinity' \
        "$peer/run.expected/dev-mapper-plain.device.d/40-bek-unlock.conf" || fail "other limit"
}

# What an initramfs makes of the cases for it, with systemd's own targets.
verify_initramfs() {
    local case=$here/18-initramfs-lvm/run.expected said target=initrd-root-device.target
    said=$(analyze "$case" initrd.target 2>&1) || true
    ! grep -q 'ordering cycle' <<<"$said" || fail "initramfs: $said"
    dependencies "$case" "$target" >"$work/target"
    # A required unit that fails while the target is not ordered after it would fail nothing.
    for said in 'Requires: bek-unlock@luks\x2dpv1.service' 'After: bek-unlock@luks\x2dpv1.service' \
        'Requires: bek-unlock@\x2epv2.service' 'After: bek-unlock@\x2epv2.service' \
        'Wants: bek-unlock@maybe.service' 'OnFailure: emergency.target'; do
        grep -qxF "$said" "$work/target" || fail "$target has no $said"
    done
    # An optional volume is not waited for, a noauto one not even started.
    for said in '(After|Requires): bek-unlock@maybe' '(Requires|Wants): bek-unlock@asked'; do
        ! grep -qE "^$said\.service" "$work/target" || fail "$target has $said"
    done
    dependencies "$case" 'bek-unlock@luks\x2dpv1.service' >"$work/service"
    {
        printf 'After: %s\n' bek-unlock-network.socket cryptsetup-pre.target system-ours.slice systemd-journald.socket \
            systemd-modules-load.service systemd-remount-fs.service systemd-udevd-kernel.socket
        printf 'Before: %s\n' 'blockdev@dev-mapper-luks\x2dpv1.target' "$target"
    } | sort >"$work/wanted"
    diff -u --label wanted --label found "$work/wanted" \
        <(grep -E '^(After|Before|BindsTo|Conflicts|StopPropagatedFrom|RequiresMountsFor): ' \
            "$work/service") || fail "initramfs: other dependencies"
}

# The table of unit_name.rs, asked again.
verify_names() {
    local name escaped
    while read -r name escaped; do
        [ "$(systemd-escape -- "$name")" = "$escaped" ] || fail "systemd-escape $name"
    done <<'END'
data1 data1
luks-data.1 luks\x2ddata.1
.hidden \x2ehidden
a..b a..b
#+=@:_ \x23\x2b\x3d\x40:_
50%\ 50\x25\x5c
é \xc3\xa9
a/b a-b
END
}

verify_catalog() {
    local listed wanted
    mkdir -p "$work/root/usr/lib/systemd/catalog" "$work/root/var/lib/systemd/catalog"
    cp "$shipped/bek-unlock.catalog" "$work/root/usr/lib/systemd/catalog/"
    journalctl --update-catalog --root="$work/root"
    listed=$(journalctl --list-catalog --root="$work/root" | wc -l)
    wanted=$(grep -c '^-- ' "$shipped/bek-unlock.catalog")
    [ "$listed" = "$wanted" ] || fail "$listed of $wanted catalog entries"
}

# exposure GENERATED UNIT WORD...: systemd-analyze security of UNIT with its drop-ins.
exposure() {
    local generated=$1 unit=$2
    shift 2
    SYSTEMD_UNIT_PATH=$generated:$work/units:/usr/lib/systemd/system:/lib/systemd/system \
        systemd-analyze security --offline=true --no-pager "$@" "$generated/$unit"
}

# What systemd-analyze thinks is open, as the names of options; a capability by its own name.
exposed() {
    exposure "$1" "$2" --json=short | grep -o '{"set":false,"name":"[^"]*"' |
        sed -E 's/.*"name":"//; s/"$//; s/^CapabilityBoundingSet=~//; s/^([A-Za-z]+=).*/\1/' | sort -u
}

# The file of UNIT gives each of them a line, or a word in the list of what is missing on purpose.
verify_reasons() {
    local unit=$1 option
    while read -r option; do
        case $option in
            # A group of them is told by the first; systemd-analyze writes regular expressions.
            'CAP_(DAC_*|FOWNER|IPC_OWNER)') option=CAP_DAC_READ_SEARCH ;;
            'CAP_SET(UID|GID|PCAP)') option=CAP_SETUID ;;
        esac
        grep -qF -- "$option" "$shipped/$unit" || fail "$unit does not say why there is $option"
    done < <(exposed "$work/empty" "$unit")
}

verify_exposure() {
    local file unit case instance most said
    for file in "$shipped"/*.service; do
        unit=$(basename "$file")
        said=$(exposure "$work/empty" "$unit" --threshold="$exposure_max") ||
            fail "more exposed than $exposure_max: $said"
        tail -n 1 <<<"$said"
        [[ $unit == bek-unlock-key@.service ]] || verify_reasons "$unit"
    done
    for case in "$here"/*/run.expected; do
        most=$exposure_max
        [[ ! -e $case/bek-unlock@.service.d/60-initramfs.conf ]] || most=$exposure_max_initramfs
        while read -r instance; do
            said=$(exposure "$case" "$instance" --threshold="$most") ||
                fail "$case: $instance is more exposed than $most: $said"
        done < <(instances "$case")
    done
}

install_units
verify_cases
verify_boot
verify_key_service
compare_with_peer
verify_initramfs
verify_names
verify_catalog
verify_exposure
printf 'verify.sh: ok (%s)\n' "$(systemctl --version | head -n 1)"
