# shellcheck shell=bash
# All four volumes open at boot, close and open by hand, and go down cleanly.

STEPS=(guest guest_again)

guest() {
    local volume
    mark booted
    opened data1 data2 data3 data4
    settled 'data1 data2 data3 data4' ''
    check 'data1 passes discards on' matches 'allow_discards' <(dmsetup table data1)
    as_documented

    systemctl stop bek-unlock@data2
    check 'stopping bek-unlock@data2 unmounts' not mounted /mnt/data2
    equal 'stopping bek-unlock@data2 closes it, and only it' 'data1 data3 data4' "$(mapped)"
    check 'bek-unlock@data2 starts by hand' systemctl start bek-unlock@data2
    check 'its file system mounts again' systemctl start mnt-data2.mount
    opened data2

    network_without_rights
    wrapped_secret_by_url
    for volume in data1 data2 data3 data4; do
        echo "$volume was here" >"/mnt/$volume/written"
    done
}

# Before anything was stopped or started by hand.
as_documented() {
    # shellcheck source=tests/vm/cases/boot/guest/usr/lib/vm/shown.sh
    source /usr/lib/vm/shown.sh
    # As `make install` does into a running system, and a package after it was unpacked.
    journalctl --update-catalog
    shown systemctl status bek-unlock@data1
    shown journalctl -x -u bek-unlock@data1
    shown bek-unlock status
}

# What talked to the network for all of them, inside its unit's sandbox.
network_without_rights() {
    local status
    systemctl restart bek-unlock-network.service
    status=/proc/$(systemctl show --value --property=MainPID bek-unlock-network.service)/status
    check 'it has a user of its own' wait_until matches '^Uid:\s*60988\s*60988\s*60988\s*60988$' "$status"
    check 'it has no capability' not matches '^Cap...:.*[1-9a-f]' "$status"
    check 'it gains no new privileges' matches '^NoNewPrivs:\s*1$' "$status"
    check 'nobody but root may ask it' equal_words '600 root' "$(stat --format='%a %U' /run/bek-unlock-network.sock)"
    # Anew, so that what it knows is not asked of it below.
    systemctl stop bek-unlock-network.service
}

# The protocol at its smallest: token, secret, unwrap. Read-only under a second
# name, because data3 is in use under its own.
wrapped_secret_by_url() {
    systemctl stop bek-unlock@data3
    mark by-url
    check 'data3 opens by its secret URL' bek-unlock attach by-url /dev/disk/azure/scsi1/lun2 \
        https://contoso-kv.vault.azure.net/secrets/bek-data3/00000000000000000000000000000003
    mark by-url-done
    check 'and closes' bek-unlock detach by-url
    check 'bek-unlock@data3 starts again' systemctl start bek-unlock@data3
    check 'and mounts' systemctl start mnt-data3.mount
}

# The second boot looks at how the first one ended.
guest_again() {
    local volume
    for volume in data1 data2 data3 data4; do
        check "what the first boot wrote to $volume is there" grep --quiet "$volume was here" "/mnt/$volume/written"
        check "the file system of $volume was clean" fsck_said_clean "$volume"
        check "bek-unlock@$volume was stopped before the power went" was_stopped "$volume"
    done
    settled 'data1 data2 data3 data4' ''
    next_boot_proven data1 data2 data3 data4
    check 'the network is let go when nobody needs it' wait_until not unit_is bek-unlock-network.service active
}

fsck_said_clean() { journalctl --boot --output=cat --unit="systemd-fsck@dev-mapper-$1.service" | grep "^$1: clean"; }

# The last the journal of the first boot says of the unit.
was_stopped() {
    journalctl --boot=-1 --output=cat _PID=1 | grep --extended-regexp "^(Finished|Stopped) bek-unlock@$1" |
        tail --lines=1 | grep '^Stopped'
}

equal_words() { [[ $1 == "$2" ]]; }

inspect() {
    local console=$RESULTS/console-guest.log
    check 'shutdown reached the end' matches 'reboot: Power down' "$console"
    check 'shutdown found nothing left to detach' matches 'All DM devices detached' "$console"
    check 'no mapping was left for the last moment' not contains 'Detaching DM /dev' "$console"
    check 'nothing was busy' not matches '[Bb]usy' "$console"
    requests
}

# Nothing is asked twice, nothing is asked in vain: data1 asks nobody, data2
# unwrapping, data3 searches by tags, data4 is not wrapped; of one token all have enough.
requests() {
    equal 'the boot asks exactly this' "$(
        cat <<'LIST'
GET /metadata/identity/oauth2/token
GET /secrets
GET /secrets/bek-data3
GET /secrets/bek-data4/00000000000000000000000000000004
POST /keys/kek/00000000000000000000000000000001/unwrapkey
POST /keys/kek/00000000000000000000000000000001/unwrapkey
LIST
    )" "$(asked start booted | sort)"
    equal 'an unlock by secret URL asks three times' "$(
        cat <<'LIST'
GET /metadata/identity/oauth2/token
GET /secrets/bek-data3/00000000000000000000000000000003
POST /keys/kek/00000000000000000000000000000001/unwrapkey
LIST
    )" "$(asked by-url by-url-done)"
    equal 'on two connections' 2 "$(between by-url by-url-done | sed 's/.*"connection":\([0-9]*\).*/\1/' | sort --unique | wc --lines)"
}

asked() { between "$@" | sed 's/.*"method":"\([A-Z]*\)","path":"\([^"]*\)".*/\1 \2/'; }

# Requests of the emulator's log between two marks (see mark in observe.sh), or
# from the start.
between() {
    awk -v from="/mark/$1\"" -v to="/mark/$2\"" -v on="$([[ $1 == start ]] && echo 1)" '
        index($0, to) { exit }
        on && /"event":"request"/ { print }
        index($0, from) { on = 1 }
    ' "$RESULTS/requests.jsonl"
}
