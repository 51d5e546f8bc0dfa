# shellcheck shell=bash
# Lays files over a copy of the base image, without mounting it and without root.

# os_image BASE IMAGE TREE...: IMAGE becomes a copy of BASE with the TREEs, later
# ones over earlier ones. debugfs takes a tenth of a second where another
# mke2fs -d of the whole system takes several, and needs no root.
os_image() {
    local base=$1 image=$2 tree
    shift 2
    cp --sparse=always "$base" "$image"
    for tree in "$@"; do
        debugfs_commands "$tree"
    done >"$image.debugfs"
    run_debugfs "$image" <"$image.debugfs"
    rm "$image.debugfs"
}

# Directories are made one by one because debugfs has no mkdir -p; a file that
# is there already is unlinked first because write refuses to replace it.
debugfs_commands() {
    local tree=$1 path
    while IFS= read -r path; do
        [[ $path != *[[:space:]\"]* ]] || die "debugfs cannot take this name: $path"
        if [[ -L $tree/$path ]]; then
            printf 'rm /%s\nsymlink /%s %s\n' "$path" "$path" "$(readlink "$tree/$path")"
        elif [[ -d $tree/$path ]]; then
            printf 'mkdir /%s\n' "$path"
        else
            # The mode is copied, owner and group are always root.
            printf 'rm /%s\nwrite %s /%s\n' "$path" "$tree/$path" "$path"
        fi
    done < <(cd "$tree" && find . -mindepth 1 -printf '%P\n' | sort)
}

# debugfs exits with 0 whatever happens, so its words decide.
run_debugfs() {
    local words
    words=$(debugfs -w -f - "$1" 2>&1 |
        grep --invert-match --extended-regexp \
            '^(debugfs[: ]|Allocated inode|rm: File not found|(ext2fs_)?mkdir: Ext2 directory already exists|$)' || true)
    [[ -z $words ]] || die "debugfs: $words"
}
