# shellcheck shell=bash
# The tests inside a guest of their own: Debian's kernel and an initramfs that
# holds the test binary, the programs and what they link to. No disk, no
# systemd: half a second to build, a few seconds to boot.

# What is copied with its libraries; absolute paths stay as they are, because
# the test binary has some of them compiled in.
readonly GUEST_TOOLS=(
    blkid blockdev cryptsetup curl dmsetup e2fsck findmnt kmod losetup mcopy mke2fs mkfs.btrfs
    mkfs.vfat mkfs.xfs mkswap mount sfdisk strace umount
)
readonly GUEST_MODULES=(
    af_alg algif_skcipher algif_hash
    aesni-intel cbc ecb essiv lrw xts serpent_generic twofish_generic wp512 rmd160
    brd dm-crypt dm-delay dm-flakey dm-mod dm-zero loop
    nls_ascii nls_cp437 nls_iso8859-1 nls_utf8 vfat
)
# Loaded by the kernel when a case mounts one.
readonly GUEST_FILE_SYSTEMS=(btrfs ext4 xfs)
# What a caller needs besides; it sets these two after sourcing this file.
GUEST_MORE_TOOLS=()
GUEST_DIR=$TARGET/root/guest
# argon2id slots of cryptsetup's own images want up to half a gigabyte.
readonly GUEST_MEMORY=2048

# run_in_guest TEST IMAGES ARGUMENT...
run_in_guest() {
    local test=$1 images=$2 dir=$GUEST_DIR status
    shift 2
    rm -rf "$dir"
    mkdir -p "$dir/tree"
    make_tree "$dir/tree" "$test" "$@"
    echo "$images" >"$dir/tree/root/images"
    # newc is the only format the kernel unpacks; uncompressed, for TCG.
    (cd "$dir/tree" && find . -mindepth 1 -printf '%P\n' | cpio --quiet --create --format=newc --owner=0:0) >"$dir/initramfs"
    make_images_disk "$dir/images.img" "$images"
    boot_tests "$dir"
    status=$(sed -n 's/^root-ring: status \([0-9]*\)$/\1/p' "$dir/output" | tail -n 1)
    if [[ -z $status ]]; then
        say 'the guest ended without a verdict; the last it said:'
        tail -n 30 "$dir/console.log" >&2
        return 1
    fi
    return "$status"
}

make_tree() {
    local tree=$1 test=$2 tool
    shift 2
    mkdir -p "$tree"/{dev,etc/ssl/certs,mnt,proc,root,run,sys,tmp,usr/{bin,sbin,lib,lib64}}
    # Merged as on every system this runs on, so that both spellings of a path exist.
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$tree"
    install -m 755 "$(command -v busybox)" "$tree/usr/bin/busybox"
    install -m 755 "$SOURCE_ROOT/tests/root/init" "$tree/init"
    for tool in "${GUEST_TOOLS[@]}" "${GUEST_MORE_TOOLS[@]}"; do
        install_with_libraries "$tree" "$(command -v "$tool")"
    done
    ln -s "$(command -v kmod)" "$tree/usr/sbin/modprobe"
    # Busybox's shell runs its own applets before what PATH says.
    install_with_libraries "$tree" "$(realpath /bin/sh)"
    [[ -e $tree/bin/sh ]] || ln -s "$(realpath /bin/sh)" "$tree/bin/sh"
    install_with_libraries "$tree" "$test"
    for tool in "$TARGET"/{debug,release}/{bek-unlock,bek-unlock-generator,azure-emulator}; do
        if [[ -x $tool ]]; then install_with_libraries "$tree" "$tool"; fi
    done
    install_openssl_providers "$tree"
    install_plugin "$tree"
    install_modules "$tree" "$(kernel)"
    printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$tree/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$tree/etc/group"
    echo 'hosts: files' >"$tree/etc/nsswitch.conf"
    cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/" 2>/dev/null || true
    # One word a line; test names have no line breaks.
    printf '%s\n' "$test" "$@" >"$tree/root/command"
    echo "$SOURCE_ROOT" >"$tree/root/directory"
    declare -f world >"$tree/root/world.sh"
}

# install_with_libraries TREE FILE: under its own path; the links of merged
# directories are followed on both sides.
install_with_libraries() {
    local tree=$1 file=$2 library
    install_file "$tree" "$file"
    # A static binary has nothing to list, and ldd says so with status 1.
    while IFS= read -r library; do
        install_file "$tree" "$library"
    done < <({ ldd "$file" 2>/dev/null || true; } | grep --only-matching '/[^ ]*')
}

install_file() {
    local tree=$1 file=$2
    [[ -e $tree$file ]] || install -D --mode 755 "$file" "$tree$file"
}

# libcrypto loads them by name, so ldd does not list them; old LUKS1 volumes
# with whirlpool or ripemd160 need the one called legacy.
install_openssl_providers() {
    local tree=$1 libcrypto provider
    libcrypto=$(ldd "$(command -v cryptsetup)" | grep --only-matching '/[^ ]*libcrypto[^ ]*') || return 0
    for provider in "$(dirname "$libcrypto")"/ossl-modules/*.so; do
        install_with_libraries "$tree" "$provider"
    done
}

# libcryptsetup loads it by the type of a token.
install_plugin() {
    local tree=$1 directory host plugin
    directory=$(plugin_directory)
    mkdir -p "$tree$directory"
    # Its other host; a package of its own since Debian 13, and in PATH there.
    for host in /usr/lib/systemd/systemd-cryptsetup /usr/bin/systemd-cryptsetup; do
        if [[ -x $host ]]; then install_with_libraries "$tree" "$host"; fi
    done
    for plugin in "$PLUGINS"/*.so; do
        if [[ -e $plugin ]]; then install -m 644 "$plugin" "$tree$directory"; fi
    done
}

# Modules with what they need, and the indexes modprobe reads.
install_modules() {
    local tree=$1 kernel=$2 version module file
    version=$(basename "$kernel"/lib/modules/*)
    for module in "${GUEST_MODULES[@]}" "${GUEST_FILE_SYSTEMS[@]}"; do
        # Built in here and a module there: either is good.
        modprobe --dirname "$kernel" --set-version "$version" --show-depends --ignore-install "$module" |
            sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | sort --unique | while IFS= read -r file; do
        install -D --mode 644 "$file" "$tree/usr${file#"$kernel"}"
    done
    cp "$kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$tree/usr/lib/modules/$version"
    depmod --basedir "$tree" "$version"
    printf '%s\n' "${GUEST_MODULES[@]}" >"$tree/root/modules"
}

# make_images_disk IMAGE DIRECTORY: a file system with a copy; sparse files stay
# sparse, and there is room to write.
make_images_disk() {
    truncate --size 4G "$1"
    mke2fs -q -F -t ext4 -O ^has_journal -E nodiscard,root_owner=0:0,lazy_itable_init=1 -d "$2" "$1"
}

# Two serial ports: the kernel's words on the first, the tests' on the second,
# so that neither breaks into a line of the other.
boot_tests() {
    local dir=$1 pid
    machine
    : >"$dir/output"
    run_qemu "${ROOT_RING_LIMIT:-3600}" "$dir/console.log" "${MACHINE[@]}" -m "$GUEST_MEMORY" \
        -kernel "$(kernel)/vmlinux" -initrd "$dir/initramfs" \
        -append "console=ttyS0 $KERNEL_WORDS rdinit=/init" \
        -serial "file:$dir/console.log" -serial "file:$dir/output" \
        -drive "if=none,id=images,file=$dir/images.img,format=raw,cache=unsafe" \
        -device nvme,serial=images,drive=images </dev/null >"$dir/qemu.log" 2>&1 &
    pid=$!
    started "$pid"
    # Shows the tests as they run, and ends with QEMU; the verdict is for run_in_guest.
    tail --follow --lines=+1 --sleep-interval=0.1 --pid="$pid" "$dir/output" |
        sed --unbuffered '/^root-ring: status/d'
    wait "$pid" || say "QEMU ended with status $?: $(<"$dir/qemu.log")"
}
