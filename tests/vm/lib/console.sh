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
shell_answers() {
    # shellcheck disable=SC2016
    local question='echo 4$((1 + 1))' limit=$((SECONDS + PATIENCE))
    # What is typed before there is a shell, it gets in pieces.
    seen 'Press Enter for maintenance|press Control-D to continue|^.?\(initramfs\)|Press Enter to continue' || return 1
    printf '\n' >&"$KEYBOARD"
    until [[ $(ask "$question" 10) == 42 ]]; do
        kill -0 "$QEMU_PID" 2>/dev/null || return 1
        ((SECONDS < limit)) || return 1
    done
}

# ask COMMAND [SECONDS]: types it and prints what it says. The typed line comes back as an echo, so
# the marks are spelled differently there; a prompt may stand before what is said.
ask() {
    local command=$1 limit=$((SECONDS + ${2:-60})) mark=$RANDOM$RANDOM
    printf 'echo be""gin-%s; %s; echo e""nd-%s\n' "$mark" "$command" "$mark" >&"$KEYBOARD"
    until grep --quiet --text "end-$mark" "$DIR/console.log"; do
        ((SECONDS < limit)) || return 1
        sleep 0.2
    done
    tr --delete '\r' <"$DIR/console.log" | sed --quiet "/begin-$mark\$/,/end-$mark\$/p" | sed '1d;$d'
}

# stop_guest: the power plug.
stop_guest() {
    kill "$QEMU_PID"
}
