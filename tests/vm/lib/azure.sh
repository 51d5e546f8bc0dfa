# shellcheck shell=bash
# The Azure emulator on the host's loopback, and the network card that reaches it.

readonly VAULT=contoso-kv.vault.azure.net
readonly EMULATOR=${AZURE_EMULATOR:-$TARGET/release/azure-emulator}

# azure_up DIR: serves DIR/scenario.json until stop_all; its log of requests is
# DIR/requests.jsonl. Sets NETWORK, QEMU's options for a card behind which there
# is nothing but IMDS and the vault.
azure_up() {
    local dir=$1 imds vault
    imds=127.0.0.1:$((20000 + RANDOM % 5000))
    vault=127.0.0.1:$((25000 + RANDOM % 5000))
    "$EMULATOR" serve --scenario "$dir/scenario.json" --state "$CACHE/emulator" \
        --imds "$imds" --vault "$vault" --log "$dir/requests.jsonl" >"$dir/emulator.log" 2>&1 &
    EMULATOR_PID=$!
    started "$EMULATOR_PID"
    await_port "$imds"
    await_port "$vault"
    network_card "$EMULATOR connect $imds" "$EMULATOR connect $vault"
}

await_port() {
    local address=$1
    until (exec 3<>"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null; do
        kill -0 "$EMULATOR_PID" 2>/dev/null || die "the emulator does not run: $(<"$DIR/emulator.log")"
        sleep 0.1
    done
}

# azure_wrap DIR KEY_FILE: the key wrapped by the scenario's KEK, as Key Vault words it.
azure_wrap() {
    "$EMULATOR" wrap --scenario "$1/scenario.json" --state "$CACHE/emulator" "$2"
}

# The certificate of the authority that signed the vault's.
azure_ca() { "$EMULATOR" ca --state "$CACHE/emulator"; }

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
