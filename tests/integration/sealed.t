#!/bin/bash
# A sealed repository, written by every job there is: nothing that was in the database or in names of
# ours stands in any of its objects, removed ones too, and each kind of key brings it back. The same jobs on
# a plain repository leave every mark, so the search can find them.
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/wal_scene.sh
. "$here/../lib/wal_scene.sh"

marks=(marktable markrow markwal marklabel markpin markdatabase)
unset MAINSTAY_REPOSITORY_ENCRYPTION MAINSTAY_REPOSITORY_KEY_FILE MAINSTAY_SNAPSHOT_LABEL
scene_plain=("$scene/plain")
objects_keep
scratch=$scene/scratch
as_server mkdir "$scratch"
export MAINSTAY_DRILL_SERVER_BINARIES=$SERVER_BIN MAINSTAY_DRILL_SCRATCH=$scratch

scene_cluster main
[[ -n ${MAINSTAY_TEST_SEALED:-} ]] || scene_mark main
cluster_stop main
as_server touch "$(cluster_data main)/standby.signal" # so that there is a history to be stored
cluster_start main
scene_psql main -c 'SELECT pg_promote()' >/dev/null
cluster_wait main 'SELECT NOT pg_is_in_recovery()'
scene_psql main -c 'CREATE DATABASE markdatabase' \
    -c "CREATE TABLE marktable AS SELECT g AS i, 'markrow ' || g AS v FROM generate_series(1, 20000) g"
rows() { scene_psql "$1" -c 'SELECT count(*), sum(i), md5(string_agg(v, $$,$$ ORDER BY i)) FROM marktable'; }

# write REPOSITORY SLOT: all jobs that put objects
write() {
    local repository=$1 id
    stream_start "$repository" main --wal-flush-interval 1s --wal-slot "$2"
    mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)" --wal-slot "$2" \
        --snapshot-label "marklabel one" >/dev/null
    scene_psql main -c "UPDATE marktable SET v = 'markwal ' || i WHERE i % 50 = 0"
    mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)" --wal-slot "$2" >/dev/null
    id=$(mainstay snapshot list --repo "$repository" --json | grep -oE '"id": "[0-9a-f]{16}"' | tail -n 1 | grep -oE '[0-9a-f]{16}')
    mainstay snapshot pin "$id" --repo "$repository" --reason "markpin because" >/dev/null
    mainstay restore-point create "point-$2" --repo "$repository" --connection "$(cluster_conninfo main)" >/dev/null
    wait_until 20 stored_up_to "$repository" "$(position main)"
    mainstay wal merge --repo "$repository" --older-than 0s >/dev/null
    mainstay snapshot verify --repo "$repository" --record >/dev/null
    mainstay snapshot expire --repo "$repository" --retention-keep-last 5 >/dev/null
    mainstay drill run --repo "$repository" --connection "$(cluster_conninfo main)" >"$TEST_DIR/drill-$2" 2>&1
    stream_stop || true
}

# found_in REPOSITORY: what is found in all objects that were ever put into it, each once
found_in() { objects_look "$(objects_of "$1")" "${marks[@]}" | sed -n 's/^[^ ]*: //p' | sort -u; }

# restored TO [OPTION...]: the latest state, as rows
restored() {
    local to=$1
    shift
    mainstay restore --to "$to" --latest "$@" >/dev/null && scene_start copy "$to" && rows copy
    scene_remove copy
}

# --- plain: the marks are there ---------------------------------------------------------------------

mainstay repo init --no-slot --repo "$scene/plain" --repository-codec none >/dev/null
ok 'all jobs on a plain repository' write "$scene/plain" plain
ok 'and a snapshot with the label of all tests' mainstay snapshot create --repo "$scene/plain" \
    --connection "$(cluster_conninfo main)" --snapshot-label mark-of-a-label
is "$(found_in "$scene/plain")" "$({
    printf 'holds %s\n' "${marks[@]}" "${scene_marks[@]}" 'a page of WAL'
    echo 'does not begin as a sealed object'
    echo 'does not say that it is sealed'
} | sort -u)" 'every mark is found in it'
is "$(objects_look "$(objects_of "$scene/plain")" | grep -c 'begin as')" \
    "$(find "$(objects_of "$scene/plain")" -type f ! -name 'mainstay.json*' | wc -l)" 'and that no object is sealed'
like "$(find "$(objects_of "$scene/plain")" -type f -printf '%P ')" 'leases/' 'objects that are removed are looked at'

# --- sealed: none is --------------------------------------------------------------------------------

sealed=$scene/sealed
export MAINSTAY_REPOSITORY_KEY_FILE=$scene/repository.key
mainstay repo init --no-slot --repo "$sealed" --repository-codec none --repository-encryption sealed >/dev/null
ok 'all jobs on a sealed one' write "$sealed" sealed
ok 'every object is sealed and no mark is found' objects_look "$(objects_of "$sealed")" "${marks[@]}"
object=$(find "$(objects_of "$sealed")/snapshots" -type f | head -n 1)
odd=$TEST_DIR/odd
mkdir "$odd"
fails 'a search that finds no object is no success' 2 '^0 objects' objects_look "$odd"
cp "$object" "$odd/one"
ok 'one sealed object is accepted' objects_look "$odd" markrow
echo markrow >>"$odd/one"
fails 'a mark in it is not' 1 'one: holds markrow' objects_look "$odd" markrow
head -c 60 "$object" >"$odd/one"
fails 'nor a head with nothing behind it' 1 'one: does not begin as a sealed object' objects_look "$odd"
{ head -c 10 "$object"; printf '\0'; tail -c +12 "$object"; } >"$odd/one"
fails 'nor cipher 0' 1 'one: does not begin as a sealed object' objects_look "$odd"
is "$(stat -c %a "$MAINSTAY_REPOSITORY_KEY_FILE")" 600 'its key is for its owner alone'
like "$(mainstay drill list --repo "$sealed")" 'passed' 'the drill of it passed'
cmp_kinds() { find "$1" -type f -printf '%P\n' | cut -d/ -f1 | sort -u | grep -v '^keys$' | tr '\n' ' '; }
is "$(cmp_kinds "$sealed")" "$(cmp_kinds "$scene/plain")" 'both hold the same kinds of objects'

doctor() { mainstay doctor --repo "$1" --connection "$(cluster_conninfo main)" 2>&1 | grep -A1 'repository.keys' || true; }
like "$(unset MAINSTAY_REPOSITORY_KEY_FILE && doctor "$scene/plain")" 'not sealed: who can read the store' 'doctor says that the plain one is not sealed'
like "$(doctor "$sealed")" 'warning .*one key opens' 'and warns when one key is all there is'
like "$(doctor "$sealed")" 'fix: mainstay repo key export --paper' 'with the remedy'

# --- each kind of key brings it back ------------------------------------------------------------------

before=$(rows main)
is "$(restored "$scene/by-file" --repo "$sealed")" "$before" 'by the key file'
key() { mainstay repo key "$@" --repo "$sealed"; }
echo 'correct horse battery staple' >"$scene/passphrase"
# shellcheck disable=SC2016 # the program's own variable
printf '#!/bin/sh\ncat "%s/vault.key"\n' "$scene" >"$scene/vault"
chmod 755 "$scene/vault"
give_to_server "$scene/passphrase" "$scene/vault"
chmod 600 "$scene/passphrase"
ok 'a passphrase is added' key add --new-passphrase-file "$scene/passphrase" --label person
as_server bash -c "umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >'$scene/vault.key'"
ok 'and the output of a program' key add --new-key-command "$scene/vault" --label vault
ok 'a new generation of data keys begins' key rotate
like "$(doctor "$sealed")" 'ok .*3 keys open .*; this one does' 'doctor is content with more'
ok 'a key that may only write is added' key add --grant write --new-key-file "$scene/writer.key"
like "$(MAINSTAY_REPOSITORY_KEY_FILE=$scene/writer.key doctor "$sealed")" '3 keys open .*this one may only write' \
    'doctor says what it is for'
mainstay repo init --no-slot --repo "$scene/other" --repository-encryption sealed --repository-key-file "$scene/other.key" >/dev/null 2>&1
stranger=$(basename "$(echo "$scene"/other/keys/*)")
cp -p "$scene/other/keys/$stranger" "$sealed/keys/$stranger"
like "$(doctor "$sealed")" "failed .*somebody who may write to the store added 1, \"keys/$stranger\"" 'and finds a key of a stranger'
rm "$sealed/keys/$stranger"
unset MAINSTAY_REPOSITORY_KEY_FILE
is "$(restored "$scene/by-passphrase" --repo "$sealed" --repository-passphrase-file "$scene/passphrase")" "$before" \
    'by the passphrase'
is "$(restored "$scene/by-command" --repo "$sealed" --repository-key-command "$scene/vault")" "$before" \
    'by the program'
MAINSTAY_REPOSITORY_KEY_FILE=$scene/repository.key
export MAINSTAY_REPOSITORY_KEY_FILE
scene_psql main -c "INSERT INTO marktable VALUES (0, 'markrow after the rotation')"
mainstay snapshot create --repo "$sealed" --connection "$(cluster_conninfo main)" --snapshot-own-wal >/dev/null
is "$(mainstay restore --repo "$sealed" --to "$scene/after" >/dev/null && scene_start copy "$scene/after" && rows copy)" \
    "$(rows main)" 'what is stored after the rotation comes back, with pages from before it'
scene_remove copy
ok 'and no mark is in it' objects_look "$(objects_of "$sealed")" "${marks[@]}"

# --- refusals ------------------------------------------------------------------------------------------

printf '%064d' 1 >"$scene/wrong.key"
give_to_server "$scene/wrong.key"
chmod 600 "$scene/wrong.key"
fails 'another key opens nothing' 1 'key' mainstay snapshot list --repo "$sealed" --repository-key-file "$scene/wrong.key"
unset MAINSTAY_REPOSITORY_KEY_FILE
fails 'nor does none' 1 'sealed' mainstay snapshot list --repo "$sealed" </dev/null
fails 'the promise of a sealed repository is kept' 5 'sealed' \
    mainstay snapshot list --repo "$scene/plain" --repository-encryption sealed --repository-key-file "$scene/wrong.key"

done_testing
