# shellcheck shell=bash
# The serial console of a guest that runs, as somebody in front of it sees and uses it.

# A busy machine under TCG; what is waited for tells more than how long.
readonly PATIENCE=${VM_BOOT_LIMIT:-240}

# seen PATTERN: waits until the console says it; an error when the guest ends or PATIENCE does.
seen() {
    local pattern=$1 limit=$((SECONDS + PATIENCE))
    until grep --quiet --text --extended-regexp -e "$pattern" "$DIR/console.log"; do
        kill -0 "$QEMU_PID" 2>/dev/null || return 1
        ((SECONDS < limit)) || return 1
        sleep 0.2
    done
}

# A shell that answers; first it may have to be asked for with the return key.
shell_answers() {
    # shellcheck disable=SC2016
    local question='echo 4$((1 + 1))' limit=$((SECONDS + PATIENCE))
    until [[ $(ask "$question" 3) == 42 ]]; do
        kill -0 "$QEMU_PID" 2>/dev/null || return 1
        ((SECONDS < limit)) || return 1
    done
}

# ask COMMAND [SECONDS]: types it and prints what it says. The typed line comes back as an echo, so
# the marks are spelled differently there.
ask() {
    local command=$1 limit=$((SECONDS + ${2:-30}))
    ASKED=$((${ASKED:-0} + RANDOM))
    printf '\n echo be""gin-%s; %s; echo e""nd-%s\n' "$ASKED" "$command" "$ASKED" >&"$KEYBOARD"
    until grep --quiet --text "^end-$ASKED" "$DIR/console.log"; do
        ((SECONDS < limit)) || return 1
        sleep 0.2
    done
    tr --delete '\r' <"$DIR/console.log" | sed --quiet "/^begin-$ASKED\$/,/^end-$ASKED\$/p" | sed '1d;$d'
}

# stop_guest: the power plug.
stop_guest() {
    kill "$QEMU_PID"
}
