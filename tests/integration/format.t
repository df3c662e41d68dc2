#!/bin/bash
# FORMAT.md is enough: a second reader, written in Python from that page alone, restores what
# `mainstay restore` restores, byte for byte, and refuses what the page says must be refused.
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
/usr/bin/python3 -c 'import xxhash, zstandard' 2>/dev/null || {
    echo "1..0 # SKIP python3-xxhash and python3-zstandard are not installed"
    exit 0
}
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/wal_scene.sh
. "$here/../lib/wal_scene.sh"
reader() {
    /usr/bin/python3 -B "$here/../format/reader.py" "$@"
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
        ok "$codec: so does the second reader" as_server /usr/bin/python3 -B - restore \
            "$scene/$codec" "$name" "$scene/read" <"$here/../format/reader.py"
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
ok 'so does the second reader' as_server /usr/bin/python3 -B - restore "$scene/zstd" "$name" "$scene/read" <"$here/../format/reader.py"
sed -i "s|$scene/moved|$scene/space|" "$scene/restored/tablespace_map"
ok 'to the same bytes, WAL included' same_files "$scene/restored" "$scene/read"
ok 'of which there are some' test -n "$(find "$scene/read/pg_wal" -type f -size 16M)"

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
done_testing
