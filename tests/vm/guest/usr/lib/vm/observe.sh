# shellcheck shell=bash
# What the guest's kernel and init say about volumes, mounts and units.

readonly KEY_MOUNT=/mnt/azure_bek_disk

# wait_for_unlocking: until no job of a volume or its mount is under way.
wait_for_unlocking() {
    local jobs limit=$((SECONDS + 240))
    # Not `systemctl | grep --quiet`: closing the pipe early is an error of systemctl.
    while jobs=$(systemctl list-jobs --no-legend) && [[ $jobs =~ bek|mapper|mnt- ]]; do
        if ((SECONDS > limit)); then
            echo "jobs still under way after 240 s:"
            echo "$jobs"
            return 1
        fi
        sleep 0.2
    done
}

# wait_until COMMAND...: half a minute at most.
wait_until() {
    local limit=$((SECONDS + 30))
    until "$@"; do
        if ((SECONDS > limit)); then
            echo "gave up waiting for: $*"
            return 1
        fi
        sleep 0.1
    done
}

property() { systemctl show --property="$2" --value "$1"; }

# unit_is UNIT STATE: active, inactive or failed.
unit_is() { [[ $(property "$1" ActiveState) == "$2" ]]; }

failed_units() { systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1 | sort | paste --serial --delimiters=' '; }

# Names of all crypt mappings, whoever made them.
mapped() { dmsetup ls --target crypt | grep --invert-match 'No devices' | cut -f 1 | sort | paste --serial --delimiters=' '; }

# PID 1's mount namespace, not this service's.
mounted() { findmnt --task 1 --mountpoint "$1"; }

reads_hello() { [[ $(<"/mnt/$1/hello.txt") == "hello from $1" ]]; }

# status_of VOLUME: exit status of the program as systemd saw it.
status_of() { property "bek-unlock@$1.service" ExecMainStatus; }

# What the volume's unit wrote or logged in this boot.
journal_of() { journalctl --boot --output=cat --unit="bek-unlock@$1.service"; }

# Seconds from the unit's start to its end, rounded up.
seconds_of() {
    local from to
    from=$(property "bek-unlock@$1.service" ExecMainStartTimestampMonotonic)
    to=$(property "bek-unlock@$1.service" ExecMainExitTimestampMonotonic)
    echo $(((to - from + 999999) / 1000000))
}

# timeout= of the volume's line in bektab, in seconds.
deadline_of() { sed -n "s/^$1 .*timeout=\([0-9]*\).*/\1/p" /etc/bektab; }

at_most() { (($1 <= $2)); }

# But for the one that systemd keeps for a while, in case another volume needs the network.
no_process_left() { ! pgrep --list-full bek-unlock | grep --invert-match '/bek-unlock network$'; }

# opened VOLUME...: open, mounted, readable.
opened() {
    local volume
    for volume in "$@"; do
        check "bek-unlock@$volume is active" unit_is "bek-unlock@$volume.service" active
        check "/mnt/$volume is mounted" mounted "/mnt/$volume"
        check "/mnt/$volume/hello.txt reads" reads_hello "$volume"
    done
}

# opened_by_systemd VOLUME...: the same by crypttab, and by nobody else.
opened_by_systemd() {
    local volume
    for volume in "$@"; do
        check "systemd-cryptsetup@$volume is active" unit_is "systemd-cryptsetup@$volume.service" active
        check "bek-unlock@$volume is not" unit_is "bek-unlock@$volume.service" inactive
        check "/mnt/$volume is mounted" mounted "/mnt/$volume"
        check "/mnt/$volume/hello.txt reads" reads_hello "$volume"
    done
}

# refused VOLUME STATUS CAUSE HINT: the volume stayed closed for that cause (a
# regular expression), said so once, and was done with it before its deadline.
refused() {
    local volume=$1 status=$2 cause=$3 hint=$4 words=$EVIDENCE/$1.txt
    journal_of "$volume" >"$words"
    equal "bek-unlock@$volume ended with status $status" "$status" "$(status_of "$volume")"
    equal "its journal has one error" 1 "$(grep --count "error: cannot unlock $volume" "$words")"
    check "its cause is: $cause" matches "cause: .*$cause" "$words"
    check "its hint is: $hint" matches "hint: .*$hint" "$words"
    # Starting and ending a process takes many seconds on a busy machine under TCG.
    check "it took no longer than timeout=$(deadline_of "$volume") ($(seconds_of "$volume") s)" \
        at_most "$(seconds_of "$volume")" $(($(deadline_of "$volume") + 20))
    check "/mnt/$volume is not mounted" not mounted "/mnt/$volume"
}

# settled MAPPED FAILED: what the whole system looks like afterwards.
settled() {
    check 'multi-user.target was reached' unit_is multi-user.target active
    equal 'these units failed, and no other' "$2" "$(failed_units)"
    equal 'these volumes are mapped, and no other' "$1" "$(mapped)"
    check 'the key disk is mounted nowhere' not mounted "$KEY_MOUNT"
    check 'no process of the program is left' no_process_left
}

# mark WORD: leaves a line in the emulator's log of requests, which so falls into parts.
mark() {
    exec 4<>/dev/tcp/169.254.169.254/80
    printf 'GET /mark/%s HTTP/1.1\r\nHost: mark\r\nConnection: close\r\n\r\n' "$1" >&4
    cat <&4 >/dev/null
    exec 4>&-
}

# What the host looks for afterwards, too (lib/secrets.sh).
needle_list() { tr --delete '\0' </dev/disk/by-id/virtio-needles; }

# Files of the image cannot hold what is younger than it. The journal once as
# stored and once as exported: long messages are stored compressed. Processes
# come and go while grep looks, hence no complaints.
places_with_secrets() {
    local pattern='emulated\.[0-9a-f]{8}|[0-9a-f]{200}' booted
    booted=$(sed --quiet 's/^btime //p' /proc/stat)
    {
        {
            find /run /var /tmp /etc /root -type f -newermt "@$((booted - 1))" -print0
            printf '%s\0' /proc/[0-9]*/{cmdline,environ}
        } | tee >(xargs --null grep --files-with-matches --text --extended-regexp -e "$pattern" >&3) |
            xargs --null grep --files-with-matches --text --fixed-strings --file=<(needle_list) >&3
        journalctl --output=export |
            tee >(grep --text --extended-regexp -e "$pattern" >/dev/null && echo 'journal (token)' >&3) |
            { grep --text --fixed-strings --file=<(needle_list) >/dev/null && echo 'journal (passphrase)' >&3; }
    } 3>&1 2>/dev/null | sort --unique || true
}

# next_boot_proven VOLUME...: check has nothing bad to say of the boot that this one was like.
next_boot_proven() {
    local report=$EVIDENCE/check.json status=0 mapped
    mapped=$(mapped)
    bek-unlock check --json --timeout 90s "$@" >"$report" 2>"$EVIDENCE/check.txt" || status=$?
    equal 'check finds nothing that keeps a volume closed' 0 "$status"
    equal 'each volume has a key that opens its keyslot' $# "$(sed 's/"volume":"/\n&/g' "$report" | grep --count 'opens keyslot')"
    equal 'check opened and closed nothing' "$mapped" "$(mapped)"
}
