# shellcheck shell=bash
# Nothing answers: first connections that stay silent, then no network card.
# The volume of the key disk must not notice; the others give up in time and
# are tried again later, which is what status 69 is for.

STEPS=(silent no_card)

prepare() { shorten 40 data2 data3 data4; }

disturb() {
    case $1 in
        silent) network_card 'sleep infinity' 'sleep infinity' ;;
        no_card) NETWORK=(-nic none) ;;
    esac
}

silent() { unreachable 'metadata service 169.254.169.254: no answer'; }

no_card() { unreachable 'metadata service 169.254.169.254: Network is unreachable'; }

unreachable() {
    local volume
    for volume in data2 data3 data4; do
        refused "$volume" 69 "$1" 'ip route get 169.254.169.254'
        equal "bek-unlock@$volume is to be started again" on-failure "$(property "bek-unlock@$volume.service" Restart)"
    done
    opened data1
    check 'multi-user.target was reached' unit_is multi-user.target active
    equal 'only data1 is mapped' data1 "$(mapped)"
    check 'the key disk is mounted nowhere' not mounted "$KEY_MOUNT"
}
