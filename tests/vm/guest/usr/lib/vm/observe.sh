# shellcheck shell=bash
# What the guest's kernel and init say about volumes, mounts and units.

readonly KEY_MOUNT=/mnt/azure_bek_disk

# wait_for_unlocking: until no job of a volume or its mount is under way.
wait_for_unlocking() {
    local limit=$((SECONDS + 120))
    while systemctl list-jobs --no-legend | grep --quiet --extended-regexp 'bek|mapper|mnt-'; do
        if ((SECONDS > limit)); then
            echo "jobs still under way after 120 s:"
            systemctl list-jobs --no-legend
            return 1
        fi
        sleep 0.2
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

at_most() { (($1 <= $2)); }

no_process_left() { [[ -z $(pgrep --list-full bek-unlock) ]]; }
