#!/bin/bash
# Snapshots of one server's life: full, incremental, tablespaces moved on restore, delta, tar,
# healing, hint bits without checksums, damaged pages, a promotion, and a server that was rolled
# back. Every restore is started and compared. PG_MAJOR chooses the server.
# time limit: 420
# majors: 13 15 18
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"

repository=$scene/repository

# shellcheck disable=SC2120 # options are for other tests
snapshot() { # [OPTION...]
    mainstay snapshot create --repository-url "$repository" --json \
        --postgres-connection "$(cluster_conninfo "$server")" "$@" >"$TEST_DIR/snapshot.json"
}
restore() { # DIRECTORY [OPTION...]
    local to=$1
    shift
    mainstay restore --repository-url "$repository" --to "$to" "$@" >"$TEST_DIR/restore.out"
}
said() { json_value "$TEST_DIR/snapshot.json" "$1"; }

# restored_equals DIRECTORY WHAT [RESTORE OPTION...]: restores the latest snapshot, starts it,
# compares it with the dump, removes it
restored_equals() {
    local name=$1 what=$2
    shift 2
    ok "$what: restore" restore "$scene/$name" "$@"
    ok "$what: pg_verifybackup" verify_backup "$scene/$name"
    ok "$what: it starts" scene_start "$name" "$scene/$name"
    dump_all "$name" >"$TEST_DIR/$name.dump"
    ok "$what: same content" diff -u "$TEST_DIR/expected.dump" "$TEST_DIR/$name.dump"
    ok "$what: sound indexes and heaps" amcheck "$name"
    cluster_stop "$name"
}
expect_content() { dump_all "$server" >"$TEST_DIR/expected.dump"; }

# --- full, incremental, tablespaces ----------------------------------------------------------------

server=main
scene_cluster main
for space in fast slow; do
    as_server mkdir "$scene/$space" "$scene/$space.moved"
    scene_psql main -c "CREATE TABLESPACE $space LOCATION '$scene/$space'"
done
scene_psql main -c "
    CREATE TABLE ticket (id serial PRIMARY KEY, subject text, body text);
    INSERT INTO ticket (subject, body) SELECT 'parcel ' || g, repeat(md5(g::text), 8) FROM generate_series(1, 30000) g;
    CREATE TABLE message (id int PRIMARY KEY, note text) TABLESPACE fast;
    INSERT INTO message SELECT g, md5(g::text) FROM generate_series(1, 20000) g;
    CREATE INDEX message_note ON message (note) TABLESPACE slow;
    CREATE UNLOGGED TABLE scratch AS SELECT generate_series(1, 1000) AS g" -c 'CREATE DATABASE other'
mainstay repo init --repository-url "$repository" >/dev/null
ok 'the first snapshot' snapshot
is "$(said full)" true 'is full'
moved=(--tablespace "$scene/fast=$scene/fast.moved" --tablespace "$scene/slow=$scene/slow.moved")
scene_psql main -c 'TRUNCATE scratch' # unlogged content is not in a snapshot
expect_content
fails 'tablespaces that are in use are not overwritten' 5 "$scene/(fast|slow)" restore "$scene/r0"
restored_equals r1 'full, tablespaces moved' "${moved[@]}"
is "$(find "$scene/fast.moved" -type f | wc -l)" "$(find "$scene/fast" -type f | wc -l)" 'the files are in the new place'

scene_psql main -c "
    UPDATE ticket SET subject = 'late ' || id WHERE id % 500 = 0;
    DELETE FROM message WHERE id % 100 = 0;
    ALTER TABLE ticket SET TABLESPACE slow;
    ALTER INDEX message_note SET TABLESPACE pg_default" -c 'VACUUM message'
ok 'the second snapshot' snapshot
is "$(said full)" false 'is incremental'
stored=$(said pages_stored) total=$(said pages_total)
ok "and stores part of it ($stored of $total pages)" test "$stored" -lt $((total * 2 / 3))
expect_content
rm -rf "$scene/fast.moved" "$scene/slow.moved"
restored_equals r2 'incremental' "${moved[@]}"

# --- delta: the stopped r2 was changed by its own start and checks; bring it to the new state ------

scene_psql main -c "INSERT INTO ticket (subject) SELECT 'new ' || g FROM generate_series(1, 300) g" -c 'DROP DATABASE other'
ok 'the third snapshot' snapshot
expect_content
as_server touch "$scene/r2/base/1/99999" "$scene/r2/not_of_the_snapshot"
restored_equals r2 'delta' --delta "${moved[@]}"
is "$(find "$scene/r2" -name 99999 -o -name not_of_the_snapshot)" '' 'delta removed what the snapshot does not have'
fails 'tar refuses tablespaces' 5 'tablespaces' mainstay restore --repository-url "$repository" --tar
cluster_stop main
scene_remove r1
rm -rf "$scene/r2"

# --- a cluster without checksums: hint bits change pages that keep their LSN -----------------------

CHECKSUMS=off
server=plain
repository=$scene/repository.plain
scene_cluster plain "-c wal_log_hints=off"
scene_psql plain -c "CREATE TABLE t AS SELECT g, md5(g::text) AS v FROM generate_series(1, 40000) g" -c CHECKPOINT
mainstay repo init --repository-url "$repository" >/dev/null
ok 'without checksums: full' snapshot
scene_psql plain -c 'SELECT count(*) FROM t' >/dev/null # sets hint bits
ok 'without checksums: incremental after reading everything' snapshot
is "$(said full)" false 'without checksums: it is incremental'
expect_content
restored_equals p1 'without checksums'
cluster_stop plain
rm -rf "$scene/p1"

as_server mkdir -m 700 "$scene/tar"
mainstay restore --repository-url "$repository" --tar 2>/dev/null | as_server tar -x -C "$scene/tar"
ok 'tar: pg_verifybackup' verify_backup "$scene/tar"
ok 'tar: it starts' scene_start tar "$scene/tar"
dump_all tar >"$TEST_DIR/tar.dump"
ok 'tar: same content' diff -u "$TEST_DIR/expected.dump" "$TEST_DIR/tar.dump"
scene_remove tar

# --- healing: a pack is lost, the next snapshot stores its pages anew ------------------------------

cluster_start plain
pack=$(find "$repository/packs" -name '*.pack' -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
rm "$pack"
ok 'a lost pack: the next snapshot' snapshot
like "$(cat "$TEST_DIR/snapshot.json")" 'missing' 'says what was missing'
expect_content
restored_equals p2 'healed'
rm -rf "$scene/p2"
cluster_stop plain

# --- history: a promotion, and a server that went back in time -------------------------------------

CHECKSUMS=on
server=past
repository=$scene/repository.history
scene_cluster past
mainstay repo init --repository-url "$repository" >/dev/null
scene_psql past -c "CREATE TABLE t AS SELECT g, repeat(md5(g::text), 4) AS v FROM generate_series(1, 20000) g" -c 'VACUUM t' -c CHECKPOINT
cluster_stop past
as_server cp -a "$(cluster_data past)" "$scene/rolled_back" # what a storage snapshot would bring back
cluster_start past
scene_psql past -c 'UPDATE t SET v = v WHERE g % 3 = 0' -c 'VACUUM t'
ok 'before the promotion: full' snapshot
ok 'a copy of it becomes a standby' restore "$scene/standby"
as_server touch "$scene/standby/standby.signal"
cluster_register standby "$scene/standby"
cluster_configure standby "hot_standby = on" "primary_conninfo = '$(cluster_conninfo past)'"
ok 'the standby starts' cluster_start standby
scene_psql past -c 'UPDATE t SET v = v WHERE g % 50 = 0'
lsn=$(scene_psql past -c 'SELECT pg_current_wal_lsn()')
cluster_wait standby "SELECT pg_last_wal_replay_lsn() >= '$lsn'"
server=standby
ok 'a snapshot of the standby' snapshot
is "$(said full)" false 'is incremental to the primary'"'"'s'
scene_psql standby -c 'SELECT pg_promote()' >/dev/null
cluster_wait standby 'SELECT NOT pg_is_in_recovery()'
scene_psql standby -c 'UPDATE t SET v = v WHERE g % 77 = 0'
ok 'after the promotion' snapshot
is "$(said full)" false 'the snapshot is incremental over the change of timeline'
is "$(said timeline)" 2 'and on the new timeline'
expect_content
restored_equals h1 'after the promotion'
scene_remove h1
cluster_stop standby

# The old primary went on by itself. The newest snapshot is of timeline 2, which it never was on; the
# one before, taken of the standby on timeline 1, is part of its history.
scene_psql past -c 'UPDATE t SET v = v WHERE g % 10 = 0' -c 'SELECT pg_switch_wal()' >/dev/null
server=past
before_promotion=$(snapshot_ids "$repository" | tail -n 2 | head -n 1)
ok 'a server whose history is another' snapshot
is "$(said parent)" "$before_promotion" 'is not compared with the snapshot of the other timeline'
like "$(said reason)" 'timeline' 'and the reason is said'
expect_content
restored_equals h2 'the other history'
scene_remove h2
cluster_stop past

# Rolled back to an older state on the same timeline, then written to beyond the old position.
server=back
cluster_register back "$scene/rolled_back"
cluster_start back
ok 'a server that went back' snapshot
is "$(said full)" true 'is taken whole'
expect_content
restored_equals h3 'rolled back'
scene_remove h3

# The same, but the server has written so much since that its position says nothing: only the content
# of the pages can tell.
rm "$repository"/snapshots/*"$(said id).manifest"
newest=$(mainstay snapshot list --repository-url "$repository" --json | grep -oE '"stop_lsn": *"[^"]*"' | tail -n 1 | cut -d'"' -f4)
scene_psql back -c 'CREATE TABLE filler (g int)' >/dev/null
while [ "$(scene_psql back -c "SELECT pg_current_wal_lsn() > '$newest'")" = f ]; do
    scene_psql back -c 'INSERT INTO filler VALUES (1)' -c 'SELECT pg_switch_wal()' >/dev/null
done
ok 'a server that went back and overtook' snapshot
is "$(said full)" true 'is taken whole too'
like "$(said reason)" 'without new page LSNs' 'because its pages are not those of the parent'
expect_content
restored_equals h4 'rolled back and overtaken'
scene_remove h4

# --- damaged pages ---------------------------------------------------------------------------------

file=$(scene_psql back -c "SELECT pg_relation_filepath('t')")
cluster_stop back
printf 'scribble' | as_server dd of="$scene/rolled_back/$file" bs=1 seek=$((8192 * 3 + 4000)) conv=notrunc status=none
cluster_start back
status=0
snapshot 2>"$TEST_DIR/damaged.err" || status=$?
is "$status" 4 'a damaged page: exit code 4'
like "$(cat "$TEST_DIR/damaged.err" "$TEST_DIR/snapshot.json")" "$file.*block 3" 'the page is named'
is "$(said damaged_pages)" true 'and the manifest says so'
mainstay snapshot show --repository-url "$repository" latest >"$TEST_DIR/show.out"
like "$(cat "$TEST_DIR/show.out")" "$file" 'snapshot show says it too'
cluster_stop back

done_testing
