# shellcheck shell=bash
# Nothing secret is left where it could be found: not after a boot, not while
# the program works, not when it is killed by a signal that dumps core.

# Two moments are held long enough to look at and to kill in: the vault answers
# an unwrap after five seconds (the program then holds a token), and data2's key
# slot takes ten seconds to derive (it then holds the passphrase).
prepare() {
    local iterations=200000
    [[ ${VM_ACCEL:-} != kvm ]] || iterations=20000000
    sed -i 's|^{$|{"faults": [{"match": {"path": "/keys/*/unwrapkey"}, "delay_ms": 5000, "times": "forever"}],|' "$DIR/scenario.json"
    cryptsetup luksConvertKey --pbkdf pbkdf2 --pbkdf-force-iterations $iterations \
        --batch-mode --disable-locks --key-file "$DIR/keys/data2" "$DIR/data2.img"
}

guest() {
    opened data1 data2 data3 data4
    # The process that talks to the network for all of them has what passed through it until it
    # ends, 15 s after the last (docs/threat-model.md).
    wait_until network_is_gone
    search_finds_what_is_there
    search 'after the boot'
    search_memory 'after the boot'
    mkdir /var/cores
    # RLIMIT_CORE=0 keeps the kernel from writing a file but not from feeding a
    # pipe (core(5)), so both ways are tried.
    dump_cores_to /var/cores/core.%e.%p
    killed_while waiting_for_the_vault 'a token in hand'
    dump_cores_to '|/usr/lib/vm/catch-core %p'
    killed_while deriving_the_key 'the passphrase in hand'
    search 'after the program was killed'
    search_memory 'after the program was killed'
}

# A search that cannot fail proves nothing.
search_finds_what_is_there() {
    local found
    needle_list | sed --quiet 1p >/run/planted
    equal 'the search finds a planted passphrase' /run/planted "$(places_with_secrets)"
    rm /run/planted
    # In the environment and the arguments of a process, too.
    bash -c 'exec -a "$(sed --quiet 1p /dev/fd/3)" sleep 1000' 3< <(needle_list) &
    wait_until grep --quiet sleep "/proc/$!/comm"
    found=$(places_with_secrets)
    equal 'the search finds a passphrase in arguments' "/proc/$!/cmdline" "$found"
    equal 'and in memory' sleep "$(memory_with_secrets)"
    kill $!
    wait $! || true
}

search() { equal "no secret in journal, /proc, /run, /var, /tmp, /etc, /root $1" '' "$(places_with_secrets)"; }

# Not in that of this shell, which only passes it on, nor of journald, udevd and whoever else was
# there when a volume was opened.
search_memory() { equal "no process has a secret in memory $1" '' "$(memory_with_secrets)"; }

memory_with_secrets() {
    needle_list >/dev/shm/needles
    /usr/lib/vm/memory-with-secrets /dev/shm/needles | sort --unique
    rm /dev/shm/needles
}

# The system dumps core, with the widest limits, and does so for others.
dump_cores_to() {
    sysctl --quiet kernel.core_pattern="$1"
    ulimit -c unlimited
    { bash -c 'kill -ABRT $$'; } 2>/dev/null || true
    check "other programs dump core to $1" compgen -G '/var/cores/*'
    rm -f /var/cores/*
}

# killed_while MOMENT WORDS: starts the program by hand, without the unit's own
# LimitCORE=0, and kills every process of it with a signal that dumps core. Not
# SIGSEGV: Rust's runtime has a handler for it, which takes the first one from
# kill(2) for a fault that will come again, and goes on.
killed_while() {
    local moment=$1 words=$2 pid
    systemctl stop bek-unlock@data2
    bek-unlock attach data2 2>/dev/null &
    pid=$!
    "$moment" "$pid"
    check "the program works, $words" kill -STOP "$pid"
    # Stopped, so that there is time to look.
    pgrep bek-unlock >/run/pids
    xargs kill -STOP </run/pids
    search "with $words"
    # What opens the volume, and what it talks to the network through.
    equal "with $words the program alone has it in memory" $'bek-unlock\nbek-unlock-net' "$(memory_with_secrets)"
    check "with $words its memory is locked" matches 'VmLck:.* [1-9][0-9]* kB' "/proc/$pid/status"
    xargs kill -ABRT </run/pids
    xargs kill -CONT </run/pids
    { wait "$pid"; } 2>/dev/null || true
    check "killed with $words it left no core" not compgen -G '/var/cores/*'
    equal "killed with $words it left no mapping" 'data1 data3 data4' "$(mapped)"
    check "killed with $words it left no key disk mounted" not mounted "$KEY_MOUNT"
    equal "killed with $words it left no process" '' "$(pgrep bek-unlock | paste --serial)"
}

network_is_gone() { ! pgrep --exact bek-unlock-net >/dev/null; }

# The connection is there; a second later the request is, and four are left.
waiting_for_the_vault() {
    wait_until connected
    sleep 1
}

# While it waits for the vault it computes nothing; a second of it is the key slot.
deriving_the_key() {
    local before
    waiting_for_the_vault
    before=$(ticks "$1")
    wait_until computed "$1" $((before + 100))
}

connected() { ss --no-header --numeric state established dst 169.254.169.253:443 | grep 443 >/dev/null; }

computed() { (($(ticks "$1") > $2)); }

# CPU time, in hundredths of a second.
ticks() { cut -d ' ' -f 14 "/proc/$1/stat"; }
