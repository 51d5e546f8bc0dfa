# shellcheck shell=bash
# The program under test as a tree of files, the way `make install` lays it out.

readonly PROGRAM=${VM_PROGRAM:-$CACHE/program}

# build_program: fills PROGRAM, unless VM_PROGRAM names a tree that is there
# already, for instance an unpacked package.
build_program() {
    [[ -z ${VM_PROGRAM:-} ]] || return 0
    rm -rf "$PROGRAM"
    say 'building the program'
    make --no-print-directory -C "$SOURCE_ROOT" build install DESTDIR="$PROGRAM" prefix=/usr >"$CACHE/install.log" 2>&1 ||
        die "make install failed; see $CACHE/install.log"
}
