# shellcheck shell=bash
# The life of one case: images, emulator, boots, verdict, evidence.
#
# A case is cases/NAME/case.sh, which may define
#   STEPS        functions to run in the guest, a boot each (default: guest)
#   FLAVOURS     the Debians it is run with, once for each, which is FLAVOUR then
#                (default: one, VM_SUITE or what guest_suite finds)
#   prepare      changes $DIR before anything is built from it: scenario.json,
#                keys/, *.img; may set KEY_FILES, or empty it for no key disk
#   TREE         another system than the flavour's plain one (tree.sh)
#   LAID         what is laid over it first (default: the program, as installed)
#   disturb      changes the running emulator, or $NETWORK, before step $1
#   meanwhile    on the host, while step $1 runs, whose guest ends by itself
#   inspect      checks on the host afterwards, on $RESULTS
# and cases/NAME/guest/, files laid over tests/vm/guest. root-case.sh has what
# cases of the root disk may define besides.

# run_case NAME[.FLAVOUR]: everything; status 0 when every check held. Runs in a
# subshell of its own, so a case's functions never meet another's.
run_case() {
    local name=$1 step
    RESULTS=$CACHE/results/$name
    trap stop_all EXIT
    rm -rf "$RESULTS"
    mkdir -p "$RESULTS"
    [[ $name != *.* ]] || FLAVOUR=${name#*.}
    load_case "$VM_DIR/cases/${name%%.*}"
    if [[ ${FLAVOUR:-} == *-* ]]; then
        build_root_guest "$CACHE/run/$name"
    else
        build_guest "$CACHE/run/$name"
    fi
    for step in "${STEPS[@]}"; do
        disturb "$step"
        run_step "$step"
    done
    stop_all
    cp "$DIR/requests.jsonl" "$DIR/emulator.log" "$RESULTS"
    inspect
    equal 'no secret in what the guest left behind' '' "$(leaks "$DIR/keys" "$RESULTS")"
    [[ -n ${VM_KEEP:-} ]] || rm -rf "$DIR"
    ((FAILED == 0))
}

# load_case DIRECTORY: the defaults, and what the case says instead.
load_case() {
    CASE=$1
    STEPS=(guest)
    KEY_FILES=(LinuxPassPhraseFileName_1_0=data1 LinuxPassPhraseFileName_1_1=data2.wrapped)
    FLAVOURS=()
    TREE=
    LAID=("$PROGRAM")
    PARAMETERS=
    DATA_DISKS=
    DISKS=()
    # shellcheck disable=SC2317
    bektab() { :; }
    prepare() { :; }
    disturb() { :; }
    inspect() { :; }
    # shellcheck source=/dev/null
    source "$CASE/case.sh"
}

# build_guest DIR: makes DIR with all images of the loaded case, and starts the
# emulator on DIR/scenario.json.
build_guest() {
    local base
    DIR=$1
    base=$(if [[ -n $TREE ]]; then echo "$(tree "$TREE")/root.img"; else base_image; fi)
    make_disks "$DIR"
    cp "$VM_DIR/scenarios/healthy.json" "$DIR/scenario.json"
    prepare
    azure_up "$DIR"
    azure_wrap "$DIR" "$DIR/keys/data2" >"$DIR/keys/data2.wrapped"
    make_key_disk
    needles "$DIR/keys" >"$DIR/needles"
    make_case_tree "$base"
    os_image "$base" "$DIR/os.img" "${LAID[@]}" "$VM_DIR/guest" "$DIR/tree"
    plain_os_disk "$DIR"
    data_disks "$DIR"
}

# shorten SECONDS VOLUME...: for prepare; these volumes are given up sooner.
shorten() {
    local seconds=$1 volume
    shift
    mkdir -p "$DIR/tree/etc"
    cp "$VM_DIR/guest/etc/bektab" "$DIR/tree/etc/bektab"
    for volume in "$@"; do
        sed -i "/^$volume /s/timeout=60/timeout=$seconds/" "$DIR/tree/etc/bektab"
    done
}

make_key_disk() {
    local pair
    local -a files=()
    KEY_DISK=
    ((${#KEY_FILES[@]})) || return 0
    for pair in "${KEY_FILES[@]}"; do
        files+=("${pair%%=*}=$DIR/keys/${pair#*=}")
    done
    KEY_DISK=$DIR/key.img
    key_disk "$KEY_DISK" "${files[@]}"
}

# What belongs to this run alone: the checks, the detached header, the CA.
make_case_tree() {
    local base=$1 tree=$DIR/tree
    mkdir -p "$tree/usr/lib/vm" "$tree/etc/bek-unlock" "$tree/etc/ssl/certs"
    if [[ -d $CASE/guest ]]; then cp -R "$CASE/guest/." "$tree"; fi
    cp "$CASE/case.sh" "$tree/usr/lib/vm/case.sh"
    install -m 600 "$DIR/data4.header" "$tree/etc/bek-unlock/data4.header"
    system_with_ca "$base" >"$tree/etc/ssl/certs/ca-certificates.crt"
}

# The CA certificates of that file system, and the emulator's.
system_with_ca() {
    debugfs -R 'cat /etc/ssl/certs/ca-certificates.crt' "$1" 2>/dev/null
    azure_ca
}

run_step() {
    local step=$1 booted=yes since=$SECONDS
    : >"$DIR/console.log"
    # Words, not one word.
    # shellcheck disable=SC2086
    start_guest "$DIR" "vm.step=$step" $PARAMETERS
    if declare -F watch >/dev/null; then
        watch "$step"
        end_guest "$DIR" 2>/dev/null || true
        cp "$DIR/console.log" "$RESULTS/console-$step.log"
        return
    fi
    if declare -F meanwhile >/dev/null; then meanwhile "$step"; fi
    end_guest "$DIR" || booted=no
    cp "$DIR/console.log" "$RESULTS/console-$step.log"
    mkdir "$RESULTS/$step"
    tar -C "$RESULTS/$step" -xf "$DIR/results.img" 2>/dev/null || booted=no
    cat "$RESULTS/$step/checks.txt" 2>/dev/null || true
    equal "step $step ran to its end ($((SECONDS - since)) s)" 'yes verdict: pass' \
        "$booted $(verdict "$DIR/console.log")"
    [[ $booted == yes ]] || last_words "$DIR/console.log"
}

# last_words CONSOLE: where a guest stopped, for those who see this run's words and not its files.
last_words() {
    say "the last of $(wc --lines <"$1") lines of its console:"
    tail --lines=40 "$1" | tr --delete '\r\033' | sed 's/^/    | /' >&2
}

verdict() { grep --only-matching --extended-regexp 'verdict: (pass|fail)' "$1" || echo 'no verdict'; }
