# shellcheck shell=bash
# Many volumes at one boot: one token, few connections, nothing throttled, no more memory than there
# is, and a vault that is slow holds up its own volume alone.
#
# VM_VOLUMES=64 is as many as the largest VM has disks; under TCG that takes five minutes.

readonly COUNT=${VM_VOLUMES:-32}
# The keyslots of so many want 32 MiB each, more than the guest has free.
readonly HARD=14
readonly SILENT=6
readonly SLOW_VAULT=fabrikam-kv.vault.azure.net
readonly VERSION=00000000000000000000000000000001

volumes() { printf "v%02d\n" $(seq "$COUNT"); }

# The last one is the slow vault's.
last() { volumes | tail --lines=1; }

# They are partitions of one disk: how a disk is found is another case's.
prepare() {
    PARAMETERS="mem=$((520 + COUNT * 2))M"
    local volume disk=$DIR/many.img
    mkdir -p "$DIR/tree/etc"
    truncate --size $((COUNT * 8 + 2))M "$disk"
    for volume in $(volumes); do
        echo "size=8MiB, name=$volume"
    done | sfdisk --quiet --label gpt "$disk"
    for volume in $(volumes); do make_volume "$volume" "$disk"; done
    DISKS+=(-drive "if=none,id=many,file=$disk,format=raw,cache=unsafe"
        -device "scsi-hd,bus=scsi1.0,scsi-id=0,lun=10,drive=many")
    scenario >"$DIR/scenario.json"
}

make_volume() {
    local volume=$1 disk=$2 number=$((10#${1#v})) image=$DIR/volume.img vault=$VAULT
    local -a kdf=("${CHEAP_KDF[@]}")
    # Long enough that they meet.
    local passes=4
    [[ ${VM_ACCEL:-} != kvm ]] || passes=100
    if ((number <= HARD)); then
        kdf=(--pbkdf argon2id --pbkdf-memory 32768 --pbkdf-force-iterations "$passes" --pbkdf-parallel 1)
    fi
    [[ $volume != "$(last)" ]] || vault=$SLOW_VAULT
    head --bytes=127 /dev/urandom | base64 --wrap=0 >"$DIR/keys/$volume"
    rm -f "$image"
    truncate --size 8M "$image"
    cryptsetup luksFormat --type luks2 "${kdf[@]}" "${QUIETLY[@]}" --luks2-metadata-size 16k \
        --luks2-keyslots-size 4m --key-file "$DIR/keys/$volume" "$image"
    # The first partition begins at 1 MiB.
    dd if="$image" of="$disk" bs=1M seek=$(((number - 1) * 8 + 1)) conv=notrunc,sparse status=none
    echo "$volume /dev/disk/by-partlabel/$volume https://$vault/secrets/$volume/$VERSION nofail,_netdev,timeout=300" \
        >>"$DIR/tree/etc/bektab"
}

# These secrets, and a second vault that says nothing to the first requests: each waits 15 s for it.
scenario() {
    local volume comma='' secrets='' slow
    for volume in $(volumes); do
        if [[ $volume == "$(last)" ]]; then
            slow=$(secret "$volume")
        else
            secrets+=$comma$(secret "$volume")
            comma=,
        fi
    done
    cat <<JSON
{
  "imds": {"identities": [{"name": "web01", "client_id": "c1", "object_id": "o1"}]},
  "vaults": [$(vault "$VAULT" "$secrets"), $(vault "$SLOW_VAULT" "$slow")],
  "faults": [{"match": {"service": "vault", "host": "$SLOW_VAULT"}, "times": $SILENT, "delay_ms": 600000, "action": "drop"}]
}
JSON
}

vault() {
    echo "{\"host\": \"$1\", \"keys\": [{\"name\": \"kek\", \"versions\": [{\"version\": \"$VERSION\"}]}], \"secrets\": [$2]}"
}

secret() {
    local vault=$VAULT
    [[ $1 != "$(last)" ]] || vault=$SLOW_VAULT
    echo "{\"name\": \"$1\", \"versions\": [{\"version\": \"$VERSION\", \"content_type\": \"Wrapped BEK\",
        \"tags\": {\"DiskEncryptionKeyEncryptionAlgorithm\": \"RSA-OAEP\",
            \"DiskEncryptionKeyEncryptionKeyURL\": \"https://$vault/keys/kek/$VERSION\"},
        \"wrap\": {\"key\": \"kek\", \"plain_file\": \"keys/$1\"}}]}"
}

guest() {
    local -a volumes
    mapfile -t volumes < <(cut -d ' ' -f 1 /etc/bektab)
    settled "${volumes[*]}" ''
    equal 'each of their units is active' "${#volumes[@]}" "$(active)"
    check 'the kernel ended nobody for want of memory' not matches '[Oo]ut of memory|oom-kill' <(journalctl --boot --dmesg)
    check 'some KDFs waited for the memory of others' matches 'waiting for memory' <(journalctl --boot)
    equal 'and said so once' '' "$(journalctl --boot --output=short | sed --quiet 's/.*\(bek-unlock\[[0-9]*\]\): waiting for memory.*/\1/p' | sort | uniq --repeated)"
    echo "  time  $(for volume in "${volumes[@]}"; do seconds_of "$volume"; done | sort --numeric-sort | sed --quiet '1p; $p' | paste --serial --delimiters=' ') s for the quickest and the slowest"
}

active() { systemctl list-units --plain --no-legend --state=active 'bek-unlock@v*' | wc --lines; }

inspect() {
    equal 'one token is enough for all' 1 "$(answered '"path":"/metadata/identity/oauth2/token"')"
    equal 'every secret is read once' "$COUNT" "$(answered '"path":"/secrets/')"
    equal 'every key is unwrapped once' "$COUNT" "$(answered '/unwrapkey"')"
    equal 'nothing else was asked, but what the slow vault did not answer' $SILENT \
        "$(requests | grep --count --invert-match '"status":200')"
    check 'those of the vault that answers did not wait for the one that does not' slow_was_last
    # Eight at once. What was made before there was a token may be too old when there is one, and a
    # try that is given up, on a machine that is too busy to make it, takes its connection along.
    check 'the vault saw twelve connections at the most' at_most "$(connections)" 12
}

requests() { grep '"event":"request"' "$RESULTS/requests.jsonl"; }

answered() { requests | grep '"status":200' | grep --count --fixed-strings -e "$1"; }

# All other keys are unwrapped when the slow vault gives its secret.
slow_was_last() {
    local before
    before=$(requests | grep '"status":200' | sed "/\"path\":\"\/secrets\/$(last)\//,\$d" |
        grep --count '/unwrapkey"')
    ((before == COUNT - 1)) || { echo "$before were"; return 1; }
}

connections() {
    requests | grep "\"host\":\"$VAULT" | sed 's/.*"connection":\([0-9]*\).*/\1/' | sort --unique | wc --lines
}

at_most() { (($1 <= $2)); }
