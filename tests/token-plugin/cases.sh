#!/usr/bin/env bash
# The cases of tests/token-plugin.sh with the real cryptsetup; runs in a mount namespace of its own.
#
# WORK has the plugins and room, DIRECTORY is where libcryptsetup looks, KEY opens keyslot 0, PROGRAM is
# bek-unlock.
#
# Scripts in quotation marks are the stand-in's.
# shellcheck disable=SC2016
set -euo pipefail

readonly WORK DIRECTORY KEY PROGRAM
readonly WRONG="not $KEY"
readonly EAGAIN=-11 ENOENT=-2

main() {
    mount --bind "$WORK/plugins" "$DIRECTORY"
    stand_in
    make_images
    it_opens
    it_does_not_open
    others_are_asked
    keyslots_are_needed
    reports
    judges
    with_the_program
    ! grep --recursive --files-with-matches SENTINEL "$WORK/said" || fail 'the key was said'
}

# In bek-unlock's place: notes what it is asked, and does what `answers` says.
stand_in() {
    mkdir "$WORK/said" "$WORK/answers"
    cat >"$WORK/bek-unlock" <<STAND_IN
#!/usr/bin/env bash
frame() { printf "BEK\\\\1\\\\\$(printf %03o "\${#1}")\\\\0\\\\0\\\\0%s" "\$1"; }
json=\$(/usr/bin/cat)
KEY='$KEY' WRONG='$WRONG'
echo "\$*" >>'$WORK/asked'
. '$WORK/answers'/"\$2"
STAND_IN
    chmod +x "$WORK/bek-unlock"
}

# answers QUESTION SCRIPT: what the stand-in does from now on.
answers() { echo "$2" >"$WORK/answers/$1"; }

make_images() {
    image ours 0 "$(token bek-unlock '"0"')"
    image ade 5 "$(token Azure_Disk_Encryption '"0"')"
    image unassigned 5 "$(token Azure_Disk_Encryption '')"
    image both 0 "$(token bek-unlock '"0"')" 1 "$(token Azure_Disk_Encryption '"0"')"
    image none
}

# token TYPE KEYSLOTS
token() { echo "{\"type\":\"$1\",\"keyslots\":[$2],\"version\":\"1\"}"; }

# image NAME [NUMBER JSON]...: a LUKS2 volume with these tokens.
image() {
    local file=$WORK/$1.img
    shift
    truncate --size 20M "$file"
    printf %s "$KEY" | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        --key-file - "$file"
    answers validate :
    while (($# > 0)); do
        cryptsetup token import --token-id "$1" --json-file - "$file" <<<"$2"
        shift 2
    done
}

# opens IMAGE [COMMAND...]: whether a key for it is had from its tokens alone.
opens() {
    local image=$1
    shift
    : >"$WORK/asked"
    "$@" cryptsetup open --debug --test-passphrase --token-only "$WORK/$image.img" \
        >"$WORK/said/$image" 2>"$WORK/said/$image.error"
}

it_opens() {
    answers open 'frame "$KEY"'
    opens ours || fail 'ours does not open'
    [[ $(cat "$WORK/asked") == $'token-key validate\ntoken-key open -- '"$WORK/ours.img" ]] ||
        fail "it asked: $(cat "$WORK/asked")"
    opens ade || fail "ADE's does not open"
    answers open 'if [[ $json == {*\"Azure_Disk_Encryption\"*} ]]; then frame "$KEY"; fi'
    opens ade || fail 'the JSON is not the token'
    answers open 'frame "$KEY"'
    opens ours env --ignore-signal=CHLD || fail 'it does not open where nobody waits for children'
}

# Each way in which a program can fail, and the errno that libcryptsetup is told.
it_does_not_open() {
    refuses "$EAGAIN" 'exit 69'
    refuses "$ENOENT" 'exit 77'
    refuses "$ENOENT" 'exit 1'
    refuses "$ENOENT" 'kill -KILL $$'
    refuses "$ENOENT" :
    refuses "$ENOENT" 'printf %s "$KEY"'
    refuses "$ENOENT" 'frame "$KEY" | /usr/bin/head -c 20'
    refuses "$ENOENT" 'frame "$KEY"; printf x'
    refuses "$ENOENT" 'frame "$KEY"; exit 77'
    refuses "$ENOENT" 'printf "BEK\1\377\377\377\377"; exec /usr/bin/cat /dev/zero'
    answers open 'frame "$KEY" | /usr/bin/head -c 20'
    ! opens ours env --ignore-signal=CHLD || fail 'half a frame opens where nobody waits for children'

    mv "$WORK/bek-unlock" "$WORK/away"
    refuses "$ENOENT" :
    grep --quiet --fixed-strings "bek-unlock: cannot run $WORK/bek-unlock for LUKS2 token 0: No such file" \
        "$WORK/said/ours.error" || fail 'nobody is told that bek-unlock is not there'
    mv "$WORK/away" "$WORK/bek-unlock"
}

# refuses ERRNO SCRIPT
refuses() {
    answers open "$2"
    ! opens ours || fail "it opens with $2"
    grep --quiet --fixed-strings "Token 0 (bek-unlock) open failed with $1." "$WORK/said/ours" ||
        fail "not $1 with $2: $(grep Token "$WORK/said/ours")"
}

# Whatever comes of one token, libcryptsetup goes on to the next.
others_are_asked() {
    local script
    for script in 'exit 69' 'exit 77' 'kill -KILL $$' : 'frame "$WRONG"'; do
        answers open "case \$json in *bek-unlock*) $script ;; *) frame \"\$KEY\" ;; esac"
        opens both || fail "the other token is not asked after $script"
    done
    answers open 'frame "$WRONG"'
    ! opens both || fail 'a wrong key opens'
}

# libcryptsetup's own rule, for which ADE's token has to be assigned first.
keyslots_are_needed() {
    answers open 'frame "$KEY"'
    ! opens unassigned || fail 'a token without keyslots opens'
    [[ ! -s $WORK/asked ]] || fail 'a token without keyslots is asked about'
}

# What bek-unlock says is seen: its lines about a token, and on standard error what is wrong.
reports() {
    answers dump 'frame "$(printf "\tKEK:        https://contoso-kv.vault.azure.net/keys/kek/0123")"'
    cryptsetup luksDump "$WORK/ade.img" >"$WORK/said/dump"
    grep --quiet --line-regexp $'\tKEK:        https://contoso-kv.vault.azure.net/keys/kek/0123' <(
        sed 's/\tKeyslot:.*//' "$WORK/said/dump"
    ) || fail "luksDump shows: $(cat "$WORK/said/dump")"
    answers dump 'exit 76'
    cryptsetup luksDump "$WORK/ade.img" >"$WORK/said/dump" || fail 'luksDump fails with the plugin'

    answers open 'echo "bek-unlock: cause: the network is down" >&2; exit 69'
    ! opens ade || fail 'it opens without an answer'
    grep --quiet --line-regexp 'bek-unlock: cause: the network is down' "$WORK/said/ade.error" ||
        fail 'nobody is told what is wrong'
}

# A token goes into a header unless bek-unlock says that it cannot be read.
judges() {
    local script
    for script in 'exit 0' 'exit 1' 'kill -KILL $$'; do
        answers validate "$script"
        takes || fail "it is not taken with $script"
    done
    answers validate 'exit 76'
    ! takes || fail 'a token that cannot be read is taken'
    rm "$WORK/bek-unlock"
    takes || fail 'it is not taken without bek-unlock'
}

takes() {
    token bek-unlock '"0"' | cryptsetup token import --json-file - "$WORK/none.img" 2>"$WORK/said/import"
}

# The other end, too: a token that is not wrapped, as ADE may write one, needs nobody in the network.
with_the_program() {
    image plain 5 "{\"type\":\"Azure_Disk_Encryption\",\"keyslots\":[\"0\"],\"version\":\"1.0\",
        \"PassphraseName\":\"by hand\",\"Passphrase\":\"$KEY\"}"
    cp "$PROGRAM" "$WORK/bek-unlock"
    opens plain || fail "it does not open with bek-unlock: $(cat "$WORK/said/plain.error")"
    grep --quiet "bek-unlock: $WORK/plain.img: key from the LUKS2 token handed over" "$WORK/said/plain.error" ||
        fail 'nobody is told where the key is from'
    cryptsetup luksDump "$WORK/plain.img" >"$WORK/said/dump"
    grep --quiet 'Key: *not wrapped' "$WORK/said/dump" || fail "luksDump shows: $(cat "$WORK/said/dump")"
    ! opens ours || fail 'a token without a key opens'
    grep --quiet '^bek-unlock: cause: the LUKS2 token' "$WORK/said/ours.error" || fail 'nobody is told why'
}

main
