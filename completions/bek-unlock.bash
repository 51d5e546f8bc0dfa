# shellcheck shell=bash
# Completion of bek-unlock(8) for bash. Needs nothing but bash; bash-completion loads it when the
# command is first completed.

# BEGIN: written by `BLESS=1 cargo test --test completions`
_bek_unlock_commands='adopt attach check decode detach enroll initramfs key-service keyscript
    network recover rotate secrets status token token-key'
_bek_unlock_common='--json -v --verbose -h --help --version'

_bek_unlock_options() {
    case $1 in
        adopt) echo --dry-run ;;
        check) echo --initrd --timeout ;;
        enroll) echo --auth --backup-json --ca --dry-run --file --format --header --identity \
            --kek --kek-algorithm --key-disk --key-file --machine-name --name --prompt --secret \
            --secret-name --timeout --to-file --to-token --to-vault --token --unwrapped --vault \
            --vault-suffix --wrapped --write --yes ;;
        initramfs) echo --crypttab --kernel --root --tool ;;
        recover) echo --auth --backup-json --ca --dry-run --header --identity --kek \
            --kek-algorithm --key-disk --key-file --machine-name --name --prompt --read-write \
            --save-key --secret --timeout --token --unwrapped --vault --vault-suffix --wrapped ;;
        rotate) echo --all --auth --ca --dry-run --identity --keep-kek --keep-passphrase --kek \
            --kek-algorithm --vault-suffix ;;
        secrets) echo --auth --ca --file --identity --machine-name --vault --vault-suffix ;;
        status) echo --last-boot ;;
        token) echo --header --key-slot --token ;;
    esac
}

_bek_unlock_value() {
    case $1:$2 in
        *:--auth) echo words az device-code managed-identity service-principal \
            service-principal: token: workload-identity ;;
        *:--backup-json) echo file ;;
        *:--ca) echo file ;;
        *:--crypttab) echo file ;;
        *:--file) echo free ;;
        *:--header) echo file ;;
        *:--identity) echo words client-id: object-id: resource-id:/ ;;
        *:--initrd) echo file ;;
        *:--kek) echo free ;;
        *:--kek-algorithm) echo words A256KW RSA-OAEP RSA-OAEP-256 RSA1_5 ;;
        *:--kernel) echo free ;;
        *:--key-disk) echo device ;;
        *:--key-file) echo file ;;
        *:--key-slot) echo free ;;
        *:--machine-name) echo free ;;
        *:--name) echo free ;;
        *:--root) echo directory ;;
        *:--save-key) echo file ;;
        *:--secret) echo free ;;
        *:--secret-name) echo free ;;
        *:--timeout) echo free ;;
        *:--to-file) echo file ;;
        *:--to-vault) echo free ;;
        token:--token) echo free ;;
        *:--tool) echo words dracut initramfs-tools ;;
        *:--unwrapped) echo file ;;
        *:--vault) echo free ;;
        *:--vault-suffix) echo free ;;
        *:--wrapped) echo file ;;
    esac
}

_bek_unlock_argument() {
    case $1:$2 in
        attach:1) echo name ;;
        attach:2) echo device ;;
        attach:3) echo file ;;
        check:*) echo name ;;
        detach:1) echo name ;;
        enroll:1) echo device ;;
        initramfs:1) echo words plan names network ;;
        key-service:1) echo name ;;
        recover:1) echo device ;;
        rotate:1) echo name ;;
        status:*) echo name ;;
        token:1) echo words show assign import remove ;;
        token:2) echo device ;;
        token:3) echo file ;;
        token-key:1) echo words open validate dump ;;
        token-key:2) echo device ;;
    esac
}
# END

# Volumes that the program knows: configured, or open. Needs no root and asks nobody.
_bek_unlock_names() {
    bek-unlock status --json 2>/dev/null | grep -o '"volume": *"[^"]*"' | cut -d '"' -f 4
}

# What looks encrypted comes first; an image is a file like others.
_bek_unlock_devices() {
    if [[ -z $1 ]]; then
        lsblk --noheadings --raw --paths --output NAME,FSTYPE 2>/dev/null |
            sed -n 's/ \(crypto_LUKS\|BitLocker\)$//p'
    fi
    compgen -f -- "$1"
}

# _bek_unlock_fill WORD KIND [CHOICE...]: into COMPREPLY what WORD may become.
_bek_unlock_fill() {
    local word=$1 kind=$2
    shift 2
    case $kind in
        device)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(_bek_unlock_devices "$word")
            ;;
        directory)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            ;;
        file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            ;;
        name) mapfile -t COMPREPLY < <(compgen -W "$(_bek_unlock_names)" -- "$word") ;;
        words)
            case $word in
                token:* | service-principal:*)
                    # A way to sign in, and its file.
                    mapfile -t COMPREPLY < <(compgen -f -P "${word%%:*}:" -- "${word#*:}")
                    ;;
                *) mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word") ;;
            esac
            # More is to come behind it.
            if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[:/] ]]; then
                compopt -o nospace 2>/dev/null
            fi
            ;;
    esac
}

_bek_unlock() {
    local command='' flag='' word prefix at=0
    local -a words=() choices=()
    COMPREPLY=()
    # Not COMP_WORDS: "=" and ":" are words of their own there, as in --auth=token:FILE.
    read -r -a words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} != *[[:blank:]] ]] || words+=('')
    local current=${words[-1]}
    for word in "${words[@]:1:${#words[@]}-2}"; do
        if [[ -n $flag ]]; then
            flag=''
        elif [[ $word == -* ]]; then
            # The value of --flag=VALUE is there already.
            if [[ $word != *=* && -n $(_bek_unlock_value "$command" "$word") ]]; then flag=$word; fi
        elif [[ -z $command ]]; then
            command=$word
        else
            at=$((at + 1))
        fi
    done

    if [[ -n $flag ]]; then
        read -r -a choices <<<"$(_bek_unlock_value "$command" "$flag")"
        _bek_unlock_fill "$current" "${choices[@]}"
    elif [[ $current == --*=* ]]; then
        flag=${current%%=*}
        read -r -a choices <<<"$(_bek_unlock_value "$command" "$flag")"
        ((${#choices[@]} == 0)) || _bek_unlock_fill "${current#*=}" "${choices[@]}"
        COMPREPLY=("${COMPREPLY[@]/#/$flag=}")
    elif [[ $current == -* ]]; then
        flag="$(_bek_unlock_options "$command") $_bek_unlock_common"
        mapfile -t COMPREPLY < <(compgen -W "$flag" -- "$current")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$_bek_unlock_commands" -- "$current")
    else
        read -r -a choices <<<"$(_bek_unlock_argument "$command" $((at + 1)))"
        ((${#choices[@]} == 0)) || _bek_unlock_fill "$current" "${choices[@]}"
    fi

    # Bash replaces only what is behind the last word break.
    prefix=${current%"${current##*["$COMP_WORDBREAKS"]}"}
    if [[ -n $prefix && $prefix == *[=:] ]]; then
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
}

complete -F _bek_unlock bek-unlock
