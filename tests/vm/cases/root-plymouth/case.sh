# shellcheck shell=bash
# plymouth has the console, as on many a distribution's image: it puts the question of `prompt` while
# the network is still tried, shows what is waited for, and nothing is asked where the network answers.

FLAVOURS=(bookworm-dracut)
LAYOUT=luks2
KEY_FILES=()
STEPS=(asked unasked)
PARAMETERS=splash

bektab() { echo "osencrypt UUID=$LUKS_UUID - vault=https://$VAULT,prompt,timeout=300,x-initrd.attach"; }

disturb() {
    case $1 in
        asked)
            REACHABLE=("${NETWORK[@]}")
            network_card 'sleep infinity' 'sleep infinity'
            ;;
        unasked) NETWORK=("${REACHABLE[@]}") ;;
    esac
}

# Somebody at the serial console.
meanwhile() {
    [[ $1 == asked ]] || return 0
    check 'the console has the question' seen 'Passphrase for volume osencrypt'
    printf '%s\n' "$(<"$DIR/keys/root")" >&"$KEYBOARD"
}

asked() {
    root_unlocked
    root_reported prompt device header key-disk token question keyslots
    splash_ran
    check 'plymouth put the question' matches 'Started systemd-ask-password-plymouth.service' <(of_systemd)
    END=reboot.target
}

unasked() {
    root_unlocked
    root_reported key-vault device header key-disk token list secret unwrap-key keyslots
    splash_ran
    check 'nobody was asked' not matches 'systemd-ask-password-plymouth.service' <(of_systemd)
}

splash_ran() {
    local unit=plymouth-start.service
    check 'plymouth ran in the initramfs' matches "Started $unit" <(of_systemd | sed '/Switching root/q')
    check 'and has ended' not pgrep plymouthd
    # Looking for a key disk takes ten seconds, and five are enough to be told of.
    check 'it keeps what the console said' contains 'osencrypt: waiting for' /var/log/boot.log
}

of_systemd() { journalctl --boot --output=cat _PID=1; }

inspect() { root_shut_down_cleanly; }
