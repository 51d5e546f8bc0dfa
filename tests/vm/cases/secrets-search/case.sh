# shellcheck shell=bash
# Nothing secret is left where it could be found: not after a boot, not while
# the program works, not when it is killed by a signal that dumps core.

# Two moments are held long enough to look at and to kill in: the vault answers
# an unwrap after five seconds (the program then holds a token), and data2's key
# slot takes seconds to derive (it then holds the passphrase).
prepare() {
    sed -i 's|^{$|{"faults": [{"match": {"path": "/keys/*/unwrapkey"}, "delay_ms": 5000, "times": "forever"}],|' "$DIR/scenario.json"
    cryptsetup luksConvertKey --pbkdf pbkdf2 --pbkdf-force-iterations 1500000 \
        --batch-mode --disable-locks --key-file "$DIR/keys/data2" "$DIR/data2.img"
}

guest() {
    opened data1 data2 data3 data4
    search_finds_what_is_there
    search 'after the boot'
    for_core_files
    killed_while waiting_for_the_vault 'a token in hand'
    killed_while deriving_the_key 'the passphrase in hand'
    search 'after the program was killed'
}

# A search that cannot fail proves nothing.
search_finds_what_is_there() {
    local found
    needle_list | head --lines=1 >/run/planted
    equal 'the search finds a planted passphrase' /run/planted "$(places_with_secrets)"
    rm /run/planted
    # In the environment and the arguments of a process, too.
    bash -c 'exec -a "$(head --lines=1 /dev/fd/3)" sleep 1000' 3< <(needle_list) &
    until found=$(places_with_secrets) && [[ -n $found ]] || ! kill -0 $!; do sleep 0.1; done
    equal 'the search finds a passphrase in arguments' "/proc/$!/cmdline" "$found"
    kill $!
    wait $! || true
}

search() { equal "no secret in journal, /proc, /run, /var, /tmp, /etc, /root $1" '' "$(places_with_secrets)"; }

needle_list() { tr --delete '\0' </dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_needles; }

# The journal once as stored and once as exported: long messages are stored
# compressed. Processes come and go while grep looks, hence no complaints.
places_with_secrets() {
    local pattern='emulated\.[0-9a-f]{8}|[0-9a-f]{200}'
    local -a places=(/run /var /tmp /etc /root)
    {
        grep --recursive --devices=skip --files-with-matches --text --fixed-strings \
            --file=<(needle_list) "${places[@]}" /proc/[0-9]*/{cmdline,environ}
        grep --recursive --devices=skip --files-with-matches --text --extended-regexp \
            -e "$pattern" "${places[@]}" /proc/[0-9]*/{cmdline,environ}
        journalctl --output=export | grep --quiet --text --fixed-strings --file=<(needle_list) && echo journal
        journalctl --output=export | grep --quiet --text --extended-regexp -e "$pattern" && echo journal
    } 2>/dev/null | sort --unique || true
}

# The system is set up to dump core, with the widest limits, and does for others.
for_core_files() {
    mkdir /var/cores
    sysctl --quiet kernel.core_pattern=/var/cores/core.%e.%p
    ulimit -c unlimited
    bash -c 'kill -SEGV $$' || true
    check 'other programs dump core here' compgen -G '/var/cores/core.bash.*'
    rm -f /var/cores/*
}

# killed_while MOMENT WORDS: starts the program by hand, without the unit's own
# LimitCORE=0, and kills every process of it with the signal for a crash.
killed_while() {
    local moment=$1 words=$2 pid
    systemctl stop bek-unlock@data2
    bek-unlock attach data2 2>/dev/null &
    pid=$!
    "$moment" "$pid"
    check "the program works, $words" kill -0 "$pid"
    search "with $words"
    pgrep bek-unlock >/run/pids
    xargs kill -SEGV </run/pids
    wait "$pid" || true
    check "killed with $words it left no core" not compgen -G '/var/cores/*'
    equal "killed with $words it left no mapping" 'data1 data3 data4' "$(mapped)"
    check "killed with $words it left no key disk mounted" not mounted "$KEY_MOUNT"
}

# The connection is there; a second later the request is, and four are left.
waiting_for_the_vault() {
    until ss --no-header --numeric state established dst 169.254.169.253:443 | grep --quiet 443; do sleep 0.1; done
    sleep 1
}

# Everything but the key derivation takes far less than two seconds of CPU.
deriving_the_key() {
    local ticks
    while ticks=$(cut -d ' ' -f 14 "/proc/$1/stat") && ((ticks < 200)); do sleep 0.1; done
}
