# shellcheck shell=bash
# Debian's packages of the program under test, and the same of a higher version.

# packages: prints the directory with old/*.deb and new/*.deb, made once of what `make build` made.
packages() {
    local dir
    dir=$CACHE/packages-$(hash_of <(
        cat "$TARGET"/release/bek-unlock{,-generator} "$VM_DIR/lib/packages.sh"
        cd "$SOURCE_ROOT" || exit
        find packaging systemd initramfs-tools dracut Makefile -type f -exec cat {} +
    ))
    once "$dir" 'making the packages' make_packages "$dir"
    echo "$dir"
}

make_packages() {
    local dir=$1 package
    # Of earlier builds.
    find "$CACHE" -maxdepth 1 -name 'packages-*' ! -path "$dir*" -exec rm -rf {} +
    "$SOURCE_ROOT/packaging/make-deb" "$TARGET/release" "$dir/old" || return 1
    mkdir "$dir/new"
    for package in "$dir"/old/*.deb; do
        raise "$package" "$dir/new" || return 1
    done
}

# raise PACKAGE DIRECTORY: the same bytes inside, as the next release of the same version.
raise() {
    local tree=$2/tree
    rm -rf "$tree"
    dpkg-deb --raw-extract "$1" "$tree" || return 1
    sed --in-place --regexp-extended 's/^Version: .*/&+next/; s/\(= ([^)]*)\)/(= \1+next)/' \
        "$tree/DEBIAN/control" || return 1
    dpkg-deb --root-owner-group -Znone --build "$tree" "$2" >&2 || return 1
    rm -rf "$tree"
}
