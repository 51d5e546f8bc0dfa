# shellcheck shell=bash
# Which file is in which package, held against what `make install` puts where.

# Every file of `make install` is in the one package where it belongs, with its mode, and nothing
# else is in any but what each package brings along of its own.
contents() {
    local kind package
    make --no-print-directory --silent install DESTDIR="$WORK/installed" prefix=/usr \
        RELEASE="$RELEASE"
    (cd "$WORK/installed" && find . ! -type d -printf '%m %P\n') | sort >"$WORK/all"
    for kind in deb rpm; do
        for package in $("${kind}_packages"); do
            diff --unified <(expected_in "$kind" "$package" | sort) \
                <("files_of_$kind" "$(package_file "$kind" "$package")" | sort) ||
                fail "$package.$kind: not the expected files (-) but others (+)"
        done
        # A package more would have files of its own.
        package_count "$kind" "$("${kind}_packages" | wc -w)"
    done
}

rpm_packages() { echo bek-unlock bek-unlock-cryptsetup-token bek-unlock-dracut; }

deb_packages() { echo "$(rpm_packages)" bek-unlock-initramfs-tools; }

package_count() {
    local -a files
    mapfile -t files < <(compgen -G "target/$1/*.$1")
    ((${#files[@]} == $2)) || fail "${#files[@]} files target/$1/*.$1, not $2"
}

# expected_in deb|rpm PACKAGE: MODE PATH of each file, without the .gz of compressed ones.
expected_in() {
    local kind=$1 package=$2 mode path
    while read -r mode path; do
        if [[ $("${kind}_package_of" "$path") == "$package" ]]; then
            echo "$mode $("${kind}_path_of" "$path")"
        fi
    done <"$WORK/all"
    "${kind}_own" "$package"
}

deb_package_of() {
    case $1 in
        # The texts that Debian wants elsewhere.
        usr/share/doc/bek-unlock/LICENSE* | usr/share/doc/bek-unlock/CHANGELOG.md) echo none ;;
        usr/lib/dracut/*) echo bek-unlock-dracut ;;
        usr/lib/bek-unlock/* | usr/share/initramfs-tools/*) echo bek-unlock-initramfs-tools ;;
        */cryptsetup/libcryptsetup-token-*) echo bek-unlock-cryptsetup-token ;;
        *) echo bek-unlock ;;
    esac
}

deb_path_of() {
    case $1 in
        usr/share/zsh/*) echo "${1/site-functions/vendor-completions}" ;;
        *) echo "$1" ;;
    esac
}

deb_own() {
    printf '644 usr/share/doc/%s/%s\n' "$1" changelog "$1" changelog.Debian "$1" copyright
    echo "644 usr/share/lintian/overrides/$1"
}

files_of_deb() {
    local tree=$WORK/deb
    rm -rf "$tree"
    # As root or not: modes are the package's.
    dpkg-deb --extract "$1" "$tree"
    (cd "$tree" && find . ! -type d -printf '%m %P\n') |
        sed '/ usr\/share\/\(doc\|man\)\//s/\.gz$//'
}

rpm_package_of() {
    case $1 in
        usr/share/initramfs-tools/* | usr/lib/bek-unlock/*) echo none ;;
        usr/share/doc/bek-unlock/LICENSE*) echo none ;;
        usr/lib/dracut/*) echo bek-unlock-dracut ;;
        */cryptsetup/libcryptsetup-token-*) echo bek-unlock-cryptsetup-token ;;
        *) echo bek-unlock ;;
    esac
}

rpm_path_of() {
    case $1 in
        */cryptsetup/*) echo "usr/lib64/cryptsetup/${1##*/}" ;;
        *) echo "$1" ;;
    esac
}

rpm_own() {
    printf '644 usr/share/licenses/%s/%s\n' "$1" LICENSE "$1" LICENSE-APACHE "$1" LICENSE-MIT
}

# Directories are left out; rpm names some, for their removal.
files_of_rpm() {
    rpm -qp --qf '[%{FILEMODES:octal} %{FILENAMES}\n]' "$1" |
        sed -n 's|^10*\([0-7]\{3\}\) /|\1 |p; s|^120\([0-7]\{3\}\) /|\1 |p' |
        sed '/ usr\/share\/man\//s/\.gz$//; s|^\([0-7]* usr/share/licenses/[a-z-]*\)-[0-9.]*/|\1/|'
}
