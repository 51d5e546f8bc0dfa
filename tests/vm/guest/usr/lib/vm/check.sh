# shellcheck shell=bash
# What a case says and how it decides; sourced in the guest and on the host.
#
# A failed check is counted and the case goes on: one boot is dear, so it should
# tell everything that is wrong.

FAILED=0

# check TEXT COMMAND...: TEXT is what holds when COMMAND succeeds.
check() {
    local text=$1 words
    shift
    if words=$("$@" 2>&1); then
        echo "  ok    $text"
    else
        FAILED=$((FAILED + 1))
        echo "  FAIL  $text"
        indent 'command: ' <<<"$*"
        indent '' <<<"$words"
    fi
}

# equal TEXT EXPECTED ACTUAL
equal() {
    if [[ $2 == "$3" ]]; then
        echo "  ok    $1"
    else
        FAILED=$((FAILED + 1))
        echo "  FAIL  $1"
        indent 'expected: ' <<<"$2"
        indent 'found:    ' <<<"$3"
    fi
}

# Under the check it belongs to, each line after a word.
indent() { sed "s/^/          | $1/"; }

# Negation for check, which cannot take `!`.
not() { ! "$@"; }

contains() { grep --fixed-strings -e "$1" "$2"; }

matches() { grep --extended-regexp -e "$1" "$2"; }
