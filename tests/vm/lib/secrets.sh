# shellcheck shell=bash
# What must be found nowhere: the passphrases, in every form they pass through.

# needles KEYS_DIR: one searchable string a line. A leak may be cut short or
# sit in the middle of something, so each text is searched for in pieces of 24
# characters: any 47 characters in a row contain one. Text that is base64 of
# the passphrase has three alignments inside of a longer base64 text; the two
# others are what `sed` of one and two bytes gives.
needles() {
    local key skip
    for key in "$1"/data? "$1"/v?? "$1"/root; do
        [[ -e $key ]] || continue
        pieces <"$key"
        for skip in 1 2 3; do
            tail --bytes=+$skip "$key" | base64 --wrap=0 | pieces
        done
        xxd_plain <"$key" | pieces
    done | sort --unique
}

# Only whole pieces: the last characters of a base64 text depend on what follows.
pieces() { fold --width=24 | grep --extended-regexp '^.{24}$' || true; }

xxd_plain() { od --address-radix=n --format=x1 | tr -d ' \n'; }

# The emulator's tokens are `emulated.` and 1440 hex digits; a long run of hex
# digits is the middle of one.
readonly TOKEN_PATTERN='emulated\.[0-9a-f]{8}|[0-9a-f]{200}'

# leaks KEYS_DIR FILE...: prints the names of files, also below directories, that hold a secret, never
# the secret itself.
leaks() {
    passphrases_in "$@"
    shift
    grep --recursive --files-with-matches --text --extended-regexp -e "$TOKEN_PATTERN" -- "$@" || true
}

# The same for what may hold long runs of hex digits: libraries do.
passphrases_in() {
    local keys=$1
    shift
    grep --recursive --files-with-matches --text --fixed-strings --file=<(needles "$keys") -- "$@" || true
}
