#!/bin/sh
# Without systemd, right before the root is switched: ends an attempt that is still waiting, for a
# volume that the root does not need. Sourced by dracut, so nothing here exits.

if [ -f /run/initramfs/bek-unlock-pid ]; then
    read -r pid </run/initramfs/bek-unlock-pid
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
    rm -f /run/initramfs/bek-unlock-pid /run/initramfs/bek-unlock-started
fi
