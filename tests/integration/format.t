#!/bin/bash
# FORMAT.md is enough: a second reader, written in Python from that page alone, restores what
# `mainstay restore` restores, byte for byte, and refuses what the page says must be refused: of plain
# repositories, and of a sealed one with each kind of key.
# time limit: 600
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
/usr/bin/python3 -c 'import nacl, xxhash, zstandard' 2>/dev/null || {
    echo "1..0 # SKIP python3-xxhash, python3-zstandard and python3-nacl are not installed"
    exit 0
}
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/wal_scene.sh
. "$here/../lib/wal_scene.sh"
mkdir "$TEST_DIR/reader" # the servers' user may not be able to read the tree
cp "$here"/../format/*.py "$TEST_DIR/reader"
reader() {
    as_server /usr/bin/python3 -B "$TEST_DIR/reader/reader.py" "$@"
}

[[ -z ${MAINSTAY_TEST_SEALED:-} ]] || skip_all 'it reads plain repositories, and makes those that are sealed by itself'
scene_cluster main
as_server mkdir "$scene/space"
export MAINSTAY_POSTGRES_CONNECTION MAINSTAY_REPOSITORY_URL
MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
scene_psql main -c "CREATE TABLESPACE side LOCATION '$scene/space'" \
    -c "CREATE TABLE t AS SELECT g, md5(g::text) AS text FROM generate_series(1, 20000) AS g" \
    -c "CREATE TABLE elsewhere TABLESPACE side AS TABLE t"
codecs=(zstd zlib none)

# same_files RESTORED READ: content, kinds, permission bits; links to tablespaces are followed.
same_files() {
    local listing="-mindepth 1 ! -path */backup_manifest ! -regex .*/pg_tblspc/[0-9]+ -printf"
    # shellcheck disable=SC2086 # words of a list
    diff <(cd "$1" && find -L . $listing '%P %y %m\n' | sort) \
        <(cd "$2" && find -L . $listing '%P %y %m\n' | sort) &&
        diff -r --exclude=backup_manifest "$1" "$2"
}

for codec in "${codecs[@]}"; do
    export MAINSTAY_REPOSITORY_URL=$scene/$codec
    ok "$codec: a repository" mainstay repo init --repository-codec "$codec"
    ok "$codec: full snapshot" mainstay snapshot create
    scene_psql main -c "UPDATE t SET text = '$codec' WHERE g % 40 = 0" \
        -c "UPDATE elsewhere SET text = '$codec' WHERE g % 40 = 0"
    ok "$codec: incremental snapshot" mainstay snapshot create
    is "$(reader list "$scene/$codec" | wc -l)" 2 "$codec: the second reader finds both"
    [[ $codec != zstd ]] ||
        ok "$codec: the second reader accepts everything" reader check "$scene/$codec"
    for name in $(reader list "$scene/$codec" | tail -n 1); do
        id=${name##*-}
        ok "$codec: mainstay restores $id" mainstay restore --snapshot "$id" \
            --to "$scene/restored" --tablespace "$scene/space=$scene/moved"
        as_server mkdir "$scene/read"
        ok "$codec: so does the second reader" reader restore "$scene/$codec" "$name" "$scene/read"
        sed -i "s|$scene/moved|$scene/space|" "$scene/restored/tablespace_map"
        ok "$codec: to the same bytes" same_files "$scene/restored" "$scene/read"
        rm -rf "$scene/restored" "$scene/read" "$scene/moved"
    done
done

# A snapshot that relies on the archive.
export MAINSTAY_REPOSITORY_URL=$scene/zstd
stream_start "$scene/zstd" main --wal-flush-interval 1s
redo() { scene_psql main -c 'SELECT redo_lsn FROM pg_control_checkpoint()'; }
streaming() { [[ -n $(status_of "$scene/zstd" last_lsn) ]] && stored_up_to "$scene/zstd" "$(redo)"; }
ok 'a stream stores the WAL' wait_until 30 streaming
ok 'a snapshot under the stream' mainstay snapshot create
stream_stop
name=$(reader list "$scene/zstd" | tail -n 1)
like "$(mainstay snapshot show latest)" 'in the archive' 'it has no WAL of its own'
ok 'the second reader accepts it, and all WAL' reader check "$scene/zstd"
ok 'mainstay restores it' mainstay restore --to "$scene/restored" --tablespace "$scene/space=$scene/moved"
as_server mkdir "$scene/read"
ok 'so does the second reader' reader restore "$scene/zstd" "$name" "$scene/read"
sed -i "s|$scene/moved|$scene/space|" "$scene/restored/tablespace_map"
ok 'to the same bytes, WAL included' same_files "$scene/restored" "$scene/read"
rm -rf "$scene/restored" "$scene/moved"
ok 'of which there are some' test -n "$(find "$scene/read/pg_wal" -type f -size 16M)"
rm -rf "$scene/read"

# flipped FILE: a bit in the middle is inverted
flipped() {
    perl -e 'my $file = shift; chmod 0600, $file; open(my $fh, "+<", $file) or die;
        my $at = int((-s $file) / 2); seek($fh, $at, 0); read($fh, my $byte, 1);
        seek($fh, $at, 0); print $fh chr(ord($byte) ^ 4); close($fh) or die' "$1"
}
as_server cp -a "$scene/zstd/wal" "$scene/none/wal" # of another repository
fails 'the second reader refuses WAL of another repository' 4 'belongs to another repository' reader check "$scene/none"
rm -rf "$scene/none/wal"
victim=$(find "$scene/zstd/wal" -name '*.wal' | sort | head -n 1)
flipped "$victim"
fails 'and damaged WAL' 4 "refused: .*$(basename "$victim" .wal)" reader check "$scene/zstd"
flipped "$victim"
for object in 'packs/*/*.pack' 'snapshots/*.manifest'; do
    victim=$(find "$scene/none" -path "$scene/none/$object" | sort | tail -n 1)
    flipped "$victim"
    fails "the second reader refuses damage in ${object%%/*}" 4 "refused: .*$(basename "$victim" |
        cut -c1-16)" reader check "$scene/none"
    flipped "$victim"
done

# --- sealed -----------------------------------------------------------------------------------------

sealed=$scene/sealed
export MAINSTAY_REPOSITORY_URL=$sealed MAINSTAY_REPOSITORY_KEY_FILE=$scene/repository.key
key() { mainstay repo key "$@"; }
random_key() { as_server bash -c "umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >'$1'"; }
public_of() {
    /usr/bin/python3 -c 'import sys; from nacl import bindings
print(bindings.crypto_scalarmult_base(bytes.fromhex(open(sys.argv[1]).read())).hex())' "$1"
}
ok 'sealed: a repository' mainstay repo init --repository-codec zstd --repository-encryption sealed
as_server bash -c "umask 077; echo 'correct horse battery staple' >'$scene/passphrase'"
for name in identity other; do random_key "$scene/$name"; done
ok 'sealed: a passphrase' key add --new-passphrase-file "$scene/passphrase"
ok 'sealed: a recipient' key add --recipient "$(public_of "$scene/identity")"
random_key "$scene/writer"
ok 'sealed: a key that may only write' key add --new-key-file "$scene/writer" --grant write
signer=$(json_value "$(find "$sealed/keys" -type f | head -n 1)" signer)
followed() { stored_up_to "$sealed" "$(position main)"; }
# follow NAME: a stream, a snapshot and a restore point under it, and WAL of which some is merged
follow() {
    stream_start "$sealed" main --wal-flush-interval 1s --wal-slot sealed && wait_until 30 streaming &&
        mainstay snapshot create --wal-slot sealed && mainstay restore-point create "$1" &&
        scene_psql main -c "UPDATE t SET text = 'sealed' || random() WHERE g % 20 = 0" &&
        wait_until 30 followed && mainstay wal merge --older-than 0s &&
        scene_psql main -c "UPDATE elsewhere SET text = 'sealed' || random() WHERE g % 20 = 0" &&
        wait_until 30 followed && stream_stop
}
streaming() { [[ -n $(status_of "$sealed" last_lsn) ]] && stored_up_to "$sealed" "$(redo)"; }
ok 'sealed: a snapshot, and WAL' follow one
mainstay snapshot pin "$(snapshot_ids "$sealed")" --reason 'of the first generation' >/dev/null
ok 'sealed: a new generation of data keys' key rotate
ok 'sealed: a second snapshot, and more WAL' follow two
mainstay snapshot verify --record >/dev/null
cluster_stop main
as_server touch "$(cluster_data main)/standby.signal"
cluster_start main
MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
scene_psql main -c 'SELECT pg_promote()' >/dev/null
ok 'sealed: a third one on another timeline' follow three
generations_in() { find "$sealed/$1" -type f -exec od -An -tx1 -j32 -N8 {} \; | sort -u | wc -l; }
for name in packs snapshots wal; do
    is "$(generations_in $name)" 2 "sealed: objects of two generations are in $name/"
done

by_file=(--key-file "$scene/repository.key")
accepts() { # TEXT ARGUMENT...
    local text=$1
    shift
    reader "$@" check "$sealed" >"$TEST_DIR/checked" && grep -Eq "$text" "$TEST_DIR/checked"
}
ok 'the second reader accepts everything with the key file' accepts 'archive' "${by_file[@]}"
note "$(cat "$TEST_DIR/checked")"
is "$(sed -n 's/ other objects$//p' "$TEST_DIR/checked")" \
    "$(find "$sealed"/{pins,runs,restore-points,history} -type f | wc -l)" 'all records and the history among it'
like "$(sed -n 's/ chunks of WAL in / < /p' "$TEST_DIR/checked")" '^[0-9]+ < [0-9]+ parts$' 'and WAL in parts'
ok 'some of which were merged' test "$(sed -nE 's/^([0-9]+) chunks of WAL in ([0-9]+) parts$/\1 -lt \2/p' "$TEST_DIR/checked")"
mapfile -t names < <(reader "${by_file[@]}" list "$sealed")
is ${#names[@]} 3 'three snapshots'
# restores NAME KEY...: both readers, the second one with that key
restores() {
    local name=$1 id=${1##*-}
    shift
    like "$(mainstay snapshot show "$id")" 'in the archive' "$id relies on the archive"
    ok "mainstay restores $id" mainstay restore --snapshot "$id" --to "$scene/restored" --tablespace "$scene/space=$scene/moved"
    as_server mkdir "$scene/read"
    ok "so does the second reader, $1" reader "$@" restore "$sealed" "$name" "$scene/read"
    sed -i "s|$scene/moved|$scene/space|" "$scene/restored/tablespace_map"
    ok 'to the same bytes' same_files "$scene/restored" "$scene/read"
    rm -rf "$scene/restored" "$scene/read" "$scene/moved"
}
restores "${names[0]}" "${by_file[@]}"
restores "${names[1]}" --passphrase-file "$scene/passphrase"
restores "${names[2]}" --recipient "$scene/identity" "$signer"

refuses() { # DESCRIPTION PATTERN ARGUMENT...
    local description=$1 pattern=$2
    shift 2
    fails "the second reader refuses $description" 4 "refused: .*$pattern" reader "$@" check "$sealed"
}
refuses 'a sealed repository without a key' 'no key was given'
refuses 'another key' 'opens no slot' --key-file "$scene/other"
refuses 'another passphrase' 'opens no slot' --passphrase-file "$scene/other"
refuses "a recipient's key with another signer" 'opens no slot' --recipient "$scene/identity" "$(public_of "$scene/other")"
refuses 'content with a key that may only write' 'does not open content' --key-file "$scene/writer"
ok 'whose holder sees which snapshots there are' reader --key-file "$scene/writer" list "$sealed"
for object in 'packs/*/*.pack' 'snapshots/*.manifest' 'wal/00000001/*.wal' 'wal/00000002/*.wal' 'history/*' 'pins/*' \
    'restore-points/*' 'runs/*/*'; do
    victim=$(find "$sealed" -path "$sealed/$object" | sort | tail -n 1)
    flipped "$victim"
    refuses "damage in ${object%/*}" "$(basename "$victim" | cut -c1-16)" "${by_file[@]}"
    flipped "$victim"
done
# changed FILE DESCRIPTION PATTERN SED: refused with that change
changed() {
    cp "$1" "$TEST_DIR/good"
    sed -E "$4" "$TEST_DIR/good" >"$1"
    refuses "$2" "$3" "${by_file[@]}"
    cp "$TEST_DIR/good" "$1"
}
own=$(grep -l '"kind": "key-file"' "$sealed"/keys/* | xargs grep -l '"grant": "all"' | head -n 1)
foreign=$(grep -l '"kind": "recipient"' "$sealed"/keys/* | head -n 1)
changed "$foreign" 'a key that cannot be read' "$(basename "$foreign").*member signer" 's/("signer": ")./\1x/'
changed "$own" 'a key with another number' "$(basename "$own").*signature" 's/("number": )/\14/'
changed "$own" 'a key with another signer' "$(basename "$own").*proof" 's/("signer": ").{8}/\1abababab/'
changed "$sealed/mainstay.json" 'a mainstay.json that was changed' 'proof' 's/("level": )/\11/'
ok 'and accepts it all again' accepts 'archive' "${by_file[@]}"
done_testing
