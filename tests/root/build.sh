# shellcheck shell=bash
# What runs in the world of the root ring, compiled.

readonly PLUGINS=$TARGET/root/plugins

# build_test --test|--bench NAME: prints the path of the binary. Also builds the programs, which
# are dependencies of it.
build_test() {
    local words
    words=$(cd "$SOURCE_ROOT" && cargo test --locked --no-run "$@" 2>&1) || die "$words"
    sed -n "s|^ *Executable tests/.* (\(.*\))\$|$SOURCE_ROOT/\1|p" <<<"$words" | sed "s|^$SOURCE_ROOT//|/|"
}

# The plugin of libcryptsetup under both its names, in PLUGINS, for the program that build_test builds.
build_plugin() {
    local words
    words=$(cd "$SOURCE_ROOT" && cargo build --locked --package bek-unlock-token 2>&1) || die "$words"
    mkdir -p "$PLUGINS"
    "$SOURCE_ROOT/token-plugin/link" "$TARGET/debug/libbek_unlock_token.a" "$TARGET/debug/bek-unlock" \
        "$PLUGINS/libcryptsetup-token-bek-unlock.so"
    ln -sf libcryptsetup-token-bek-unlock.so "$PLUGINS/libcryptsetup-token-Azure_Disk_Encryption.so"
}

# Where libcryptsetup looks for it.
plugin_directory() {
    # shellcheck disable=SC2016  # make's variable
    make -C "$SOURCE_ROOT" --no-print-directory --silent --eval='where: ; @echo $(tokendir)' where
}
