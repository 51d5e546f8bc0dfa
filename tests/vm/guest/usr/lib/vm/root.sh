# shellcheck shell=bash
# What holds after a boot whose root file system the initramfs unlocked.

# root_unlocked: opened once, in the initramfs; nothing of that is left but the mapping.
root_unlocked() {
    local unit='bek-unlock@osencrypt.service'
    check 'the root file system stands on osencrypt' root_stands_on osencrypt
    equal 'osencrypt is mapped, and nothing else' osencrypt "$(mapped)"
    check "$unit is active" unit_is "$unit" active
    equal 'the journal tells of one unlock' "$(expected_unlocks)" \
        "$(journalctl --boot --output=cat | grep --count 'osencrypt unlocked with')"
    check 'multi-user.target was reached' unit_is multi-user.target active
    equal 'no unit failed' '' "$(failed_units)"
    equal 'the key disk is mounted nowhere' '' "$(key_mounts)"
    check 'no process of the program is left' no_process_left
    equal 'nothing secret is left' '' "$(places_with_secrets)"
    time_to_mapping
}

# root_reported SOURCE STEP...: what the initramfs did and how long it took is known here, to anybody.
root_reported() {
    local source=$1 report text step
    shift
    report=$(bek-unlock status --last-boot --json osencrypt)
    text=$(runuser -u nobody -- bek-unlock status --last-boot)
    echo "$text" | indent ''
    # Where no systemd was in the image, the unit of the booted system looks once more.
    equal 'the boot report has the runs of osencrypt' "$((2 - $(expected_unlocks)))" \
        "$(grep --only-matching '"volume":"osencrypt"' <<<"$report" | wc --lines)"
    for step in '"initramfs":true' '"result":"unlocked"' "\"source\":\"$source\"" "${@/#/\"step\":\"}"; do
        check "the boot report has $step" contains "$step" <(echo "$report")
    done
    check 'everybody can read how long it took' matches '^osencrypt opened with .* in [0-9.]+ s' <(echo "$text")
    check 'and where' matches '^    from [0-9.]+ s to [0-9.]+ s of the boot, in the initramfs, /dev/' <(echo "$text")
    equal 'the journal has it for later' "$(expected_unlocks)" \
        "$(journalctl --boot --output=json MESSAGE_ID=fa9fcba6a15ff931f94f11660b144eff | grep --count '"BEK_STEPS":"device=')"
}

# For people to read: from the moment the kernel has the last disk to the open volume.
time_to_mapping() {
    journalctl --boot --output=short-monotonic | tr --delete '[' | awk '
        /Attached SCSI disk/ { disk = $1 + 0 }
        /osencrypt unlocked with/ { mapping = $1 + 0 }
        END { if (disk && mapping) printf "  time  %.1f s from the disk to the mapping\n", mapping - disk }
    '
}

# The initramfs of initramfs-tools has no journal: there it is on the console (root-case.sh).
expected_unlocks() { if command -v dracut >/dev/null; then echo 1; else echo 0; fi; }

root_stands_on() { lsblk --noheadings --list --inverse --output NAME "$(findmnt --noheadings --output SOURCE /)" | grep --line-regexp "$1"; }

# In whatever mount namespace.
key_mounts() { cat /proc/[0-9]*/mountinfo 2>/dev/null | grep --extended-regexp 'azure_bek_disk|BEK|vfat' | sort --unique; }

# Once more: what the first boot wrote is there, and the file system was left clean.
written_and_clean() {
    check 'what the first boot wrote is there' test -e /written
    check 'the root file system was clean' not matches 'recovering journal|orphan|not cleanly' <(journalctl --boot --output=cat)
}
