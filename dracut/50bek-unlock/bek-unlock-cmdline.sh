#!/bin/sh
# Before dracut's modules read the kernel command line: what this boot asks of them.
#
# At boot and not when the image is built, because the boot loader has a say: rd.bek=0,
# rd.bek.options=, ip=, rd.neednet=0. Sourced by dracut, so nothing here exits.

# shellcheck source=/dev/null
command -v getargbool >/dev/null || . /lib/dracut-lib.sh

# dracut itself asks for the LUKS volumes of the machine that built the image (rd.luks.uuid= in
# /etc/cmdline.d), which would open ours under another name, with a prompt. What the boot loader
# asks for stays.
bek_unlock_not_by_dracut() {
    [ -s /usr/lib/bek-unlock-luks-uuids ] || return 0
    [ -n "$(bek-unlock initramfs names)" ] || return 0
    for file in /etc/cmdline.d/*.conf; do
        [ -f "$file" ] || continue
        while read -r uuid; do
            sed -i "s/rd\.luks\.uuid=luks-$uuid//g" "$file"
        done </usr/lib/bek-unlock-luks-uuids
    done
}

bek_unlock_network() {
    [ -n "$(bek-unlock initramfs network)" ] || return 0
    if ! getargbool 0 rd.neednet && [ -z "${netroot-}" ]; then
        mkdir -p /run/initramfs
        : >/run/initramfs/bek-unlock-network
        # dracut reads this before the boot loader's words, and the last one counts.
        mkdir -p /etc/cmdline.d
        echo rd.neednet=1 >/etc/cmdline.d/10-bek-unlock.conf
    fi
    getargbool 0 rd.neednet || return 0
    # Accelerated networking: such a card is the same one as hv_netvsc's, which forwards to it. With an
    # address of its own it takes the answers away. The udev rules of Azure's images, which tell
    # NetworkManager, are in hostonly images alone.
    if [ -d /sys/bus/vmbus ] &&
        { [ -e /usr/sbin/NetworkManager ] || [ -e /usr/bin/NetworkManager ]; }; then
        mkdir -p /etc/NetworkManager/conf.d
        printf '[device-bek-unlock-vf]\nmatch-device=%s\nmanaged=0\n' \
            'driver:mana,driver:mlx4_core,driver:mlx4_en,driver:mlx5_core' \
            >/etc/NetworkManager/conf.d/zzzz-bek-unlock-vf.conf
    fi
    [ -e /usr/lib/systemd/system/systemd-networkd.service ] ||
        [ -e /lib/systemd/system/systemd-networkd.service ] || return 0
    # The networkd of dracut 059 does nothing unless ip= is given. The names of these files sort
    # behind those of the machine's owner, which win. Not in /run, which the booted system takes over:
    # its networkd would obey them.
    if [ -z "$(getarg ip=)" ]; then
        mkdir -p /etc/systemd/network
        printf '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n\n[DHCPv4]\nClientIdentifier=mac\n' \
            >/etc/systemd/network/zzzz-bek-unlock.network
        # As above.
        [ ! -d /sys/bus/vmbus ] ||
            printf '[Match]\nDriver=mana mlx4_core mlx4_en mlx5_core\n\n[Link]\nUnmanaged=yes\n' \
                >/etc/systemd/network/zzzz-bek-unlock-vf.network
    fi
    systemctl --no-block try-reload-or-restart systemd-networkd.service
    systemctl --no-block start systemd-networkd.service
}

bek_unlock_not_by_dracut
bek_unlock_network
