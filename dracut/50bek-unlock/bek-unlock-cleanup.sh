#!/bin/sh
# Without systemd, right before the root is switched: ends an attempt that is still waiting, for a
# volume that the root does not need. Sourced by dracut, so nothing here exits.

# Whether the process $1 began at $2. If not, it is another one: what was started has most likely
# ended long ago, and its number was given away again.
bek_unlock_is() {
    began=$2
    stat=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null
    stat=${stat##*) }
    # shellcheck disable=SC2086 # fields
    set -- $stat
    [ -n "$began" ] && [ "$began" = "${20-}" ]
}

if [ -f /run/initramfs/bek-unlock-pid ]; then
    read -r pid began </run/initramfs/bek-unlock-pid
    if bek_unlock_is "$pid" "$began"; then
        children=''
        for status in /proc/[0-9]*/status; do
            parent=$(sed -n 's/^PPid:[^0-9]*//p' "$status" 2>/dev/null)
            child=${status#/proc/}
            [ "$parent" != "$pid" ] || children="$children ${child%/status}"
        done
        # The loop first, or it would start the next attempt.
        for process in $pid $children; do
            kill "$process" 2>/dev/null
        done
    fi
    rm -f /run/initramfs/bek-unlock-pid /run/initramfs/bek-unlock-started
fi
