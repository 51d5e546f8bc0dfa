#!/bin/sh
# Without systemd: opens the volumes, from dracut's initqueue.
#
# In the background, because the queue also starts the network that a volume may wait for. Each
# attempt has its own deadline (timeout=), and is the only one.

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
    echo $! >/run/initramfs/bek-unlock-pid
fi
