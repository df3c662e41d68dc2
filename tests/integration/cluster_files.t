#!/bin/bash
# What we read from the files of a cluster (pg_control, relation paths, page checksums) is what the
# server says about them. PG_MAJOR chooses the server.
# majors: 13 15 18
. "$(dirname "$0")/../lib/cluster.sh"

tool=$BUILD/tests/integration/tool_cluster_files

note "PostgreSQL $PG_MAJOR"
cluster_create main --wal-segsize=4 || exit 1
cluster_configure main "wal_log_hints = on"
cluster_start main || exit 1
mkdir "$TEST_DIR/space"
give_to_server "$TEST_DIR/space"
cluster_sql main "CREATE TABLESPACE space LOCATION '$TEST_DIR/space'"
cluster_sql main "CREATE TABLE ticket (id bigserial PRIMARY KEY, subject text, body jsonb);
    INSERT INTO ticket (subject, body) SELECT md5(i::text), jsonb_build_object('n', i)
      FROM generate_series(1, 50000) i;
    CREATE INDEX ON ticket USING gin (body); CREATE INDEX ON ticket USING hash (subject);
    CREATE INDEX ON ticket USING brin (id); CREATE INDEX ON ticket USING spgist (subject);
    CREATE TABLE far TABLESPACE space AS SELECT * FROM ticket;
    CREATE UNLOGGED TABLE quick AS SELECT * FROM ticket;
    DELETE FROM ticket WHERE id % 3 = 0"
cluster_sql main "VACUUM"
cluster_sql main "CHECKPOINT"
cluster_sql main "CHECKPOINT"

control=$(cluster_sql main "SELECT 'system=' || system_identifier || ' control=' || pg_control_version
    || ' catalog=' || catalog_version_no FROM pg_control_system()")
checkpoint=$(cluster_sql main "SELECT 'checkpoint=' || checkpoint_lsn || ' redo=' || redo_lsn
    || ' timeline=' || timeline_id FROM pg_control_checkpoint()")
init=$(cluster_sql main "SELECT 'block=' || database_block_size || ' segment_blocks=' ||
    blocks_per_segment || ' wal_block=' || wal_block_size || ' wal_segment=' || bytes_per_wal_segment
    || ' checksums=' || data_page_checksum_version FROM pg_control_init()")
relations=$(cluster_sql main "SELECT pg_relation_filepath('ticket'), pg_relation_filepath('far')" |
    tr '|' ' ')

out=$("$tool" "$(cluster_data main)")
like "$out" "$control state=6" "system identifier, versions and state of a running server"
like "$out" "$checkpoint" "checkpoint, redo point and timeline"
like "$out" "$init hints=1" "sizes and switches"

cluster_stop main
out=$("$tool" "$(cluster_data main)")
is $? 0 "every page of a stopped cluster verifies"
note "$(tail -n 1 <<<"$out")"
like "$out" " state=1" "a clean shutdown is recognised"
like "$out" " bad=0" "no page is bad"
ok "there were pages to check" test "$(sed -n 's/.* pages=\([0-9]*\) .*/\1/p' <<<"$out")" -gt 5000
unlike() { ! grep -q "$1" <<<"$2"; }
ok "every header is sane" unlike odd_header "$out"

read -r ticket far <<<"$relations"
for file in "$ticket" "$far"; do
    printf 'x' | dd of="$(cluster_data main)/$file" bs=1 seek=$((8192 * 5 + 5000)) conv=notrunc \
        status=none
    out=$("$tool" "$(cluster_data main)")
    is $? 4 "one changed byte of $file fails"
    like "$out" "bad=$file block=5" "and the page is named"
done

printf 'x' | dd of="$(cluster_data main)/global/pg_control" bs=1 seek=60 conv=notrunc status=none
out=$("$tool" "$(cluster_data main)" 2>&1)
is $? 4 "a damaged pg_control fails"
like "$out" "error=corrupt: cannot read pg_control: its checksum is wrong" "and says so"

done_testing
