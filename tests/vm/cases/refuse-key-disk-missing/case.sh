# shellcheck shell=bash
# The key disk is not attached: what needs it fails with the way out, the rest opens.

prepare() {
    KEY_FILES=()
    shorten 40 data1 data2
}

guest() {
    refused data1 4 'no key disk' 'deallocate the VM'
    refused data2 4 'no key disk' 'deallocate the VM'
    opened data3 data4
    settled 'data3 data4' 'bek-unlock@data1.service bek-unlock@data2.service'
}
