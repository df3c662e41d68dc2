#!/bin/bash
# The key slots of a sealed repository, from end to end: recipients, keys that may only write, a changed
# passphrase, removed keys, a recovery sheet that is typed in again, wrong keys, and encryption that cannot be
# applied. What is restored is compared with the server, row by row.
# time limit: 300
# shellcheck disable=SC2086,SC2317 # ways to open are several words; functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/wal_scene.sh
. "$here/../lib/wal_scene.sh"
# shellcheck source=tests/lib/load_scene.sh
. "$here/../lib/load_scene.sh"
stream_pid=
end_all() {
    [[ -z $stream_pid || $(readlink "/proc/$stream_pid/exe") != "$MAINSTAY" ]] || kill -KILL "$stream_pid"
    load_end
}
trap 'status=$?; set +e; end_all; (exit "$status"); cluster_cleanup' EXIT

# --- helpers ------------------------------------------------------------------------------------------

scratch=$scene/scratch
as_server mkdir "$scratch"
export MAINSTAY_DRILL_SERVER_BINARIES=$SERVER_BIN MAINSTAY_DRILL_SCRATCH=$scratch
sealed=$scene/sealed
plain=$scene/plain

rows() { scene_psql "$1" -c 'SELECT count(*), sum(id), md5(string_agg(subject, $$,$$ ORDER BY id)) FROM ticket'; }
# change NUMBER: other rows than before
change() { scene_psql main -c "UPDATE ticket SET subject = 'change $1 of ' || id WHERE id % 20 = $1" -c "INSERT INTO ticket VALUES (-$1, 'new')"; }
# with NAME COMMAND...: mainstay with the way to open the repository that is called so
declare -A way
with() {
    local name=$1
    shift
    mainstay "$@" --repo "$sealed" ${way[$name]}
}
key() { with "$1" repo key "${@:2}"; }
# slot LABEL: the id of the slot that is called so
slot() { key first list | awk -v label="$1" '$NF == label || $(NF - 2) == label { print $1; exit }'; }
snapshot() { with "$1" snapshot create --connection "$(cluster_conninfo main)" --wal-slot sealed "${@:2}"; }
# restored NAME [OPTION...]: the rows of the latest state, or what kept it from being restored
restored() {
    local name=$1
    shift
    with "$name" restore --to "$scene/copy" "${@:---latest}" >"$TEST_DIR/restore.log" 2>&1 || { cat "$TEST_DIR/restore.log"; return 0; }
    scene_start copy "$scene/copy" && rows copy
    scene_remove copy
}
opens() { with "$1" snapshot list >/dev/null; }
keys_of() { find "$sealed/keys" -type f -printf '%f\n' | sort; }
slots() { keys_of | cut -c 18-33 | sort -u | wc -l; }
stored() { MAINSTAY_REPOSITORY_KEY_FILE=$scene/first.key wait_until 20 stored_up_to "$sealed" "$(position main)"; }
# secret FILE [TEXT]: a file of the servers' user alone; without a text a new key
secret() {
    printf '%s\n' "${2:-$(od -An -tx1 -N 32 /dev/urandom | tr -d ' \n')}" >"$1"
    give_to_server "$1"
    chmod 600 "$1"
}

for name in first writer other; do way[$name]="--repository-key-file $scene/$name.key"; done
way[old]="--repository-passphrase-file $scene/old.passphrase"
way[new]="--repository-passphrase-file $scene/new.passphrase"
secret "$scene/old.passphrase" 'correct horse battery staple'
secret "$scene/new.passphrase" 'tr0ub4dor & 3'

scene_cluster main
scene_psql main -c "CREATE TABLE ticket AS SELECT g AS id, 'ticket ' || g AS subject FROM generate_series(1, 20000) g"

# --- init ---------------------------------------------------------------------------------------------

mainstay repo init --no-slot --repo "$plain" >/dev/null 2>"$TEST_DIR/plain.init"
is "$(cat "$TEST_DIR/plain.init")" '' 'a plain repository is made without a warning'
mainstay repo init --no-slot --repo "$sealed" --repository-encryption sealed ${way[first]} >/dev/null 2>"$TEST_DIR/sealed.init"
like "$(cat "$TEST_DIR/sealed.init")" 'warning this repository is sealed: without its key nothing in it can be restored, by nobody.*mainstay repo key export --paper' \
    'a sealed one is not, and it says what a lost key means'

# --- recipients -----------------------------------------------------------------------------------------

openssl genpkey -algorithm X25519 -out "$TEST_DIR/identity.pem"
raw() { openssl pkey -in "$TEST_DIR/identity.pem" -outform DER "$@" | tail -c 32 | od -An -tx1 | tr -d ' \n'; }
secret "$scene/identity.key" "$(raw)"
public=$(raw -pubout)
signer=$(key first list | sed -n 's/^signer //p')
identity="--repository-identity-file $scene/identity.key"
way[safe]="$identity --repository-signer $signer"
way[unsigned]=$identity
way[misled]="$identity --repository-signer $(printf '%064d' 7)"
fails 'a public key must be one' 2 'recipient' key first add --recipient "${public%??}"
fails 'nor is zero one' 2 'X25519' key first add --recipient "$(printf '%064d' 0)"
ok 'a recipient is added by his public key' key first add --recipient "$public" --label safe
stream_start "$sealed" main --wal-slot sealed --wal-flush-interval 1s ${way[first]}
ok 'a snapshot meanwhile' snapshot first
change 1
ok 'and WAL' stored
is "$(restored safe)" "$(rows main)" 'his identity and the signer restore all of it'
fails 'without the signer he is told why it is needed' 2 'anybody could have sealed to it' opens unsigned
fails 'and where it is found' 2 'repository.signer.*repo key list' opens unsigned
fails 'the wrong signer is refused' 1 'recipient.*signer' opens misled
fails 'and brings nothing back' 1 'recipient.*signer' with misled restore --to "$scene/nothing"
ok 'nothing was written' test ! -e "$scene/nothing"

# --- keys that may only write -----------------------------------------------------------------------------

stream_stop
ok 'a key that may only write is added' key first add --grant write --new-key-file "$scene/writer.key" --label writer
is "$(stat -c %a "$scene/writer.key")" 600 'its file was made for its owner alone'
stream_start "$sealed" main --wal-slot sealed --wal-flush-interval 1s ${way[writer]}
change 2
ok 'its holder takes a snapshot' snapshot writer
change 3
ok 'and another one' snapshot writer
with writer snapshot show latest --json >"$TEST_DIR/snapshot.json"
like "$(json_value "$TEST_DIR/snapshot.json" parent)" '^[0-9a-f]{16}$' 'that is incremental'
ok 'and one with its own WAL' with writer snapshot create --connection "$(cluster_conninfo main)" --snapshot-own-wal
ok 'makes a restore point' with writer restore-point create held --connection "$(cluster_conninfo main)"
held=$(rows main)
change 4
stored
ok 'merges WAL' with writer wal merge --older-than 0s
ok 'lists snapshots' opens writer
ok 'restore points' with writer restore-point list
ok 'and keys' key writer list
ok 'shows status' with writer wal status
ok 'pins a snapshot' with writer snapshot pin latest --reason 'not to be lost'
ok 'expires' with writer snapshot expire --retention-keep-last 9
ok 'and cleans up' with writer repo gc

before=$(find "$sealed" -type f | sort)
may_only_write='this key may only write|with a key that may only write'
refused() { fails "a key that may only write: no $1" "$2" "$may_only_write" "${@:3}"; }
refused 'restore' 5 with writer restore --to "$scene/nothing"
refused 'restore to a point in time' 5 with writer restore --to "$scene/nothing" --target-name held
refused 'restore over a data directory' 5 with writer restore --to "$scene/nothing" --delta
refused 'restore as a stream' 5 with writer restore --tar
refused 'drill' 5 with writer drill run
refused 'dry run of a drill' 5 with writer drill run --dry-run
refused 'wal get' '12[6-9]|1[3-9][0-9]|2[0-9][0-9]' with writer wal get \
    "$(scene_psql main -c "SELECT pg_walfile_name(pg_current_wal_lsn() - 1)")" "$scene/nothing"
refused 'new key' 5 key writer add --new-key-file "$scene/other.key"
refused 'new key for a passphrase' 5 key writer add --new-passphrase-file "$scene/new.passphrase"
refused 'new recipient' 5 key writer add --recipient "$public"
refused 'removal of a key' 5 key writer remove --slot "$(slot safe)"
refused 'removal of itself' 5 key writer remove --slot "$(slot writer)"
refused 'rotation' 5 key writer rotate
refused 'other key in its place' 5 key writer rewrap --new-key-file "$scene/other.key"
refused 'recovery sheet' 5 key writer export --paper
ok 'no key file was made for what was refused' test ! -e "$scene/other.key"
ok 'and nothing was restored' test ! -e "$scene/nothing"
is "$(find "$sealed" -type f | sort)" "$before" 'nor stored'
ok 'it verifies that objects are what was stored' with writer snapshot verify
like "$(with writer snapshot verify 2>&1)" 'no page and no WAL was opened: this key may only write' 'and says that it opened none'
with writer snapshot verify --json >"$TEST_DIR/verify.json"
is "$(json_value "$TEST_DIR/verify.json" opened) $(json_value "$TEST_DIR/verify.json" pages_checked)" 'false 0' 'and counts none'
stored
is "$(restored first)" "$(rows main)" 'who holds a full key restores what it wrote'
is "$(restored first --target-name held)" "$held" 'up to its restore point, too'
ok 'and verifies it' with first snapshot verify

# --- a changed passphrase, a new key file --------------------------------------------------------------------

ok 'a passphrase is added' key first add --new-passphrase-file "$scene/old.passphrase" --label person
is "$(restored old)" "$(rows main)" 'it opens'
count=$(slots)
ok 'it gives way to another' key old rewrap --new-passphrase-file "$scene/new.passphrase" --label person
fails 'the old one opens nothing' 1 'this is not the passphrase' opens old
is "$(restored new)" "$(rows main)" 'the new one opens'
is "$(slots)" "$count" 'and there are as many keys as before'
way[next]="--repository-key-file $scene/next.key"
ok 'so does a key file' key first rewrap --new-key-file "$scene/next.key" --label first
fails 'the old one opens nothing' 1 'this is not the key file' opens first
is "$(restored next)" "$(rows main)" 'the new one opens, too'
fails 'a key cannot give way to itself' 2 'the key in use' key next rewrap --new-key-file "$scene/next.key"
fails 'nor to one that may only write' 2 'takes no --grant' key next rewrap --grant write --new-key-file "$scene/other.key"
ok 'it opens as before' opens next
way[first]=${way[next]}

# --- removed keys ----------------------------------------------------------------------------------------------

person=$(slot person)
ok 'a key is removed' key first remove --slot "$person"
fails 'it opens nothing' 1 'this is not the passphrase' opens new
fails 'it cannot be removed twice' 3 "there is no key $person" key first remove --slot "$person"
ok 'so is that of a recipient' key safe remove --slot "$(slot safe)"
fails 'who opens nothing then' 1 'recipient' opens safe
fails 'the last key that grants all stays' 5 'the last one that opens what is stored' key first remove --slot "$(slot first)"
ok 'it opens' opens first
ok 'the one that may only write goes' key first remove --slot "$(slot writer)"
stream_stop || true
fails 'and takes no snapshot any more' 1 'this is not the key file' snapshot writer

# --- a recovery sheet --------------------------------------------------------------------------------------------

ok 'a sheet is printed' key first export --paper
key first rotate >/dev/null 2>"$TEST_DIR/rotate.log"
like "$(cat "$TEST_DIR/rotate.log")" 'print a new one with mainstay repo key export --paper' 'a rotation says that sheets grow old'
change 5
ok 'more is stored' with first snapshot create --connection "$(cluster_conninfo main)" --snapshot-own-wal
key first export --paper >"$TEST_DIR/sheet"
like "$(cat "$TEST_DIR/sheet")" 'Whoever has these lines can read every ticket' 'it says what it is worth'
is "$(grep -cE '^ +[0-9]+: ([0-9a-f]{4} ){4}- [0-9a-f]{4}$' "$TEST_DIR/sheet")" 29 'it has the key, and two generations of data keys'
# typed FIRST LAST [SED]: as a person types it in: no blanks that do not matter, capitals, no other line
typed() {
    grep -E '^ +[0-9]+:' "$TEST_DIR/sheet" | sed -e 's/^ *//' -e 's/ - / /' | tr a-f A-F | sed -n "$1,$2p" | sed "${3:-}" >"$scene/typed"
    chmod 600 "$scene/typed"
    give_to_server "$scene/typed"
}
way[paper]="--repository-key-file $scene/paper.key"
import() { mainstay repo key import --from "$scene/typed" --new-key-file "$scene/paper.key" "$@"; }
typed 1 4 '3s/F$/@/; 3s/[^@]$/F/; 3s/@$/0/'
fails 'a mistyped digit is named by its line' 1 'line 3 of the recovery sheet is not as it was printed' import
typed 1 4 '2s/: ./: O/'
fails 'so is a letter' 1 'line 2 of the recovery sheet is not' import
typed 1 4 '4d'
fails 'and a line that is missing' 1 'line 4 of the recovery sheet is missing' import
typed 1 29 '17d'
fails 'among the data keys, too' 1 'line 17 of the recovery sheet is missing' import
typed 1 28
fails 'and at the end' 1 'line 29 of the recovery sheet is missing' import
typed 1 4 's/^2:/9:/; s/^3:/2:/; s/^9:/3:/'
fails 'and lines that were exchanged' 1 'line [23] of the recovery sheet is not' import
ok 'no key file was made of any of these' test ! -e "$scene/paper.key"
typed 1 4
ok 'four lines make a key file' import
is "$(stat -c %a "$scene/paper.key")" 600 'for its owner alone'
is "$(restored paper)" "$(rows main)" 'it brings everything back'
rm -r "$sealed/keys"
fails 'keys/ is lost: the key alone opens nothing' 1 'this is not the key file' opens paper
fails 'four lines do not bring it back' 1 'line 5 of the recovery sheet is missing' import --recreate --repo "$sealed"
typed 1 29
fails 'nor do all of them in a plain repository' 5 'not sealed' import --recreate --repo "$plain"
ok 'all of them do' import --recreate --repo "$sealed"
is "$(restored paper)" "$(rows main)" 'everything is there again'
ok 'verified' with paper snapshot verify
is "$(find "$sealed/keys" -type f | wc -l)" 2 'a key for each generation'
ok 'and again' import --recreate --repo "$sealed"
is "$(find "$sealed/keys" -type f | wc -l)" 2 'no other one'
ok 'keys are added as before' key paper add --new-key-file "$scene/first.key" --label first
way[first]="--repository-key-file $scene/first.key"
is "$(restored first)" "$(rows main)" 'and open everything'
is "$(key first list | sed -n 's/^signer //p')" "$signer" 'the signer is the same'

# --- wrong keys ------------------------------------------------------------------------------------------------

# The same words for every wrong key of a kind, whatever there is in the store.
lone=$scene/lone
secret "$scene/lone.key"
mainstay repo init --no-slot --repo "$lone" --repository-encryption sealed --repository-key-file "$scene/lone.key" >/dev/null 2>&1
ok 'a passphrase' key first add --new-passphrase-file "$scene/old.passphrase" --label person
ok 'and a recipient are added' key first add --recipient "$public" --label safe
for i in 1 2; do
    secret "$scene/wrong$i.key"
    secret "$scene/wrong$i.passphrase" "wrong $i"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\ncat "%s/wrong%s.key"\n' "$scene" "$i" >"$scene/wrong$i.command"
    chmod 755 "$scene/wrong$i.command"
done
said() { # REPOSITORY OPTION...: the exit code and all that was said
    local status=0
    mainstay snapshot list --repo "$@" 2>&1 || status=$?
    echo "exit code $status"
}
constant() { # KIND OPTIONS OPTIONS...: all wrong ones
    local kind=$1 first options repository
    shift
        first=$(said "$lone" $1)
    like "$first" "^mainstay: cannot open the repository: .*exit code 1$" "a wrong $kind is refused"
    for options in "$@"; do
        for repository in "$lone" "$sealed"; do
                        [[ $(said "$repository" $options) == "$first" ]] || { echo "$first"; said "$repository" $options; return 1; }
        done
    done >"$TEST_DIR/said"
    is "$(cat "$TEST_DIR/said")" '' "in words that do not depend on the store"
}
for kind in key-file:key passphrase-file:passphrase key-command:command; do
    constant "${kind%:*}" "--repository-${kind%:*} $scene/wrong1.${kind#*:}" "--repository-${kind%:*} $scene/wrong2.${kind#*:}"
done
constant identity "--repository-identity-file $scene/wrong1.key --repository-signer $signer" \
    "--repository-identity-file $scene/identity.key --repository-signer $(printf '%064d' 7)" \
    "--repository-identity-file $scene/wrong2.key --repository-signer $(printf '%064d' 7)"
fails 'two keys at once are refused' 2 'several keys at once' mainstay snapshot list --repo "$sealed" ${way[first]} ${way[old]}
chmod 644 "$scene/wrong1.key"
fails 'so is a key that others can read' 5 "used by everybody" mainstay snapshot list --repo "$sealed" --repository-key-file "$scene/wrong1.key"

# --- encryption that cannot be applied --------------------------------------------------------------------------

# Every job that writes, on a repository that holds something for it to do.
mainstay snapshot create --repo "$plain" --connection "$(cluster_conninfo main)" --snapshot-own-wal >/dev/null
jobs=('snapshot create --snapshot-own-wal' 'wal stream --wal-slot other' 'wal merge' 'restore-point create never' 'snapshot pin latest --reason none'
    'snapshot unpin latest' 'snapshot expire --retention-keep-last 1' 'repo gc' 'snapshot verify --record' 'drill run')
# all_refuse DESCRIPTION STATUS PATTERN REPOSITORY OPTION...
all_refuse() {
    local description=$1 status=$2 pattern=$3 repository=$4 job got output connection
    shift 4
    find "$repository" -type f | sort >"$TEST_DIR/before"
    for job in "${jobs[@]}"; do
        connection=()
        case $job in *create* | *stream* | drill*) connection=(--connection "$(cluster_conninfo main)") ;; esac
        got=0
                output=$(mainstay $job --repo "$repository" "${connection[@]}" "$@" 2>&1 </dev/null) || got=$?
        [[ $got == "$status" ]] && grep -qE -- "$pattern" <<<"$output" || echo "$job: exit code $got: $output"
    done >"$TEST_DIR/took"
    is "$(cat "$TEST_DIR/took")" '' "$description: every job that writes refuses"
    is "$(find "$repository" -type f | sort)" "$(cat "$TEST_DIR/before")" 'and nothing is written'
}
not_sealed='the configuration asks for encryption, and the repository is not sealed'
all_refuse 'sealed is promised, it is plain' 5 "$not_sealed" "$plain" --repository-encryption sealed
all_refuse 'and with a key' 5 "$not_sealed" "$plain" --repository-encryption sealed ${way[first]}
all_refuse 'a key file for a plain one' 5 "$not_sealed" "$plain" ${way[first]}
all_refuse 'a key file that is not there' 5 "$not_sealed" "$plain" --repository-key-file /nonexistent
all_refuse 'a passphrase' 5 "$not_sealed" "$plain" ${way[old]}
all_refuse 'a command' 5 "$not_sealed" "$plain" --repository-key-command "$scene/wrong2.command"
all_refuse 'an identity' 5 "$not_sealed" "$plain" ${way[safe]}
all_refuse 'a signer' 5 "$not_sealed" "$plain" --repository-signer "$signer"
all_refuse 'no key for a sealed one' 1 'it is sealed, and no key is configured' "$sealed"
all_refuse 'plain is promised, it is sealed' 5 'repository.encryption is "none", and the repository is sealed' "$sealed" \
    --repository-encryption none ${way[first]}

fails 'a sheet of another repository is refused' 1 'the keys of another repository' import --recreate --repo "$lone"
SNAPSHOTS='@every 1s' daemon_config refused "$plain" main
sed -i 's|^  url:.*|&\n  encryption: sealed|' "$scene/refused.yaml"
find "$plain" -type f | sort >"$TEST_DIR/before"
daemon_start refused
ok 'a daemon goes on refusing' wait_until 30 grep -q 'leader failed with exit code 5, 2 times in a row' "$scene/refused.log"
like "$(cat "$scene/refused.log")" "$not_sealed" 'says why'
readiness() {
    curl -s -m 5 -o /dev/null -w '%{http_code}' \
        "$(grep -oE 'metrics on http://127.0.0.1:[0-9]+' "$scene/refused.log" | tail -n 1 | grep -oE 'http.*')/readyz" || true
}
is "$(readiness)" 503 'is not ready'
daemon_kill refused all
is "$(find "$plain" -type f | sort)" "$(cat "$TEST_DIR/before")" 'and writes nothing'

no_init() { fails "init: $1" "$2" "$3" mainstay repo init --no-slot --repo "$scene/never" "${@:4}"; }
no_init 'a key and no encryption' 2 'encryption is not asked for' ${way[first]}
no_init 'a key and encryption=none' 2 'encryption is not asked for' --repository-encryption none ${way[first]}
no_init 'a signer and no encryption' 2 'encryption is not asked for' --repository-signer "$signer"
no_init 'sealed by nothing' 1 'no key is configured' --repository-encryption sealed
no_init 'sealed to a recipient' 2 'the first key is' --repository-encryption sealed ${way[safe]}
no_init 'sealed with a signer' 2 'repository.signer' --repository-encryption sealed ${way[first]} --repository-signer "$signer"
no_init 'sealed by several' 2 'several keys at once' --repository-encryption sealed ${way[first]} ${way[old]}
ok 'no repository was made' test ! -e "$scene/never/mainstay.json"
fails 'keys of a plain repository are none' 5 'not sealed' mainstay repo key list --repo "$plain"
fails 'an option that an action cannot apply is refused' 2 'rotate. takes no --grant' key first rotate --grant write
fails 'so are two new keys' 2 'several new keys at once' key first add --recipient "$public" --new-key-file "$scene/other.key"

done_testing
