# shellcheck shell=bash
# Keys of their own: a disk of Azure Disk Encryption is enrolled, a new disk made, a wrapped secret
# rotated; then the key disk is gone, and they open by unit, by systemd-cryptsetup and by cryptsetup,
# through the token in the header and through the socket, but for the boot with the KEK disabled.

FLAVOURS=(bookworm trixie)
STEPS=(enrolled revoked reopened)
# Refusals are not the Debian's: one less boot.
[[ ${FLAVOUR:-} != trixie ]] || STEPS=(enrolled reopened)

readonly LUN=/dev/disk/azure/scsi1/lun
readonly VAULT_URL=https://contoso-kv.vault.azure.net
readonly NEWEST=00000000000000000000000000000002

# The KEK has a second version, and the VM may store.
prepare() {
    local first=00000000000000000000000000000001
    sed --in-place "
        s|\"secrets\": \[\"get\", \"list\"\], \"keys\": \[\"unwrapKey\"\]|\"secrets\": [\"get\", \"list\", \"set\"], \"keys\": [\"wrapKey\", \"unwrapKey\"]|
        s|{\"version\": \"$first\", \"enabled\": true}|&, {\"version\": \"$NEWEST\", \"enabled\": true}|
        s|\"wrap\": {\"key\": \"kek\"|&, \"version\": \"$first\"|
    " "$DIR/scenario.json"
}

disturb() {
    local kek='{"vault": "contoso-kv.vault.azure.net", "name": "kek"}'
    [[ $1 == enrolled ]] || KEY_DISK=
    case $1 in
        revoked)
            azure_change "{\"disable_key\": $kek}"
            HEADERS=$(headers)
            ;;
        reopened)
            if [[ -n ${HEADERS:-} ]]; then
                equal 'the refusal changed no header' "$HEADERS" "$(headers)"
                azure_change "{\"enable_key\": $kek}"
            fi
            ;;
    esac
}

headers() {
    local volume
    for volume in data1 data2 data3; do head --bytes=16M "$DIR/$volume.img" | sha256sum; done
}

enrolled() {
    opened data1 data2 data3 data4
    enroll_data1
    make_data2
    check 'rotate renews data3 while it is open' keeps rotate-data3 bek-unlock rotate data3
    equal 'data3 has the new keyslot alone' 1 "$(keyslots 2)"
    hand_data4_to_crypttab
    systemctl enable remote-cryptsetup.target
    nothing_secret_left
}

# Its key is on the key disk; bektab has a line for it, whose other options stay.
enroll_data1() {
    check 'enroll gives data1 a key of its own while it is open' keeps enroll-data1 \
        bek-unlock enroll ${LUN}0 --name data1 --write --kek $VAULT_URL/keys/kek \
        --to-token --to-vault $VAULT_URL --secret-name bek-data1
    check 'its KEK is in the newest version' contains "kek/$NEWEST" "$EVIDENCE/enroll-data1.txt"
    equal 'its line of bektab is' "data1 ${LUN}0 - _netdev,discard,nofail,timeout=60s,vault=$VAULT_URL" "$(grep '^data1 ' /etc/bektab)"
    equal 'the old keyslot stays beside the new one' '0 1' "$(keyslots 0)"
    # The key disk has ADE's key still, and is asked first at a boot.
    check 'rotate would renew the new key' keeps rotate-data1 bek-unlock rotate data1 --dry-run
    check 'and leave the one on the key disk alone' contains 'then keyslot 1 is removed' "$EVIDENCE/rotate-data1.txt"
}

# No line of bektab: from now on crypttab has data2, and the token is all that tells of its key.
make_data2() {
    local -a enroll=(bek-unlock enroll "${LUN}1" --name data2 --kek "$VAULT_URL/keys/kek" --to-token --format)
    local before status=0
    systemctl stop bek-unlock@data2
    sed --in-place '/^data2 /d' /etc/bektab
    before=$(cryptsetup luksUUID ${LUN}1)
    "${enroll[@]}" &>"$EVIDENCE/format-unasked.txt" || status=$?
    equal 'enroll --format without --yes ends with status 1' 1 "$status"
    check 'it names the device and what is on it' \
        contains "$(readlink --canonicalize ${LUN}1) has 48 MiB and crypto_LUKS on it" "$EVIDENCE/format-unasked.txt"
    check 'and the way on' contains 'say so with --yes' "$EVIDENCE/format-unasked.txt"
    equal 'it has changed nothing' "$before" "$(cryptsetup luksUUID ${LUN}1)"
    check 'enroll --format --yes makes data2 anew' keeps format-data2 "${enroll[@]}" --yes
    echo "data2 ${LUN}1 none luks,nofail,_netdev,timeout=10" >>/etc/crypttab
    check 'cryptsetup opens it by its token' cryptsetup open --token-only ${LUN}1 new
    mke2fs -q -t ext4 /dev/mapper/new
    mkdir /run/new
    mount /dev/mapper/new /run/new
    echo 'hello from data2' >/run/new/hello.txt
    umount /run/new
    check 'and closes it' cryptsetup close new
}

# Its secret is not wrapped; systemd-cryptsetup asks the socket for it.
hand_data4_to_crypttab() {
    sed --in-place '/^data4 /s/nofail,_netdev/key-only/' /etc/bektab
    echo "data4 ${LUN}3 none luks,header=/etc/bek-unlock/data4.header,nofail,_netdev" >>/etc/crypttab
    check 'the key service is enabled for data4' systemctl enable bek-unlock-key@data4.socket
}

revoked() {
    refused data1 77 '403 KeyDisabled' 'enable the KEK'
    refused data3 77 '403 KeyDisabled' 'enable the KEK'
    opened_by_systemd data4
    check 'systemd-cryptsetup@data2 failed' unit_is systemd-cryptsetup@data2.service failed
    crypttab_journal data2 >"$EVIDENCE/data2.txt"
    check 'its journal has the cause' contains '403 KeyDisabled' "$EVIDENCE/data2.txt"
    check 'and the hint' contains 'enable the KEK' "$EVIDENCE/data2.txt"
    settled data4 'bek-unlock@data1.service bek-unlock@data3.service systemd-cryptsetup@data2.service'
}

reopened() {
    opened data1 data3
    opened_by_systemd data2 data4
    token_opened_data2
    check 'the socket gave the key of data4' contains 'data4: key from Key Vault handed over' \
        <(journalctl --boot --output=cat --unit=bek-unlock-key@data4.service)
    settled 'data1 data2 data3 data4' ''
    by_hand
    rotate_all
    nothing_secret_left
}

# There is nothing else that could have.
token_opened_data2() {
    check 'data2 has no line in bektab' not grep '^data2' /etc/bektab
    check 'and no key file or socket' not compgen -G '/*/cryptsetup-keys.d/data2*'
    check "the plugin got its key" contains 'key from the LUKS2 token' <(crypttab_journal data2)
}

crypttab_journal() { journalctl --boot --output=cat --unit="systemd-cryptsetup@$1.service"; }

# systemd starts the unit of a volume that is there, whoever opened it.
by_hand() {
    systemctl stop bek-unlock@data1
    check 'cryptsetup opens data1 by its token' cryptsetup open --token-only ${LUN}0 data1
    check 'bek-unlock@data1 takes it over' wait_until unit_is bek-unlock@data1.service active
    check 'and found it open' contains 'data1 is already unlocked' <(journal_of data1)
    check 'it mounts' systemctl start mnt-data1.mount
    check 'it reads' reads_hello data1
    systemctl stop bek-unlock@data1
    equal 'stopping bek-unlock@data1 closes it' 'data2 data3 data4' "$(mapped)"
    start_again data1
}

start_again() {
    check "bek-unlock@$1 starts again" systemctl start "bek-unlock@$1"
    check 'its file system mounts again' systemctl start "mnt-$1.mount"
    opened "$1"
}

rotate_all() {
    local volume
    check 'rotate --all renews what is wrapped' keeps rotate-all bek-unlock rotate --all
    check 'and says what is not' contains 'data4 is left as it is' "$EVIDENCE/rotate-all.txt"
    equal 'data1 has its first keyslot and a new one' '0 2' "$(keyslots 0)"
    equal 'data3 has a new keyslot alone' 0 "$(keyslots 2)"
    for volume in data1 data3; do
        systemctl stop "bek-unlock@$volume"
        start_again "$volume"
    done
}

# keeps NAME COMMAND...: what it says is evidence, and shown when it fails.
keeps() {
    local name=$1
    shift
    "$@" &>"$EVIDENCE/$name.txt" || {
        cat "$EVIDENCE/$name.txt"
        return 1
    }
}

# keyslots NUMBER: those of the disk at that LUN.
keyslots() {
    cryptsetup luksDump "$LUN$1" | sed --quiet '/^Keyslots:/,/^Tokens:/s/^  \([0-9]*\): .*/\1/p' |
        paste --serial --delimiters=' '
}

# The host does not know the passphrases that are made here, but what they look like. Wrapped keys are
# longer.
nothing_secret_left() {
    head --bytes=127 /dev/urandom | base64 --wrap=0 >/run/planted
    equal 'the search finds a planted passphrase' /run/planted "$(passphrase_files /run)"
    rm /run/planted
    equal 'no passphrase is in a file' '' "$(passphrase_files /etc /root /run /tmp /var)"
    equal 'none is in the journal' '' "$(journalctl --output=export | passphrase_files -)"
    equal 'no key of the key disk and no token is left' '' "$(places_with_secrets)"
}

passphrase_files() {
    LC_ALL=C grep --recursive --devices=skip --files-with-matches --text --extended-regexp \
        -e '(^|[^A-Za-z0-9+/])[A-Za-z0-9+/]{170}==' -- "$@" 2>/dev/null || true
}

inspect() {
    equal 'no passphrase in what the guest left behind' '' "$(passphrase_files "$RESULTS")"
    equal 'secrets were stored twice for data1 and for data3' \
        'PUT /secrets/bek-data1 PUT /secrets/bek-data1 PUT /secrets/bek-data3 PUT /secrets/bek-data3' \
        "$(requests_made | grep '^PUT' | sort | paste --serial --delimiters=' ')"
}
