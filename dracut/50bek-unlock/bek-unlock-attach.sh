#!/bin/sh
# Without systemd: opens the volumes, from dracut's initqueue.
#
# In the background, because the queue also starts the network that a volume may wait for. Each
# attempt has its own deadline (timeout=), and is the only one.

if [ ! -e /run/initramfs/bek-unlock-started ]; then
    mkdir -p /run/initramfs
    : >/run/initramfs/bek-unlock-started
    (
        # Behind a name there may be "nofail", which is nothing to this.
        bek-unlock initramfs names | while read -r name _; do
            bek-unlock attach -- "$name" </dev/null
        done
    ) </dev/null >/dev/console 2>&1 &
    echo $! >/run/initramfs/bek-unlock-pid
fi
