#!/bin/sh
# Without systemd: opens the volumes, from dracut's initqueue.
#
# In the background, because the queue also starts the network that a volume may wait for. Each
# attempt has its own deadline (timeout=), and is the only one.

# When the process $1 began: with its number, this names it and no other. What is between the
# parentheses may hold anything.
bek_unlock_began() {
    stat=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null
    stat=${stat##*) }
    # shellcheck disable=SC2086 # fields
    set -- $stat
    echo "${20-}"
}

if [ ! -e /run/initramfs/bek-unlock-started ]; then
    mkdir -p /run/initramfs
    : >/run/initramfs/bek-unlock-started
    (
        # Behind a name there may be "nofail", which is nothing to this. No pipe: each attempt is a
        # child of the process below, where cleanup looks for it.
        while read -r name _; do
            [ -z "$name" ] || bek-unlock attach -- "$name" </dev/null
        done <<NAMES
$(bek-unlock initramfs names)
NAMES
    ) </dev/null >/dev/console 2>&1 &
    echo "$! $(bek_unlock_began $!)" >/run/initramfs/bek-unlock-pid
fi
