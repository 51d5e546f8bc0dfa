# shellcheck shell=bash
# A Debian with dracut and clevis, in which images are made to compare.

# clevis-tpm2 brings what Azure's Trusted Launch VMs would use.
readonly MORE=(binutils clevis-dracut clevis-tpm2 cpio cryptsetup-bin dracut dracut-network zstd)

# The directory with root.tar, made once.
bench_tree() {
    local suite=$1 dir
    dir=$CACHE/bench-$suite-$(hash_of "$VM_DIR/lib/tree.sh" <(echo "$MIRROR ${MORE[*]}"))
    if [[ ! -e $dir/complete ]]; then
        say "building a Debian with clevis: $suite (once, two to four minutes)"
        rm -rf "$dir"
        mkdir -p "$dir/tree"
        mmdebstrap --variant=minbase --skip=cleanup/reproducible \
            --dpkgopt='path-exclude=/usr/share/doc/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' \
            --dpkgopt='path-exclude=/usr/share/man/*' \
            --include="$(
                IFS=,
                echo "${PACKAGES[*]},${MORE[*]}"
            )" \
            "$suite" "$dir/root.tar" "$MIRROR" >"$dir/build.log" 2>&1 ||
            die "the Debian with clevis was not built; see $dir/build.log"
        touch "$dir/complete"
    fi
    echo "$dir"
}
