# shellcheck shell=bash
# Every key that can be had fits another volume.

prepare() {
    head --bytes=127 /dev/urandom | base64 --wrap=0 >"$DIR/keys/other"
    azure_wrap "$DIR" "$DIR/keys/other" >"$DIR/keys/other.wrapped"
    KEY_FILES=(LinuxPassPhraseFileName_1_0=other LinuxPassPhraseFileName_1_1=other.wrapped)
    sed -i 's|keys/data[34]|keys/other|' "$DIR/scenario.json"
}

guest() {
    local volume
    for volume in data1 data2 data3 data4; do
        refused "$volume" 2 'fits? ' 'was the secret rotated, or the disk moved'
    done
    settled '' 'bek-unlock@data1.service bek-unlock@data2.service bek-unlock@data3.service bek-unlock@data4.service'
}
