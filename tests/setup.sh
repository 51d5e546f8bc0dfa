#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages a make target needs, or says what to install.
#
#     tests/setup.sh build|check|root|vm|bench        each level includes the ones before it
#     tests/setup.sh fuzz                             check, and a C++ compiler for libFuzzer
#     tests/setup.sh deb|rpm                          build, and what makes these packages
#
# Every make target calls it first, so a machine that has everything must pay
# next to nothing: one dpkg-query, no apt. It never installs cargo: which
# toolchain to trust is the user's decision.
set -euo pipefail

# Fedora and openSUSE keep half of the tools below in sbin too.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT
# Another apt (unattended-upgrades, a second CI job) may hold the locks this long.
readonly LOCK_WAIT=300
# Which cargo-auditable writes the list of crates; another one may write another list.
readonly AUDITABLE=0.7.7

# libclang is handled by clang_packages: its name carries a version.
readonly BUILD=(gcc libblkid-dev libc6-dev libcryptsetup-dev make pkg-config scdoc)
# The shells are for their completions, and left out where there are none.
readonly CHECK=(bash-completion busybox-static cryptsetup-bin dosfstools e2fsprogs fdisk fish groff-base mtools
    shellcheck systemd zsh)
readonly ROOT_RING=(btrfs-progs cpio curl dmsetup iproute2 kmod lz4 python3-venv qemu-system-x86 strace xfsprogs xz-utils zstd)
readonly VM=(ca-certificates debian-archive-keyring mmdebstrap uidmap valgrind)
# Tools to measure beside.
readonly BENCH=(clevis clevis-luks jose)
readonly FUZZ=(ca-certificates g++)
# Packages, and what looks into them; level vm has all of it.
readonly DEB=(debhelper dpkg-dev)
readonly RPM=(rpm)
readonly PACKAGES=(binutils lintian python3 rpmlint)

# What proves, without a package manager, that a level can work.
readonly BUILD_TOOLS=(cc make pkg-config scdoc)
readonly CHECK_TOOLS=(busybox cryptsetup dash groff mcopy mke2fs mkfs.vfat sfdisk shellcheck systemd-analyze)
readonly ROOT_TOOLS=(cpio curl dmsetup ip lz4 mkfs.btrfs mkfs.xfs modprobe python3 qemu-system-x86_64 strace xz zstd)
readonly VM_TOOLS=(debugfs mmdebstrap valgrind)
readonly BENCH_TOOLS=(clevis-luks-unlock jose)
readonly FUZZ_TOOLS=(c++)
readonly DEB_TOOLS=(dh dpkg-buildpackage)
readonly RPM_TOOLS=(rpmbuild)
readonly PACKAGES_TOOLS=(objcopy lintian rpmlint)

main() {
    local level=${1:-}
    local -a packages=() tools=()
    case $level in
        build | check | root | vm | bench | fuzz | deb | rpm) ;;
        *) die "usage: tests/setup.sh build|check|root|vm|bench|fuzz|deb|rpm" ;;
    esac
    packages+=("${BUILD[@]}") tools+=("${BUILD_TOOLS[@]}")
    if [[ $level != build && $level != deb && $level != rpm ]]; then packages+=("${CHECK[@]}") tools+=("${CHECK_TOOLS[@]}"); fi
    if [[ $level == root || $level == vm || $level == bench ]]; then packages+=("${ROOT_RING[@]}") tools+=("${ROOT_TOOLS[@]}"); fi
    if [[ $level == vm || $level == bench ]]; then packages+=("${VM[@]}") tools+=("${VM_TOOLS[@]}"); fi
    if [[ $level == bench ]]; then packages+=("${BENCH[@]}") tools+=("${BENCH_TOOLS[@]}"); fi
    if [[ $level == deb || $level == vm ]]; then packages+=("${DEB[@]}") tools+=("${DEB_TOOLS[@]}"); fi
    if [[ $level == rpm || $level == vm ]]; then packages+=("${RPM[@]}") tools+=("${RPM_TOOLS[@]}"); fi
    if [[ $level == vm ]]; then packages+=("${PACKAGES[@]}") tools+=("${PACKAGES_TOOLS[@]}"); fi
    if [[ $level == fuzz ]]; then packages+=("${FUZZ[@]}") tools+=("${FUZZ_TOOLS[@]}"); fi

    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        install_packages "${packages[@]}"
    else
        require_tools "$level" "${tools[@]}"
    fi
    require_cargo
    if [[ $level == vm ]]; then require_auditable; fi
}

# Debian and Ubuntu ---------------------------------------------------------

install_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    clang_installed || missing+=(libclang)
    ((${#missing[@]})) || return 0

    if ((EUID != 0)); then
        mapfile -t missing < <(resolve_libclang "${missing[@]}")
        die "packages are missing; run:" \
            "  sudo apt-get update" \
            "  sudo apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    # A fresh container has no package lists; elsewhere the old ones usually do.
    if ! apt_knows_all "${missing[@]}" || ! apt_install "${missing[@]}"; then
        apt_get update
        apt_install "${missing[@]}" || die "apt-get could not install ${missing[*]}"
    fi
}

missing_packages() {
    local wanted have
    have=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    for wanted in "$@"; do
        # The status must be "installed": "config-files" is a removed package.
        grep --quiet --line-regexp --fixed-strings "installed $wanted" <<<"$have" || echo "$wanted"
    done
}

# bindgen needs the library and clang's own headers (stddef.h), of any version.
clang_installed() {
    local have
    have=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' \
        'libclang1*' 'libclang-common-*-dev' 2>/dev/null || true)
    grep --quiet '^installed libclang1' <<<"$have" && grep --quiet '^installed libclang-common' <<<"$have"
}

# Debian 12 has the two small packages; elsewhere libclang-dev pulls in the
# right version of both, and LLVM with it.
resolve_libclang() {
    local package
    for package in "$@"; do
        if [[ $package != libclang ]]; then
            echo "$package"
        elif [[ -n $(apt-cache show libclang1-14 2>/dev/null) ]]; then
            printf '%s\n' libclang1-14 libclang-common-14-dev
        else
            echo libclang-dev
        fi
    done
}

apt_knows_all() {
    local package
    for package in $(resolve_libclang "$@"); do
        [[ -n $(apt-cache show "$package" 2>/dev/null) ]] || return 1
    done
}

apt_install() {
    local -a packages
    mapfile -t packages < <(resolve_libclang "$@")
    apt_get install --yes --no-install-recommends "${packages[@]}"
}

# DPkg::Lock::Timeout covers dpkg's lock only, not those of the lists and of
# the archive (apt-get(8) fails on them at once), so those are retried here.
apt_get() {
    local output status deadline=$((SECONDS + LOCK_WAIT))
    while :; do
        status=0
        output=$(DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get --quiet \
            -o DPkg::Lock::Timeout=$LOCK_WAIT "$@" 2>&1) || status=$?
        if ((status == 0)); then return 0; fi
        if ! grep --quiet --extended-regexp 'Could not get lock|Unable to lock' <<<"$output" ||
            ((SECONDS >= deadline)); then
            printf '%s\n' "$output" >&2
            return "$status"
        fi
        say "another apt is running; waiting"
        sleep 5
    done
}

# Everything else -----------------------------------------------------------

require_tools() {
    local level=$1 tool
    local -a missing=()
    shift
    for tool in "$@"; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    for tool in blkid libcryptsetup; do
        pkg-config --exists "$tool" 2>/dev/null || missing+=("$tool.pc")
    done
    ((${#missing[@]})) || return 0
    say "this is not Debian or Ubuntu; missing here: ${missing[*]}"
    say "the same by package manager, level $level:"
    say "  dnf:    gcc gcc-c++ glibc-devel make pkgconf cryptsetup-devel libblkid-devel clang-devel scdoc"
    say "          ShellCheck groff systemd iproute busybox dash cpio cryptsetup curl device-mapper dosfstools"
    say "          e2fsprogs util-linux kmod lz4 mtools python3 qemu-system-x86 strace xz zstd mmdebstrap valgrind clevis clevis-luks jose"
    say "          binutils debhelper dpkg-dev lintian rpm-build rpmlint"
    say "  zypper: gcc gcc-c++ glibc-devel make pkg-config libcryptsetup-devel libblkid-devel clang-devel scdoc"
    say "          ShellCheck groff systemd iproute2 busybox-static dash cpio cryptsetup curl device-mapper dosfstools"
    say "          e2fsprogs util-linux kmod lz4 mtools python3 qemu-x86 strace xz zstd mmdebstrap valgrind clevis jose"
    say "          binutils dpkg rpm-build rpmlint; debhelper and lintian from elsewhere"
    exit 1
}

# Cargo.toml is the only place that knows the oldest toolchain that works.
require_cargo() {
    local floor version
    floor=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$ROOT/Cargo.toml")
    [[ -n $floor ]] || die "Cargo.toml names no rust-version"
    if ! command -v cargo >/dev/null; then
        [[ ! -x ${HOME:-}/.cargo/bin/cargo ]] || die "cargo is not in PATH; run: . ~/.cargo/env"
        die "cargo is missing; Rust $floor or newer comes from https://rustup.rs"
    fi
    version=$(cargo --version | cut -d ' ' -f 2)
    if ! printf '%s\n' "$floor" "$version" | sort --check --version-sort 2>/dev/null; then
        die "cargo $version is too old; Rust $floor or newer comes from https://rustup.rs" \
            "(have rustup already? run: rustup update stable)"
    fi
}

# `make build` does without; what tests the packages reads what it writes. From crates.io, as every
# crate of the program.
require_auditable() {
    if cargo auditable --version >/dev/null 2>&1; then return; fi
    say "installing cargo-auditable $AUDITABLE"
    cargo install --quiet --locked --version "$AUDITABLE" cargo-auditable
}

say() { printf 'setup: %s\n' "$@" >&2; }

die() {
    say "$@"
    exit 1
}

main "$@"
