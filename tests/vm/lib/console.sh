# shellcheck shell=bash
# The serial console of a guest that runs, as somebody in front of it sees and uses it.

# A busy machine under TCG; what is waited for tells more than how long.
readonly PATIENCE=$BOOT_LIMIT

# seen PATTERN: waits until the console says it; an error when the guest ends or PATIENCE does.
seen() {
    local pattern=$1 limit=$((SECONDS + PATIENCE))
    until grep --quiet --text --extended-regexp -e "$pattern" "$DIR/console.log"; do
        kill -0 "$QEMU_PID" 2>/dev/null || return 1
        ((SECONDS < limit)) || return 1
        sleep 0.2
    done
}

# A shell that answers; sulogin(8) wants the return key first.
#
# Whoever makes the terminal ready for the shell throws away what was typed until then, so a line
# may arrive without its beginning. Every end of this one is a whole line, too: half a pair of
# quotes would make the shell take all that follows for the rest of it.
shell_answers() {
    # shellcheck disable=SC2016
    local question='echo an$((6 * 7))swer' limit=$((SECONDS + PATIENCE))
    seen 'Press Enter for maintenance|press Control-D to continue|^.?\(initramfs\)|Press Enter to continue' || return 1
    printf '\n' >&"$KEYBOARD"
    until typed "$question" an42swer 10; do
        kill -0 "$QEMU_PID" 2>/dev/null || return 1
        ((SECONDS < limit)) || return 1
    done
}

# ask COMMAND: types it and prints what it says, or that there was no answer, which is not the same
# as nothing. The typed line comes back as an echo, so the marks are spelled differently there; a
# prompt may stand before what is said.
ask() {
    local command=$1 mark=$((RANDOM * 32768 + RANDOM))
    if ! typed "echo begin-\$(($mark)); $command; echo end-\$(($mark))" "end-$mark" 60; then
        echo 'no answer'
        return
    fi
    tr --delete '\r' <"$DIR/console.log" | sed --quiet "/begin-$mark\$/,/end-$mark\$/p" | sed '1d;$d'
}

# typed LINE ANSWER SECONDS: types the line, and waits that long for the answer.
typed() {
    local limit=$((SECONDS + $3))
    printf '%s\n' "$1" >&"$KEYBOARD"
    until grep --quiet --text --fixed-strings -e "$2" "$DIR/console.log"; do
        kill -0 "$QEMU_PID" 2>/dev/null || return 1
        ((SECONDS < limit)) || return 1
        sleep 0.2
    done
}

# stop_guest: the power plug.
stop_guest() {
    kill "$QEMU_PID"
}
