#!/bin/bash
# Opens the volumes of bektab(5) that the root stands on, in the initramfs.
#
# What goes in is decided by "bek-unlock initramfs plan", which knows bektab, ADE's lines, the disks
# and the kernel; here it is copied. What depends on the boot loader's word is decided at boot.
#
# dracut sources this file anew for each function. Variables of dracut's own (hostonly, kernel,
# initdir, ...) are set by it.
# shellcheck disable=SC2154

# Included when the plan has a volume; otherwise when asked for (--add bek-unlock).
check() {
    require_binaries bek-unlock || return 1
    bek_unlock_read_plan || return 1
    bek_unlock_words volume | grep -q . && return 0
    # Nobody else will say why there is none. Not on stdout: dracut drops a module for that.
    bek_unlock_warnings
    return 255
}

# Nothing is named that cannot be had: dracut drops a module with such a dependency.
depends() {
    bek_unlock_read_plan
    echo dm
    echo rootfs-block
    if bek_unlock_can dracut-systemd; then echo dracut-systemd; fi
    if bek_unlock_words network | grep -q .; then bek_unlock_network; fi
    return 0
}

# Without hostonly: the image has to work on the next VM size, too, and dracut knows nothing of
# the key disk.
installkernel() {
    local -a modules
    bek_unlock_read_plan
    mapfile -t modules < <(bek_unlock_words module module-maybe)
    hostonly='' instmods "${modules[@]}"
}

install() {
    local -a files
    bek_unlock_read_plan
    bek_unlock_warnings

    inst_multiple bek-unlock sed
    mapfile -t files < <(bek_unlock_words file)
    ((${#files[@]} == 0)) || inst_multiple -o "${files[@]}"
    bek_unlock_bektab

    # What libcryptsetup may need beyond its libraries: old hashes, for a LUKS header; and on a machine
    # with fips=1 all of them, where dracut's own module for that is not in.
    inst_libdir_file "ossl-modules/legacy.so" "ossl-modules/fips.so"
    # The directory of libcryptsetup's locks.
    inst_multiple -o "$tmpfilesdir/cryptsetup.conf"
    # Links to Azure's disks; without them the program finds the disks itself.
    inst_rules 66-azure-storage.rules 80-azure-disk.rules
    inst_multiple -o azure-nvme-id

    inst_hook cmdline 20 "$moddir/bek-unlock-cmdline.sh"
    bek_unlock_words luks-uuid >"$initdir/usr/lib/bek-unlock-luks-uuids"
    if bek_unlock_words network | grep -q .; then bek_unlock_install_network; fi

    if dracut_module_included systemd; then
        inst_multiple -o \
            "$systemdsystemunitdir/blockdev@.target" \
            "$systemdsystemunitdir/cryptsetup-pre.target" \
            "$systemdsystemunitdir/cryptsetup.target" \
            "$systemdsystemunitdir/remote-cryptsetup.target"
        # In /usr/local, too: "make install" by hand puts them there.
        bek_unlock_first system-generators/bek-unlock-generator
        bek_unlock_first system/bek-unlock@.service
        bek_unlock_first system/bek-unlock.target
        bek_unlock_first 'system/system-bek\x2dunlock.slice'
    else
        dwarn 'bek-unlock: this dracut builds without systemd; volumes are opened by a hook, one'
        dwarn 'bek-unlock: after the other, and their failures are on the console only'
        inst_hook initqueue/settled 50 "$moddir/bek-unlock-attach.sh"
        inst_hook cleanup 50 "$moddir/bek-unlock-cleanup.sh"
        dracut_need_initqueue
    fi
}

# Asks for the plan, once for each image.
bek_unlock_read_plan() {
    [[ ${bek_unlock_plan-} ]] && return 0
    local root=${dracutsysrootdir:-/}
    bek_unlock_plan=$(bek-unlock initramfs plan --tool dracut --root "$root" ${kernel:+--kernel "$kernel"}) || {
        derror 'bek-unlock: no plan for this image, and no volume of the root disk opened by it'
        return 1
    }
}

# The values of the plan's lines that begin with one of these words.
bek_unlock_words() {
    local word value wanted=" $* "
    while IFS=$'\t' read -r word value; do
        [[ $wanted == *" $word "* ]] && printf '%s\n' "$value"
    done <<<"$bek_unlock_plan"
    return 0
}

bek_unlock_warnings() {
    local warning
    while IFS= read -r warning; do
        dwarn "bek-unlock: $warning"
    done < <(bek_unlock_words warning)
}

# The image's own bektab: the volumes it opens and no others. It names vaults and identities.
bek_unlock_bektab() {
    local lines
    lines=$(bek_unlock_words bektab)
    [[ $lines ]] || return 0
    printf '%s\n' '# Made by dracut from /etc/bektab and /etc/crypttab; see bek-unlock-initramfs(7).' \
        "$lines" >"$initdir/etc/bektab"
    chmod 0600 "$initdir/etc/bektab"
}

# A file of systemd's, from the first directory that has it.
bek_unlock_first() {
    local directory
    for directory in "${systemdutildir}" /usr/local/lib/systemd /usr/lib/systemd; do
        if [[ -e ${dracutsysrootdir-}$directory/$1 ]]; then
            inst_simple "$directory/$1"
            return 0
        fi
    done
    dwarn "bek-unlock: $1 is not installed; no volume is opened at boot"
}

# Whether dracut would take these modules in. In a subshell, so that asking changes nothing.
bek_unlock_can() (
    module=
    [[ $dracutmodules == all ]] || dracutmodules+=" $* "
    for module in "$@"; do
        check_module "$module" &>/dev/null || exit 1
    done
)

# dracut's own choice of a network where it can be had, else any that can. The names are those of
# dracut 057 to 106; "network" takes whichever is in already.
bek_unlock_network() {
    local choice
    for choice in network 'network-manager network' 'systemd-networkd network' \
        'network-legacy network' systemd-networkd; do
        # shellcheck disable=SC2086
        if bek_unlock_can $choice; then
            # shellcheck disable=SC2086
            printf '%s\n' $choice
            return 0
        fi
    done
}

# Names to addresses, and no waiting: the program waits for the network under its own deadline.
bek_unlock_install_network() {
    local unit
    inst_multiple -o /etc/gai.conf /etc/host.conf /etc/hosts /etc/nsswitch.conf /etc/services
    inst_libdir_file 'libnss_dns.so*' 'libnss_files.so*'
    # Azure's accelerated networking: the second face of a card is not to be configured.
    inst_rules 10-azure-unmanaged-sriov.rules 68-azure-sriov-nm-unmanaged.rules
    # NetworkManager's unit has the second name from dracut 108 on.
    for unit in nm-wait-online-initrd NetworkManager-wait-online-initrd systemd-networkd-wait-online; do
        inst_simple "$moddir/no-wait-online.conf" \
            "$systemdsystemunitdir/$unit.service.d/60-bek-unlock.conf"
    done
    if dracut_module_included network || dracut_module_included systemd-networkd; then
        return 0
    fi
    dwarn 'bek-unlock: a volume needs Key Vault, and this dracut has no network; install'
    dwarn 'bek-unlock: dracut-network and what its modules need (ip, and NetworkManager or'
    dwarn 'bek-unlock: systemd-networkd), then: dracut --force'
}
