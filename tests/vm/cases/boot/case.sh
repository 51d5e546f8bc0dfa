# shellcheck shell=bash
# All four volumes open at boot, close and open by hand, and go down cleanly.

STEPS=(guest guest_again)

guest() {
    local volume
    for volume in data1 data2 data3 data4; do
        check "bek-unlock@$volume is active" unit_is "bek-unlock@$volume.service" active
        check "/mnt/$volume is mounted" mounted "/mnt/$volume"
        check "/mnt/$volume/hello.txt reads" reads_hello "$volume"
    done
    equal 'no unit failed' '' "$(failed_units)"
    check 'the key disk is mounted nowhere' not mounted "$KEY_MOUNT"
    check 'no process of the program is left' no_process_left

    systemctl stop bek-unlock@data2
    check 'stopping bek-unlock@data2 unmounts' not mounted /mnt/data2
    equal 'stopping bek-unlock@data2 closes its mapping only' 'data1 data3 data4' "$(mapped)"
    check 'bek-unlock@data2 starts by hand' systemctl start bek-unlock@data2
    systemctl start mnt-data2.mount
    check '/mnt/data2/hello.txt reads again' reads_hello data2
    for volume in data1 data2 data3 data4; do
        date >"/mnt/$volume/written"
    done
}

# The second boot looks at how the first one ended.
guest_again() {
    local volume
    for volume in data1 data2 data3 data4; do
        check "$volume is active again" unit_is "bek-unlock@$volume.service" active
        check "what the first boot wrote to $volume is there" test -s "/mnt/$volume/written"
        check "the file system of $volume was clean" fsck_said_clean "$volume"
    done
}

fsck_said_clean() { journalctl --boot --output=cat --unit="systemd-fsck@dev-mapper-$1.service" | grep "^$1: clean"; }

inspect() {
    local console=$RESULTS/console-guest.log
    check 'shutdown reached the end' matches 'reboot: Power down' "$console"
    check 'no mapping was left for the last moment' not contains 'Detaching DM /dev' "$console"
    check 'nothing was busy' not matches 'busy' "$console"
}
