#!/usr/bin/env bash
# Azure's Python SDK against the emulator, in a network namespace of its own.
#
#     tests/emulator/python/run.sh            checks the emulator
#     tests/emulator/python/run.sh venv       prints the path of a Python that has the SDK
#
# Exit 0 with a line "skipped: ..." only when pip cannot install the SDK or there can be no such
# namespace; whatever else goes wrong is a failure. Needs unshare(1) and ip(8), as root or with
# user namespaces.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/emulator-venv

# The namespace outlives neither this script nor a failed check: everything in it is a child of
# one shell, and --kill-child ends that shell with unshare.
isolated() {
    local flags=(--net --mount --pid --fork --kill-child)
    [[ $(id -u) -eq 0 ]] || flags+=(--map-root-user)
    unshare "${flags[@]}" "$@"
}

install_sdk() {
    # A finished installation of exactly these versions is not asked about again.
    cmp -s "$here/requirements.txt" "$venv/installed" && return
    "$venv/bin/pip" install --quiet --requirement "$here/requirements.txt" &&
        cp "$here/requirements.txt" "$venv/installed"
}

# Runs in the namespace: the link-local address of IMDS, the names of vaults and Entra, the
# emulator.
inside() {
    local work=$1
    ip link set lo up
    ip address add 169.254.169.254/32 dev lo
    printf '%s\n' '127.0.0.1 localhost contoso-kv.vault.azure.net contoso.managedhsm.azure.net' \
        '127.0.0.1 login.microsoftonline.com' \
        >"$work/hosts"
    mount --bind "$work/hosts" /etc/hosts
    mkfifo "$work/ready"
    "$target/debug/azure-emulator" serve --scenario "$here/scenario.json" --state "$work/state" \
        --imds 169.254.169.254:80 --vault 127.0.0.1:443 --control 127.0.0.1:8081 \
        --log "$work/requests.jsonl" >"$work/ready" &
    # Read returns at the line "ready", or at the end of a server that could not start.
    local line
    read -r line <"$work/ready" || { echo "the emulator did not start" >&2; return 1; }
    echo "$line"
    # requests and ssl each have their own way to name a CA; proxies of the outside would be
    # asked for names that exist only in here.
    env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u all_proxy \
        REQUESTS_CA_BUNDLE="$work/state/ca.pem" SSL_CERT_FILE="$work/state/ca.pem" \
        "$venv/bin/python" -I "$here/sdk.py"
    # The log is for reading by people; no token or value may be in it.
    if grep -E 'emulated(-[a-z]*)?\.|passphrase|client secret' "$work/requests.jsonl"; then
        echo "the request log has a secret in it" >&2
        return 1
    fi
}

# Ends the script where there is no SDK to be had.
python_with_sdk() {
    # A broken Python is a failure of the machine, not of the package index.
    [[ -x $venv/bin/pip ]] || python3 -m venv "$venv"
    if ! install_sdk; then
        echo "skipped: pip cannot install $(grep -c == "$here/requirements.txt") packages of the SDK"
        exit 0
    fi
}

main() {
    # Containers may forbid namespaces, and AppArmor what they are for.
    if ! isolated ip link set lo up 2>/dev/null; then
        echo "skipped: no network namespace without root here"
        exit 0
    fi
    (cd "$root" && cargo build --quiet --package azure-emulator)
    python_with_sdk
    local work
    work=$(mktemp -d)
    # shellcheck disable=SC2064  # the name is wanted now, not at exit
    trap "rm -rf '$work'" EXIT
    isolated "$BASH" "$here/run.sh" inside "$work"
}

case ${1-} in
inside) inside "$2" ;;
venv)
    python_with_sdk
    echo "$venv/bin/python"
    ;;
*) main ;;
esac
