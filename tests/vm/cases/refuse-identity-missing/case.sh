# shellcheck shell=bash
# The VM has no managed identity: only the key disk's plain key file can open.

disturb() { azure_change '{"remove_identities": true}'; }

guest() {
    local volume
    for volume in data2 data3 data4; do
        refused "$volume" 77 'no usable managed identity' 'az vm identity assign'
    done
    opened data1
    settled data1 'bek-unlock@data2.service bek-unlock@data3.service bek-unlock@data4.service'
}
