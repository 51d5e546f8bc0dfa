# shellcheck shell=bash
# The tests on this very kernel, kept from touching this very system.

# The guest has the same modules, so a case may rely on all of them.
readonly NEEDED_MODULES=(dm-crypt dm-flakey dm-zero loop vfat)

can_run_natively() {
    local module
    ((EUID == 0)) || return 1
    for module in "${NEEDED_MODULES[@]}"; do
        modprobe --quiet "$module" || return 1
    done
    [[ -e /dev/mapper/control && -e /dev/loop-control ]] && dmsetup version >/dev/null 2>&1
}

# run_natively TEST IMAGES ARGUMENT...
#
# Mounts and addresses live in namespaces that end with the tests; /etc, /mnt
# and the images lie below an overlay, so what a case writes there is gone
# afterwards. Device-mapper has no namespaces: cases close what they open.
run_natively() {
    unshare --mount --net --propagation private \
        bash -euo pipefail -c "$(declare -f world native_world throw_away); native_world \"\$@\"" - \
        "$(plugin_directory)" "$PLUGINS" "$@"
}

native_world() {
    local directory=$1 plugins=$2 test=$3 images=$4 scratch path
    shift 4
    scratch=$(mktemp --directory)
    # Holds what is written to the overlays, and goes with the namespace.
    mount -t tmpfs tmpfs "$scratch"
    for path in /etc /mnt "$images" "$(dirname "$directory")"; do
        throw_away "$scratch" "$path"
    done
    mkdir -p "$directory"
    find "$plugins" -name '*.so' -exec cp {} "$directory" \;
    world
    CRYPTSETUP_IMAGES=$images "$test" "$@"
}

# in_namespaces WHAT COMMAND...: with mounts and a network of its own; without root where user
# namespaces are allowed.
in_namespaces() {
    local what=$1
    local -a flags=(--mount --net --propagation private)
    shift
    ((EUID == 0)) || flags+=(--map-root-user)
    if ! unshare "${flags[@]}" ip link set lo up 2>/dev/null; then
        say "left out: $what, there is no network namespace without root here"
        return 0
    fi
    unshare "${flags[@]}" "$@"
}

# run_in_namespaces TEST ARGUMENT...: what needs Azure's addresses, and no device-mapper.
run_in_namespaces() {
    SDK_PYTHON=$("$HERE/../emulator/python/run.sh" venv)
    export SDK_PYTHON
    # Else that is the reason why there is none.
    if [[ ! -x $SDK_PYTHON ]]; then
        say "$SDK_PYTHON"
        set -- "$@" --skip sdk::
    fi
    in_namespaces "${1##*/}" \
        bash -euo pipefail -c "$(declare -f world namespace_world throw_away); namespace_world \"\$@\"" - "$@"
}

namespace_world() {
    local scratch path
    scratch=$(mktemp --directory)
    mount -t tmpfs tmpfs "$scratch"
    for path in /etc /var/lib; do
        throw_away "$scratch" "$path"
    done
    # The record of what this machine has opened is none of theirs.
    mkdir -p /run/bek-unlock
    mount -t tmpfs -o mode=0755 tmpfs /run/bek-unlock
    world
    "$@"
}

# throw_away SCRATCH PATH: from now on writing to PATH changes a copy.
throw_away() {
    local scratch=$1 path=$2 upper=$1/upper$2 work=$1/work$2
    mkdir -p "$upper" "$work"
    mount -t overlay overlay -o "lowerdir=$path,upperdir=$upper,workdir=$work" "$path"
}

# What a case finds besides the machine: Azure's addresses on this machine, and
# names that lead to them.
world() {
    ip link set lo up
    ip address add 169.254.169.254/32 dev lo
    ip address add 169.254.169.253/32 dev lo
    cat >/etc/hosts <<'HOSTS'
127.0.0.1 localhost
169.254.169.253 contoso-kv.vault.azure.net fabrikam-kv.vault.azure.net contoso-hsm.managedhsm.azure.net
169.254.169.253 contoso-kv.vault.usgovcloudapi.net contoso-kv.vault.azure.cn
HOSTS
    echo root-ring >/etc/hostname
    rm -f /etc/crypttab /etc/bektab
}
