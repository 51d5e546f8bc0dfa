# shellcheck shell=bash
# What docs/troubleshooting.md shows of a volume that opened, against what this boot shows.
#
# Numbers, times and identifiers differ from boot to boot; the words and the order of the lines do
# not, so those are compared, and the document's text is one that a boot has printed.

readonly SHOWN=/usr/share/doc/bek-unlock/troubleshooting.md

# shown COMMAND...: what it prints, kept for the host to read, is what the document has below it.
shown() {
    local file=$EVIDENCE/shown/${1}-$2.txt
    mkdir -p "$EVIDENCE/shown"
    LC_ALL=C.UTF-8 SYSTEMD_PAGER='' SYSTEMD_COLORS=0 "$@" >"$file" 2>&1
    check "\"$*\" prints what the document shows" same_shape "$file" "$*"
}

same_shape() {
    local documented
    documented=$(document | block "$2" | shape)
    [[ -n $documented ]] || {
        echo "$SHOWN does not show $2"
        return 1
    }
    diff --unified <(echo "$documented") <(shape <"$1")
}

# Debian's packages have it compressed.
document() { if [[ -e $SHOWN ]]; then cat "$SHOWN"; else zcat "$SHOWN.gz"; fi; }

# block COMMAND: the indented lines below `# COMMAND`.
block() {
    COMMAND="    # $1" awk '
        on && /^[^ ]/ { exit }
        on { sub(/^    /, ""); print }
        $0 == ENVIRON["COMMAND"] { on = 1 }
    '
}

# What an unlock waited for, and whether so long that it said so, is another boot's. A clock, an
# amount, a number and the letter of a disk, which the kernel gives as it finds them, are one word
# each; blanks that only align are one blank.
shape() {
    sed --regexp-extended \
        --expression='s/[0-9a-f]{8,}(-[0-9a-f]{4,})*/ID/g' \
        --expression='s/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) //g' \
        --expression='s/^(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +[0-9]+ [0-9:]+/TIME/' \
        --expression='s|/dev/sd[a-z]+|/dev/sdX|g' \
        --expression='s/[0-9]+(\.[0-9]+)?/N/g' \
        --expression='s/\bN(ms|us|s|min|h)( N(ms|us|s))*\b/TIME/g' \
        --expression='s/\bN (m?s|min|h|days?)\b/TIME/g' \
        --expression='s/\bN[BKMG]\b/SIZE/g' \
        --expression='s/(TIME in all), TIME of it .*/\1/' \
        --expression='s/ +/ /g; s/ $//' |
        without_order_of_start |
        sed --expression='/: waiting for .* left$/d; /^$/d'
}

# Which of the two starts first, the unit or the journal, is each boot's: with the journal first,
# "Starting ..." is the journal's, too, with its explanation below; with the unit first, systemctl
# may notice that the journal does not reach back to it.
without_order_of_start() {
    sed --expression='/^Notice: journal has been rotated since unit was started/d' |
        awk '
            /^TIME / { starting = /systemd\[N\]: Starting / }
            !/^(TIME|░░)/ { starting = 0 }
            !starting
        '
}
