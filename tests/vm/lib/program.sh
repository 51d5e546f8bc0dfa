# shellcheck shell=bash
# The program under test as a tree of files, the way `make install` lays it out.

# program_tree: prints a directory to lay over the guest's root. VM_PROGRAM names
# another one, for instance an unpacked package.
program_tree() {
    local tree=$CACHE/program
    if [[ -n ${VM_PROGRAM:-} ]]; then
        echo "$VM_PROGRAM"
        return
    fi
    rm -rf "$tree"
    make --no-print-directory -C "$SOURCE_ROOT" install DESTDIR="$tree" prefix=/usr >"$CACHE/install.log" 2>&1 ||
        die "make install failed; see $CACHE/install.log"
    echo "$tree"
}
