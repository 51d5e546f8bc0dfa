# shellcheck shell=bash
# The guests' kernel: Debian's cloud kernel, which is what Azure images run.

# kernel [SUITE]: prints the directory that holds vmlinux, config-VERSION and lib/modules, cached
# by a hash of how it was made.
kernel() {
    local suite=${1:-} dir
    [[ -n $suite ]] || suite=$(guest_suite)
    dir=$CACHE/kernel-$suite-$(hash_of "$VM_DIR/lib/kernel.sh" "$VM_DIR/lib/apt.sh" <(echo "$MIRROR"))
    once "$dir" "fetching Debian $suite's kernel" fetch_kernel "$suite" "$dir"
    echo "$dir"
}

# guest_suite: the flavour's Debian; else the oldest whose C library is as new as
# this machine's, because the guest runs the program this machine built.
guest_suite() {
    local libc
    if [[ -n ${FLAVOUR:-} ]]; then
        echo "${FLAVOUR%%-*}"
        return
    fi
    if [[ -n ${VM_SUITE:-} ]]; then
        echo "$VM_SUITE"
        return
    fi
    libc=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
    if printf '%s\n' "$libc" 2.36 | sort --check=quiet --version-sort; then
        echo bookworm
    else
        echo trixie
    fi
}

fetch_kernel() {
    local suite=$1 dir=$2 package version
    private_apt "$dir/apt" "$suite" || return 1
    # The metapackage depends on the kernel of the day.
    package=$(apt-cache "${APT[@]}" depends --important linux-image-cloud-amd64 |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
    (cd "$dir" && apt-get --quiet "${APT[@]}" download "$package") || return 1
    dpkg-deb --extract "$dir"/linux-image-*.deb "$dir/package" || return 1
    uncompress_kernel "$dir"/package/boot/vmlinuz-* >"$dir/vmlinux" || return 1
    # initramfs-tools asks it what the kernel can unpack.
    mv "$dir"/package/boot/config-* "$dir" || return 1
    # Debian 13 has it below usr already.
    mkdir "$dir/lib"
    mv "$dir"/package/lib/modules "$dir/lib" 2>/dev/null || mv "$dir"/package/usr/lib/modules "$dir/lib" || return 1
    # Debian 13's are compressed, and decompression under TCG is slow.
    find "$dir/lib/modules" -name '*.ko.xz' -exec xz --decompress {} + || return 1
    version=$(basename "$dir"/lib/modules/*)
    depmod --basedir "$dir" "$version" || return 1
    rm -rf "$dir/package" "$dir/apt" "$dir"/*.deb
}

# uncompress_kernel BZIMAGE: the ELF kernel inside, which QEMU starts at its
# PVH entry; decompression under TCG would take longer than the rest of the
# kernel's boot. Offsets: the kernel's Documentation/arch/x86/boot.rst.
uncompress_kernel() {
    local image=$1 start length magic
    start=$(((($(little_endian "$image" 0x1f1 1) + 1) * 512) + $(little_endian "$image" 0x248 4)))
    length=$(little_endian "$image" 0x24c 4)
    magic=$(od --address-radix=n --format=x1 --skip-bytes=$start --read-bytes=4 "$image" | tr -d ' ')
    # The last four bytes are the uncompressed size, which only gzip expects.
    case $magic in
        02214c18) slice "$image" "$start" $((length - 4)) | lz4 -dc ;;
        28b52ffd) slice "$image" "$start" $((length - 4)) | zstd -dc ;;
        fd377a58) slice "$image" "$start" $((length - 4)) | xz -dc ;;
        1f8b*) slice "$image" "$start" "$length" | gzip -dc ;;
        *)
            say "kernel compressed in an unknown way: $magic"
            return 1
            ;;
    esac
}

slice() { dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none; }

little_endian() { od --address-radix=n --format=u"$3" --skip-bytes="$2" --read-bytes="$3" "$1" | tr -d ' '; }
