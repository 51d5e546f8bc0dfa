#!/usr/bin/env bash
# What `make check` checks beside Rust: shell scripts, manual pages, unit files, dependencies.
#
#     tests/lint.sh
#
# No root, no network, nothing is changed. All findings are shown before it fails. What a machine
# lacks a tool for is left out, and said.
set -euo pipefail

cd "$(dirname "$0")/.."

failed=no

main() {
    step 'shell scripts' shell_scripts
    step 'manual pages' manual_pages
    step 'texts for the console' console_texts
    if [[ -x tests/generator/verify.sh ]]; then step 'units' tests/generator/verify.sh; fi
    if have cargo-deny 'licences, bans and sources of dependencies'; then
        # Advisories need the network: `cargo deny check` before a release.
        step 'dependencies' cargo deny --offline check bans licenses sources
    fi
    [[ $failed == no ]]
}

# step TITLE COMMAND...: shows what COMMAND says only when it fails.
step() {
    local title=$1 words
    shift
    if words=$("$@" 2>&1); then
        echo "lint: $title: fine"
    else
        failed=yes
        printf '%s\n' "$words" "lint: $title: see above" >&2
    fi
}

have() {
    command -v "$1" >/dev/null && return
    echo "lint: $2: left out, $1 is not installed"
    return 1
}

# Files under version control; in an unpacked archive, all but what was built.
tracked() {
    git ls-files -z 2>/dev/null || find . -path ./target -prune -o -type f -print0
}

# Scripts by their first line: a shebang, or shellcheck's word for what is only sourced.
scripts() {
    local file line
    while IFS= read -r -d '' file; do
        [[ -f $file ]] || continue
        IFS= read -r line <"$file" 2>/dev/null || true
        case $line in
            '#!'*/bash | '#!'*/sh | '#!'*' bash' | '#!'*' sh' | '# shellcheck shell='*) printf '%s\0' "$file" ;;
        esac
    done < <(tracked)
}

shell_scripts() {
    local -a files
    local file status=0
    mapfile -d '' -t files < <(scripts)
    # A search that finds nothing proves nothing.
    ((${#files[@]} > 0)) || return 1
    for file in "${files[@]}"; do
        bash -n "$file" || status=1
    done
    shellcheck --external-sources "${files[@]}" || status=1
    return $status
}

manual_pages() {
    local source page status=0
    page=$(mktemp)
    for source in docs/man/*.scd; do
        if ! scdoc <"$source" >"$page"; then
            echo "$source: scdoc cannot read it"
            status=1
        elif command -v groff >/dev/null; then
            rendered "$page" "$source" || status=1
        fi
    done
    rm "$page"
    return $status
}

# The page as a terminal of 79 columns shows it.
rendered() {
    local text
    text=$(groff -Tascii -P-cbou -t -man -rLL=79n -ww "$1" 2>&1) || return 1
    if grep --line-number --extended-regexp '.{80}|^[^ ]*:[0-9]+: ' <<<"$text"; then
        echo "$2: wider than 79 columns, or groff warns"
        return 1
    fi
}

# Plain ASCII, 100 columns; 79 for what `journalctl -x` shows on a console.
console_texts() {
    local file
    local -a files=()
    while IFS= read -r -d '' file; do
        case $file in systemd/* | ./systemd/*) files+=("$file") ;; esac
    done < <(tracked)
    ((${#files[@]} > 0)) || return 1
    LC_ALL=C awk '
        { most = FILENAME ~ /\.catalog$/ && !/^#/ ? 79 : 100 }
        /[^ -~]/ || length($0) > most { print FILENAME ":" FNR ": " $0; bad = 1 }
        END { exit bad }
    ' "${files[@]}"
}

main "$@"
