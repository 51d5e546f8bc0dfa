# shellcheck shell=bash
# No udev rule of Azure's: no /dev/disk/azure, and nothing that tells the slot.

guest() {
    check 'there are no links of Azure' not test -e /dev/disk/azure
    opened data1 data2 data3 data4
    settled 'data1 data2 data3 data4' ''
}
