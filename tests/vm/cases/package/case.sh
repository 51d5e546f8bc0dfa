# shellcheck shell=bash
# Debian's packages in Debian: installed where nothing was, upgraded, removed and purged while a
# volume is open and mounted, each followed by a boot.

FLAVOURS=(bookworm trixie)
STEPS=(installed upgraded removed gone)
LAID=()
# An image is made in the guest, which takes a busy machine minutes.
LIMIT=$((3 * ${BOOT_LIMIT:-0}))

# The tool that makes images; each of the two is there in one of them.
case ${FLAVOUR:-} in
    bookworm) TREE=bookworm-initramfs-tools ;;
    trixie) TREE=trixie-dracut ;;
esac

# In the guest.
readonly DEBS=/usr/lib/vm/packages
TOOL=initramfs-tools
if command -v dracut >/dev/null; then TOOL=dracut; fi
readonly NAMES=(bek-unlock "bek-unlock-$TOOL")
readonly OLD=("$DEBS/old/bek-unlock.deb" "$DEBS/old/bek-unlock-$TOOL.deb")

# A kernel is installed, as far as those look who make images for it.
prepare() {
    local kernel version packages package
    kernel=$(kernel)
    packages=$(packages)
    version=$(basename "$kernel"/lib/modules/*)
    mkdir -p "$DIR/tree/boot" "$DIR/tree$DEBS"
    for package in bek-unlock bek-unlock-initramfs-tools bek-unlock-dracut; do
        install -D "$packages/old/$package"_*.deb "$DIR/tree$DEBS/old/$package.deb"
        install -D "$packages/new/$package"_*.deb "$DIR/tree$DEBS/new/$package.deb"
    done
    cp "$kernel"/config-* "$DIR/tree/boot"
    : >"$DIR/tree/boot/vmlinuz-$version"
    : >"$DIR/tree/boot/initrd.img-$version"
}

installed() {
    images_of_our_own
    equal 'nothing of the program is there' '' "$(left)"
    equal 'no volume is open' '' "$(mapped)"
    check 'dpkg installs it' says install dpkg --install "${OLD[@]}"
    check 'and configures it' configured
    check 'systemd knows its units' contains bek-unlock@.service <(unit_files)
    check 'the generator has run' test -e /run/systemd/generator/bek-unlock@data1.service.d
    check 'the journal has its explanations' contains bek-unlock <(journalctl --list-catalog)
    check 'a new image has the program' image_has_program
    equal 'no volume is opened unasked' '' "$(mapped)"
    check 'the key service is enabled for a volume' systemctl enable bek-unlock-key@spare.socket
    equal 'no unit failed' '' "$(failed_units)"
}

upgraded() {
    local before
    opened data1
    hold data1
    systemctl start bek-unlock-network.socket
    before=$(how_it_is_open)
    touch /run/before
    check 'dpkg upgrades it' says upgrade dpkg --install "${OLD[@]/old/new}"
    check 'to the new version' matches '\+next$' <(dpkg-query --show bek-unlock)
    opened data1
    equal 'data1 was not touched' "$before" "$(how_it_is_open)"
    check 'the socket of the network still listens' unit_is bek-unlock-network.socket active
    check 'a new image was made' image_is_new
    check 'it has the program' image_has_program
    equal 'no unit failed' '' "$(failed_units)"
    check 'it closes by its unit' let_go_and_stop
    check 'and opens' systemctl start bek-unlock@data1.service mnt-data1.mount
    opened data1
}

removed() {
    local before
    opened data1
    hold data1
    systemctl start bek-unlock-key@spare.socket
    check 'the key service listens' test -S /run/cryptsetup-keys.d/spare.key
    before=$(how_it_is_open)
    if [[ $TOOL == dracut ]]; then
        # The list of modules names one that is gone; any other mistake would do.
        check 'dpkg fails when no image can be made' not says remove dpkg --remove "${NAMES[@]}"
        check 'and says whose image it is' \
            contains 'error processing package dracut' "$EVIDENCE/remove.txt"
        sed --in-place 's/ bek-unlock / /' /etc/dracut.conf.d/small.conf
        check 'dpkg goes on when one can' says again dpkg --configure --pending
    else
        check 'dpkg removes it' says remove dpkg --remove "${NAMES[@]}"
    fi
    check 'it has said what stays closed' contains \
        'these volumes of /etc/bektab stay closed at the next boot: data1' "$EVIDENCE/remove.txt"
    check 'and what no image opens' contains 'no initramfs opens: spare' "$EVIDENCE/remove.txt"
    equal 'data1 was not touched' "$before" "$(how_it_is_open)"
    check 'bek-unlock@data1 is still active' unit_is bek-unlock@data1.service active
    check '/mnt/data1 still reads' reads_hello data1
    check 'no socket is left that nobody would answer' not test -e /run/cryptsetup-keys.d/spare.key
    check 'the image is without the program' not image_has_program
    check 'the enabled key service is remembered' \
        compgen -G '/etc/systemd/system/*/bek-unlock-key@spare.socket'
    check 'dpkg purges it' says purge dpkg --purge "${NAMES[@]}"
    equal 'nothing of the program is left' '' "$(left)"
    equal 'and no unit' '' "$(unit_files)"
    check 'the bektab of the administrator stays' grep '^data1 ' /etc/bektab
    equal 'data1 was not touched by that either' "$before" "$(how_it_is_open)"
    check '/mnt/data1 still reads' reads_hello data1
    equal 'no unit failed' '' "$(failed_units)"
}

gone() {
    check 'multi-user.target was reached' unit_is multi-user.target active
    equal 'no unit failed' '' "$(failed_units)"
    equal 'no volume is open' '' "$(mapped)"
    equal 'nothing of the program has come back' '' "$(left)"
}

unit_files() { systemctl list-unit-files --no-legend 'bek-unlock*'; }

# What the other packages put into an image is not looked at here, and takes minutes on a busy
# machine. Ours comes after cryptroot.
images_of_our_own() {
    if [[ $TOOL == initramfs-tools ]]; then
        find /usr/share/initramfs-tools/hooks -type f ! -name cryptroot -exec chmod -x {} +
    fi
}

# says NAME COMMAND...: what it says is evidence, and shown when it fails.
says() {
    local name=$1 status=0
    shift
    "$@" &>"$EVIDENCE/$name.txt" || status=$?
    cat "$EVIDENCE/$name.txt"
    return $status
}

configured() {
    local name
    for name in "${NAMES[@]}"; do
        dpkg-query --show --showformat='${Status}\n' "$name" |
            grep --line-regexp 'install ok installed' || return 1
    done
}

# Files with its name, but for those of this case, what systemd makes of its fstab and, while a unit
# is active, notes of it.
left() {
    find / /run -xdev -name '*bek-unlock*' ! -path "$DEBS/*" ! -path /etc/bek-unlock \
        ! -path '/run/systemd/generator/bek-unlock@data1.service.wants' \
        ! -path '/run/systemd/units/*' ! -path '/run/systemd/propagate/*' | sort --unique
}

# Somebody works on it.
hold() {
    tail --follow "/mnt/$1/hello.txt" >/dev/null &
    HOLDS=$!
}

let_go_and_stop() {
    kill "$HOLDS"
    wait "$HOLDS" || true
    systemctl stop bek-unlock@data1.service
    [[ -z $(mapped) ]]
}

# The run of the unit, the mapping and the mount: each would be another one, had it been closed.
how_it_is_open() {
    property bek-unlock@data1.service InvocationID
    dmsetup info --columns --noheadings --options name,major,minor,events data1
    awk '$5 == "/mnt/data1" { print $1, $3 }' /proc/1/mountinfo
}

image() { compgen -G '/boot/initrd.img-*[0-9a-z]'; }

image_has_program() {
    if [[ $TOOL == dracut ]]; then lsinitrd "$(image)"; else lsinitramfs "$(image)"; fi |
        grep 'usr/bin/bek-unlock$'
}

image_is_new() { [[ $(image) -nt /run/before ]]; }

inspect() {
    local step
    for step in upgraded removed; do
        check "shutdown of step $step reached the end" \
            matches 'reboot: Power down' "$RESULTS/console-$step.log"
        check "nothing was busy at the end of step $step" \
            not matches '[Bb]usy|Could not detach DM' "$RESULTS/console-$step.log"
    done
    equal 'nobody was asked for a key' '' "$(cat "$RESULTS/requests.jsonl")"
}
