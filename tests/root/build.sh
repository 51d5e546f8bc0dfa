# shellcheck shell=bash
# What runs in the world of the root ring, compiled.

# build_test --test|--bench NAME: prints the path of the binary. Also builds the programs, which
# are dependencies of it.
build_test() {
    local words
    words=$(cd "$SOURCE_ROOT" && cargo test --locked --no-run "$@" 2>&1) || die "$words"
    sed -n "s|^ *Executable tests/.* (\(.*\))\$|$SOURCE_ROOT/\1|p" <<<"$words" | sed "s|^$SOURCE_ROOT//|/|"
}
