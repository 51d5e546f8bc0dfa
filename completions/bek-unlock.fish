# Completion of bek-unlock(8) for fish.

# __bek_unlock_place: the command, and how many arguments are behind it before the cursor.
function __bek_unlock_place
    set -l command ''
    set -l at 0
    set -l value no
    set -l tokens (commandline -opc)
    for token in $tokens[2..-1]
        if test $value = yes
            set value no
        else if string match -q -- '-*' $token
            contains -- "$command:$token" $__bek_unlock_valued; and set value yes
        else if test -z "$command"
            set command $token
        else
            set at (math $at + 1)
        end
    end
    printf '%s\n' "$command" $at
end

function __bek_unlock_no_command
    set -l place (__bek_unlock_place)
    test -z "$place[1]"
end

function __bek_unlock_in
    set -l place (__bek_unlock_place)
    test "$place[1]" = $argv[1]
end

# __bek_unlock_at COMMAND NUMBER: whether that argument is the one to complete.
function __bek_unlock_at
    set -l place (__bek_unlock_place)
    test "$place[1]" = $argv[1]; and test (math $place[2] + 1) -eq $argv[2]
end

# The same, or one behind it.
function __bek_unlock_from
    set -l place (__bek_unlock_place)
    test "$place[1]" = $argv[1]; and test (math $place[2] + 1) -ge $argv[2]
end

# Volumes that the program knows: configured, or open. Needs no root and asks nobody.
function __bek_unlock_names
    bek-unlock status --json 2>/dev/null |
        string match --regex --all --groups-only '"volume": *"([^"]*)"'
end

# What looks encrypted, and files: an image is one.
function __bek_unlock_devices
    lsblk --noheadings --raw --paths --output NAME,FSTYPE 2>/dev/null |
        string replace --filter --regex ' (crypto_LUKS|BitLocker)$' ''
    __fish_complete_path (commandline -ct)
end

complete -c bek-unlock -f

# BEGIN: written by `BLESS=1 cargo test --test completions`
set -g __bek_unlock_valued check:--initrd check:--timeout enroll:--auth enroll:--backup-json \
    enroll:--ca enroll:--file enroll:--header enroll:--identity enroll:--kek \
    enroll:--kek-algorithm enroll:--key-disk enroll:--key-file enroll:--machine-name \
    enroll:--name enroll:--secret enroll:--secret-name enroll:--timeout enroll:--to-file \
    enroll:--to-vault enroll:--unwrapped enroll:--vault enroll:--vault-suffix enroll:--wrapped \
    initramfs:--crypttab initramfs:--kernel initramfs:--root initramfs:--tool recover:--auth \
    recover:--backup-json recover:--ca recover:--header recover:--identity recover:--kek \
    recover:--kek-algorithm recover:--key-disk recover:--key-file recover:--machine-name \
    recover:--name recover:--save-key recover:--secret recover:--timeout recover:--unwrapped \
    recover:--vault recover:--vault-suffix recover:--wrapped rotate:--auth rotate:--ca \
    rotate:--identity rotate:--kek rotate:--kek-algorithm rotate:--vault-suffix secrets:--auth \
    secrets:--ca secrets:--file secrets:--identity secrets:--machine-name secrets:--vault \
    secrets:--vault-suffix token:--header token:--key-slot token:--token
set -g __bek_unlock_auth az device-code managed-identity service-principal service-principal: \
    token: workload-identity
set -g __bek_unlock_identity client-id: object-id: resource-id:/
set -g __bek_unlock_kek_algorithm A256KW RSA-OAEP RSA-OAEP-256 RSA1_5
set -g __bek_unlock_tool dracut initramfs-tools

complete -c bek-unlock -l json -d 'print the result as JSON'
complete -c bek-unlock -s v -l verbose -d 'say more on standard error'
complete -c bek-unlock -s h -l help -d 'show this help'
complete -c bek-unlock -l version -d 'show the version'

complete -c bek-unlock -n __bek_unlock_no_command -a adopt \
    -d 'take over the lines of Azure Disk Encryption\'s crypttab into /etc/bektab'
complete -c bek-unlock -n '__bek_unlock_in adopt' -l dry-run \
    -d 'show what would be done'

complete -c bek-unlock -n __bek_unlock_no_command -a attach \
    -d 'open a volume: the line NAME of /etc/bektab, or the fields given here'
complete -c bek-unlock -n '__bek_unlock_at attach 1' -a '(__bek_unlock_names)'
complete -c bek-unlock -n '__bek_unlock_at attach 2' -a '(__bek_unlock_devices)'
complete -c bek-unlock -n '__bek_unlock_at attach 3' -F

complete -c bek-unlock -n __bek_unlock_no_command -a check \
    -d 'whether the next boot opens the volumes'
complete -c bek-unlock -n '__bek_unlock_in check' -l initrd -r -F \
    -d 'this image instead of those in /boot'
complete -c bek-unlock -n '__bek_unlock_in check' -l timeout -x \
    -d 'how long each key source is waited for; else 15s'
complete -c bek-unlock -n '__bek_unlock_from check 1' -a '(__bek_unlock_names)'

complete -c bek-unlock -n __bek_unlock_no_command -a decode \
    -d 'the key in an answer of unwrapKey: standard input to standard output'

complete -c bek-unlock -n __bek_unlock_no_command -a detach \
    -d 'close it'
complete -c bek-unlock -n '__bek_unlock_at detach 1' -a '(__bek_unlock_names)'

complete -c bek-unlock -n __bek_unlock_no_command -a enroll \
    -d 'give a volume, or a new one, a key of its own, wrapped by the KEK'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l auth -x \
    -a '$__bek_unlock_auth' \
    -d 'how to sign in'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l backup-json -r -F \
    -d 'Azure Backup\'s file'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l ca -r -F \
    -d 'the authorities to trust instead of the system\'s'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l dry-run \
    -d 'prove that it can be done, change nothing'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l file -x \
    -d 'DiskEncryptionKeyFileName'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l format \
    -d 'make a new volume; what is on the device is lost'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l header -r -F \
    -d 'its detached header'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l identity -x \
    -a '$__bek_unlock_identity' \
    -d 'which managed identity'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l kek -x \
    -d 'the key-encryption key, with or without version'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l kek-algorithm -x \
    -a '$__bek_unlock_kek_algorithm' \
    -d 'how the KEK wraps'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l key-disk -x -a '(__bek_unlock_devices)' \
    -d 'a key disk, or an image of one'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l key-file -r -F \
    -d 'the key byte for byte'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l machine-name -x \
    -d 'MachineName'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l name -x \
    -d 'the volume\'s name'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l prompt \
    -d 'a passphrase, asked for on the terminal'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l secret -x \
    -d 'a secret in Key Vault'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l secret-name -x \
    -d 'the name of that secret'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l timeout -x \
    -d 'one deadline for everything; else 90s'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l to-file -r -F \
    -d 'put it into a file'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l to-token \
    -d 'put it into a LUKS2 token'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l to-vault -x \
    -d 'put the wrapped key into a secret of this vault'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l token \
    -d 'the LUKS2 token in the header'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l unwrapped -r -F \
    -d 'an answer of unwrapKey, or what else decode takes'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l vault -x \
    -d 'the secrets there that fit by their tags'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l vault-suffix -x \
    -d 'another suffix of vaults, of a private cloud'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l wrapped -r -F \
    -d 'a wrapped key, or a secret that holds one'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l write \
    -d 'write its line to /etc/bektab'
complete -c bek-unlock -n '__bek_unlock_in enroll' -l yes \
    -d 'and nobody has to be asked about that'
complete -c bek-unlock -n '__bek_unlock_at enroll 1' -a '(__bek_unlock_devices)'

complete -c bek-unlock -n __bek_unlock_no_command -a initramfs \
    -d 'what an image needs to open the root disk'
complete -c bek-unlock -n '__bek_unlock_in initramfs' -l crypttab -r -F \
    -d 'the crypttab inside the image'
complete -c bek-unlock -n '__bek_unlock_in initramfs' -l kernel -x \
    -d 'the kernel that the image is for'
complete -c bek-unlock -n '__bek_unlock_in initramfs' -l root -x \
    -a '(__fish_complete_directories)' \
    -d 'the system that the image is for'
complete -c bek-unlock -n '__bek_unlock_in initramfs' -l tool -x \
    -a '$__bek_unlock_tool' \
    -d 'what builds the image'
complete -c bek-unlock -n '__bek_unlock_at initramfs 1' -a 'plan names network'

complete -c bek-unlock -n __bek_unlock_no_command -a key-service \
    -d 'answer systemd-cryptsetup\'s questions for the key of a line of crypttab'
complete -c bek-unlock -n '__bek_unlock_at key-service 1' -a '(__bek_unlock_names)'

complete -c bek-unlock -n __bek_unlock_no_command -a keyscript \
    -d 'write the key of the volume in CRYPTTAB_* to a pipe, for cryptsetup-initramfs'

complete -c bek-unlock -n __bek_unlock_no_command -a network \
    -d 'talk to the network for other runs, without rights'

complete -c bek-unlock -n __bek_unlock_no_command -a recover \
    -d 'open a disk of another machine, or an image of one, with the first key that fits'
complete -c bek-unlock -n '__bek_unlock_in recover' -l auth -x \
    -a '$__bek_unlock_auth' \
    -d 'how to sign in'
complete -c bek-unlock -n '__bek_unlock_in recover' -l backup-json -r -F \
    -d 'Azure Backup\'s file'
complete -c bek-unlock -n '__bek_unlock_in recover' -l ca -r -F \
    -d 'the authorities to trust instead of the system\'s'
complete -c bek-unlock -n '__bek_unlock_in recover' -l dry-run \
    -d 'prove that it can be done, change nothing'
complete -c bek-unlock -n '__bek_unlock_in recover' -l header -r -F \
    -d 'its detached header'
complete -c bek-unlock -n '__bek_unlock_in recover' -l identity -x \
    -a '$__bek_unlock_identity' \
    -d 'which managed identity'
complete -c bek-unlock -n '__bek_unlock_in recover' -l kek -x \
    -d 'the key-encryption key, with or without version'
complete -c bek-unlock -n '__bek_unlock_in recover' -l kek-algorithm -x \
    -a '$__bek_unlock_kek_algorithm' \
    -d 'how the KEK wraps'
complete -c bek-unlock -n '__bek_unlock_in recover' -l key-disk -x -a '(__bek_unlock_devices)' \
    -d 'a key disk, or an image of one'
complete -c bek-unlock -n '__bek_unlock_in recover' -l key-file -r -F \
    -d 'the key byte for byte'
complete -c bek-unlock -n '__bek_unlock_in recover' -l machine-name -x \
    -d 'MachineName'
complete -c bek-unlock -n '__bek_unlock_in recover' -l name -x \
    -d 'the volume\'s name'
complete -c bek-unlock -n '__bek_unlock_in recover' -l prompt \
    -d 'a passphrase, asked for on the terminal'
complete -c bek-unlock -n '__bek_unlock_in recover' -l read-write \
    -d 'not read-only'
complete -c bek-unlock -n '__bek_unlock_in recover' -l save-key -r -F \
    -d 'put the key that fits into a file'
complete -c bek-unlock -n '__bek_unlock_in recover' -l secret -x \
    -d 'a secret in Key Vault'
complete -c bek-unlock -n '__bek_unlock_in recover' -l timeout -x \
    -d 'one deadline for everything; else 90s'
complete -c bek-unlock -n '__bek_unlock_in recover' -l token \
    -d 'the LUKS2 token in the header'
complete -c bek-unlock -n '__bek_unlock_in recover' -l unwrapped -r -F \
    -d 'an answer of unwrapKey, or what else decode takes'
complete -c bek-unlock -n '__bek_unlock_in recover' -l vault -x \
    -d 'the secrets there that fit by their tags'
complete -c bek-unlock -n '__bek_unlock_in recover' -l vault-suffix -x \
    -d 'another suffix of vaults, of a private cloud'
complete -c bek-unlock -n '__bek_unlock_in recover' -l wrapped -r -F \
    -d 'a wrapped key, or a secret that holds one'
complete -c bek-unlock -n '__bek_unlock_at recover 1' -a '(__bek_unlock_devices)'

complete -c bek-unlock -n __bek_unlock_no_command -a rotate \
    -d 'give volumes new keys where the old ones are'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l all \
    -d 'every volume of bektab that has a wrapped key'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l auth -x \
    -a '$__bek_unlock_auth' \
    -d 'how to sign in'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l ca -r -F \
    -d 'the authorities to trust instead of the system\'s'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l dry-run \
    -d 'prove that it can be done, change nothing'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l identity -x \
    -a '$__bek_unlock_identity' \
    -d 'which managed identity'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l keep-kek \
    -d 'no newer version of the KEK'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l keep-passphrase \
    -d 'no new passphrase'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l kek -x \
    -d 'another key-encryption key'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l kek-algorithm -x \
    -a '$__bek_unlock_kek_algorithm' \
    -d 'how the KEK wraps'
complete -c bek-unlock -n '__bek_unlock_in rotate' -l vault-suffix -x \
    -d 'another suffix of vaults, of a private cloud'
complete -c bek-unlock -n '__bek_unlock_at rotate 1' -a '(__bek_unlock_names)'

complete -c bek-unlock -n __bek_unlock_no_command -a secrets \
    -d 'the disk secrets of a vault by their tags'
complete -c bek-unlock -n '__bek_unlock_in secrets' -l auth -x \
    -a '$__bek_unlock_auth' \
    -d 'how to sign in'
complete -c bek-unlock -n '__bek_unlock_in secrets' -l ca -r -F \
    -d 'the authorities to trust instead of the system\'s'
complete -c bek-unlock -n '__bek_unlock_in secrets' -l file -x \
    -d 'only secrets of this key file'
complete -c bek-unlock -n '__bek_unlock_in secrets' -l identity -x \
    -a '$__bek_unlock_identity' \
    -d 'which managed identity'
complete -c bek-unlock -n '__bek_unlock_in secrets' -l machine-name -x \
    -d 'only secrets of this machine'
complete -c bek-unlock -n '__bek_unlock_in secrets' -l vault -x \
    -d 'the vault'
complete -c bek-unlock -n '__bek_unlock_in secrets' -l vault-suffix -x \
    -d 'another suffix of vaults, of a private cloud'

complete -c bek-unlock -n __bek_unlock_no_command -a status \
    -d 'what is open, from which key source, since when'
complete -c bek-unlock -n '__bek_unlock_in status' -l last-boot \
    -d 'what this boot\'s time went into'
complete -c bek-unlock -n '__bek_unlock_from status 1' -a '(__bek_unlock_names)'

complete -c bek-unlock -n __bek_unlock_no_command -a token \
    -d 'the wrapped keys in a LUKS2 header: which there are, and changing them'
complete -c bek-unlock -n '__bek_unlock_in token' -l header -r -F \
    -d 'its detached header: FILE, DEVICE or PATH:DEVICE'
complete -c bek-unlock -n '__bek_unlock_in token' -l key-slot -x \
    -d 'the keyslot that its key opens; else the only one'
complete -c bek-unlock -n '__bek_unlock_in token' -l token -x \
    -d 'the token to assign or remove; else the only one'
complete -c bek-unlock -n '__bek_unlock_at token 1' -a 'show assign import remove'
complete -c bek-unlock -n '__bek_unlock_at token 2' -a '(__bek_unlock_devices)'
complete -c bek-unlock -n '__bek_unlock_at token 3' -F

complete -c bek-unlock -n __bek_unlock_no_command -a token-key \
    -d 'answer the plugin that cryptsetup loads for LUKS2 tokens'
complete -c bek-unlock -n '__bek_unlock_at token-key 1' -a 'open validate dump'
complete -c bek-unlock -n '__bek_unlock_at token-key 2' -a '(__bek_unlock_devices)'
# END
