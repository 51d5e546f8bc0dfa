# shellcheck shell=bash
# systemd-cryptsetup opens two of the volumes and asks bek-unlock-key@.socket for their keys: one has a
# line in crypttab alone and its key on the key disk, of the other bektab says that it is in Key Vault.

guest() {
    local volume
    opened data2 data4
    for volume in data1 data3; do
        opened_through_socket "$volume"
    done
    check 'the key of data1 was on the key disk' answered data1 'the key disk'
    check 'that of data3 in Key Vault' answered data3 'Key Vault'
    check 'bektab and crypttab do not compete' not matches 'opens this name, too' <(journalctl --boot --dmesg)
    settled 'data1 data2 data3 data4' ''

    by_hand
    no_key
    stopped
}

# opened_through_socket VOLUME
opened_through_socket() {
    opened_by_systemd "$1"
    check "the socket of $1 listens" unit_is "bek-unlock-key@$1.socket" active
    check "the service of $1 has ended well" unit_is "bek-unlock-key@$1.service" inactive
}

# answered VOLUME SOURCE: in the words of the journal.
answered() { matches "$1: key from $2 handed over" <(key_journal "$1"); }

key_journal() { journalctl --boot --output=cat --unit="bek-unlock-key@$1.service"; }

# The socket starts the service as often as somebody asks.
by_hand() {
    systemctl stop systemd-cryptsetup@data1
    equal 'stopping systemd-cryptsetup@data1 closes it, and only it' 'data2 data3 data4' "$(mapped)"
    check 'systemd-cryptsetup@data1 starts by hand' systemctl start systemd-cryptsetup@data1
    check 'its file system mounts again' systemctl start mnt-data1.mount
    opened_through_socket data1
    equal 'the service was asked twice' 2 "$(key_journal data1 | grep --count 'handed over')"
}

# An empty answer: the error is in the journal, and systemd asks a person.
no_key() {
    systemctl stop systemd-cryptsetup@data1
    echo 'data1 /dev/disk/azure/scsi1/lun0 /etc/hostname key-only,timeout=10' >>/etc/bektab
    systemctl start --no-block systemd-cryptsetup@data1
    check 'without a key systemd asks a person' wait_until person_is_asked
    check 'the journal says why' matches 'cause: the key from file /etc/hostname does not fit' <(key_journal data1)
    check 'the service did not fail' unit_is bek-unlock-key@data1.service inactive
    check 'the socket listens on' unit_is bek-unlock-key@data1.socket active
    systemctl stop systemd-cryptsetup@data1
}

person_is_asked() { compgen -G '/run/systemd/ask-password/ask.*'; }

stopped() {
    check 'the socket is for root alone' modes_are '700 600'
    systemctl stop bek-unlock-key@data1.socket
    check 'a stopped socket leaves no file' not test -e /run/cryptsetup-keys.d/data1.key
}

modes_are() { [[ $(stat --format=%a /run/cryptsetup-keys.d /run/cryptsetup-keys.d/data1.key | paste --serial --delimiters=' ') == "$1" ]]; }
