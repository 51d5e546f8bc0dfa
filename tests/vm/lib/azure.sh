# shellcheck shell=bash
# The Azure emulator on the host's loopback, and the network card that reaches it.

readonly VAULT=contoso-kv.vault.azure.net
readonly KEK=https://$VAULT/keys/kek/00000000000000000000000000000001
# The development build: the release profile would link for a minute to save
# nothing, since RSA is optimised in both.
readonly EMULATOR=${AZURE_EMULATOR:-$TARGET/debug/azure-emulator}

build_emulator() {
    [[ -n ${AZURE_EMULATOR:-} ]] ||
        cargo build --quiet --locked --manifest-path "$SOURCE_ROOT/Cargo.toml" --package azure-emulator
}

# azure_up DIR: serves DIR/scenario.json until stop_all; its log of requests is
# DIR/requests.jsonl. Sets NETWORK, QEMU's options for a card behind which there
# is nothing but IMDS and the vault, and CONTROL, where the scenario can be
# changed while the guest runs.
azure_up() {
    local dir=$1 line word imds vault pid
    mkfifo "$dir/ready"
    "$EMULATOR" serve --scenario "$dir/scenario.json" --state "$dir" --log "$dir/requests.jsonl" \
        --imds 127.0.0.1:0 --vault 127.0.0.1:0 --control 127.0.0.1:0 \
        >"$dir/ready" 2>"$dir/emulator.log" &
    pid=$!
    started "$pid"
    # Says one line when it listens; end of file means it has failed.
    read -r line <"$dir/ready" || die "the emulator did not start: $(<"$dir/emulator.log")"
    for word in $line; do
        case $word in
            control=*) CONTROL=${word#*=} ;;
            imds=*) imds=${word#*=} ;;
            vault=*) vault=${word#*=} ;;
        esac
    done
    network_card "$EMULATOR connect $imds" "$EMULATOR connect $vault"
}

# azure_wrap DIR KEY_FILE: the key wrapped by the scenario's KEK, as Key Vault words it.
azure_wrap() { "$EMULATOR" wrap --scenario "$1/scenario.json" --state "$1" --key "$KEK" <"$2"; }

# The certificate of the authority that signed the vault's.
azure_ca() { "$EMULATOR" ca --state "$DIR"; }

# azure_change JSON: changes the world of the running emulator.
azure_change() {
    local answer
    exec 3<>"/dev/tcp/${CONTROL%:*}/${CONTROL#*:}"
    printf 'POST / HTTP/1.1\r\nHost: control\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "${#1}" "$1" >&3
    answer=$(cat <&3)
    exec 3>&-
    [[ $answer == *'"ok":true'* ]] || die "the emulator refused $1: $answer"
}

# One link-local network, as on Azure: the card gets 169.254.169.10 by DHCP.
# restrict=on: whatever else the guest sends goes nowhere, so neither the host
# nor the Internet can make a test pass.
network_card() {
    local imds=$1 vault=$2
    NETWORK=(
        -netdev "user,id=net,restrict=on,ipv6=off,net=169.254.169.0/24,host=169.254.169.1,dns=169.254.169.3,dhcpstart=169.254.169.10,guestfwd=tcp:169.254.169.254:80-cmd:$imds,guestfwd=tcp:169.254.169.253:443-cmd:$vault"
        -device 'virtio-net-pci,netdev=net,romfile='
    )
}
