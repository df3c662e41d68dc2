#!/bin/bash
# A base backup streamed by our code is complete: the server's own manifest verifies it, and a
# server started on it has the same content. PG_MAJOR chooses the server.
# majors: 13 15 18
. "$(dirname "$0")/../lib/cluster.sh"

tool=$BUILD/tests/integration/tool_base_backup

note "PostgreSQL $PG_MAJOR: $("$SERVER_BIN/postgres" --version)"
cluster_create main || exit 1
cluster_start main || exit 1
for i in one two; do
    mkdir "$TEST_DIR/space_$i"
    give_to_server "$TEST_DIR/space_$i"
    cluster_sql main "CREATE TABLESPACE $i LOCATION '$TEST_DIR/space_$i'"
done
cluster_sql main "
    CREATE TABLE ticket (id bigserial PRIMARY KEY, subject text NOT NULL, body text);
    INSERT INTO ticket (subject, body)
         SELECT 'parcel ' || i, repeat(md5(i::text), 20) FROM generate_series(1, 20000) i;
    CREATE TABLE message (id int, note text) TABLESPACE one;
    INSERT INTO message SELECT i, md5(i::text) FROM generate_series(1, 30000) i;
    CREATE INDEX message_id ON message (id) TABLESPACE two;
    SELECT lo_from_bytea(0, 'attachment')" >/dev/null
cluster_sql main "CREATE DATABASE other"
cluster_sql main "CREATE TABLE elsewhere AS SELECT generate_series(1, 10) AS i" other

# --- a whole backup --------------------------------------------------------------------------------

out=$("$tool" "$(cluster_conninfo main)" "$TEST_DIR/copy" "it's a \\ label" 2>&1)
is $? 0 "a base backup is taken"
like "$out" "version=$PG_MAJOR\." "the server's version is reported"
like "$out" "checksums=1 fpw=1 hints=0 recovery=0 block=8192 wal_block=8192 segment=16777216 level=replica" \
    "the settings are read over the replication connection"
like "$out" "tablespaces=2" "two tablespaces are announced"
is "$(grep -c ^archive= <<<"$out")" 4 "two tablespaces, the data directory and the manifest arrive"
is "$(grep ^archive= <<<"$out" | tail -n 1)" "archive=manifest 0 " "the manifest comes last"
like "$out" "checksum_failure=no" "the server found no bad pages"
is "$(sed -n 's/^LABEL: //p' "$TEST_DIR/copy/backup_label")" "it's a \\ label" "the label is quoted"
is "$(sed -n 's/^START WAL LOCATION: \([^ ]*\) .*/\1/p' "$TEST_DIR/copy/backup_label")" \
    "$(sed -n 's/^start=\([^ ]*\) .*/\1/p' <<<"$out")" "the start position is the redo point"
ok "pg_verifybackup accepts it" verify_backup "$TEST_DIR/copy"

# The tablespaces became directories: pg_tblspc must hold links, as a restore makes them.
restored_spaces=$TEST_DIR/restored_spaces
mkdir "$restored_spaces"
for directory in "$TEST_DIR"/copy/pg_tblspc/*; do
    mv "$directory" "$restored_spaces/"
    ln -s "$restored_spaces/$(basename "$directory")" "$directory"
done
rm "$TEST_DIR/copy/tablespace_map"
give_to_server "$restored_spaces"
cluster_adopt copy "$TEST_DIR/copy"
ok "a server starts on it" cluster_start copy
ok "with the same content" same_content main copy
ok "and sound indexes" amcheck copy
cluster_stop copy

# --- a second one on the same server, while it is written to ---------------------------------------

cluster_sql main "INSERT INTO ticket (subject)
                  SELECT 'storm ' || i FROM generate_series(1, 200000) i" &
writer=$!
"$tool" "$(cluster_conninfo main)" "$TEST_DIR/busy" >/dev/null 2>&1
is $? 0 "a base backup is taken during writes"
wait "$writer"
ok "pg_verifybackup accepts it" verify_backup "$TEST_DIR/busy"

# --- a standby -------------------------------------------------------------------------------------

mkdir -p "$TEST_DIR/standby"
"$tool" "$(cluster_conninfo main)" "$TEST_DIR/standby/data" >/dev/null 2>&1
rm -rf "$TEST_DIR"/standby/data/pg_tblspc/* "$TEST_DIR/standby/data/tablespace_map"
for oid in $(cluster_sql main "SELECT oid FROM pg_tablespace WHERE oid > 16383"); do
    cp -a "$TEST_DIR/copy/pg_tblspc/$oid/." "$TEST_DIR/standby/$oid"
    ln -s "$TEST_DIR/standby/$oid" "$TEST_DIR/standby/data/pg_tblspc/$oid"
done
touch "$TEST_DIR/standby/data/standby.signal"
give_to_server "$TEST_DIR/standby"
cluster_adopt standby "$TEST_DIR/standby/data"
cluster_configure standby "primary_conninfo = '$(cluster_conninfo main)'" "hot_standby = on"
if cluster_start standby; then
    like "$("$tool" "$(cluster_conninfo standby)" --describe)" "recovery=1" "a standby is recognised"
    ok "promoted" cluster_sql standby "SELECT pg_promote()"
    out=$("$tool" "$(cluster_conninfo standby)" --describe)
    like "$out" "recovery=0" "a promoted standby is recognised"
    cluster_wait standby "SELECT pg_walfile_name(pg_current_wal_lsn()) LIKE '00000002%'"
    cluster_sql standby "CHECKPOINT"
    out=$("$tool" "$(cluster_conninfo standby)" --describe)
    like "$out" "history=1 0/" "the history of its timeline is read"
    cluster_stop standby
else
    tap_result 1 "the standby starts"
fi

# --- refusals --------------------------------------------------------------------------------------

cluster_sql main "CREATE ROLE reader LOGIN PASSWORD 'x'; CREATE ROLE backup LOGIN REPLICATION"
out=$("$tool" "$(cluster_conninfo main reader)" --describe 2>&1)
is $? 1 "a role without REPLICATION is refused"
like "$out" "error=denied retryable=0" "as a matter of permission"
like "$out" 'ALTER ROLE "reader" REPLICATION;' "with the statement that mends it"

cluster_require_password main
out=$(PGPASSWORD=wrong "$tool" "$(cluster_conninfo main)" --describe 2>&1)
like "$out" "error=denied retryable=0.*hint=Check the password of role \"postgres\"" "a wrong password"
out=$("$tool" "$(cluster_conninfo main)" --describe 2>&1)
like "$out" "error=denied.*hint=Give the password" "no password"
ok "the right password" env "PGPASSWORD=$SERVER_PASSWORD" "$tool" "$(cluster_conninfo main)" --describe

sed -i '/^host replication/d' "$(cluster_data main)/pg_hba.conf"
cluster_reload main
sleep 0.3
out=$(PGPASSWORD=$SERVER_PASSWORD "$tool" "$(cluster_conninfo main backup)" --describe 2>&1)
like "$out" "host replication backup 127.0.0.1/32 scram-sha-256" "the missing line of pg_hba.conf"
echo "host all,replication all 127.0.0.1/32 trust" >"$(cluster_data main)/pg_hba.conf"
echo "local all all trust" >>"$(cluster_data main)/pg_hba.conf"
cluster_reload main
sleep 0.3

out=$("$tool" "host=127.0.0.1 port=1 user=x" --describe 2>&1)
like "$out" "error=unavailable retryable=1" "nobody listens"
started=$SECONDS
out=$("$tool" "host=192.0.2.1 user=x connect_timeout=2" --describe 2>&1)
like "$out" "error=unavailable retryable=1" "nobody answers"
ok "and the timeout is kept" test $((SECONDS - started)) -le 5

# --- interruptions ---------------------------------------------------------------------------------

cluster_sql main "CREATE TABLE filler AS SELECT i, repeat(md5(i::text), 60) AS t
                    FROM generate_series(1, 100000) i"

wait_for_archive() { # FILE
    local i
    for ((i = 0; i < 200; i++)); do
        grep -qs '^archive=data' "$1" && return 0
        sleep 0.05
    done
    return 1
}

"$tool" "$(cluster_conninfo main)" --slow >"$TEST_DIR/term.out" 2>"$TEST_DIR/term.err" &
tool_pid=$!
wait_for_archive "$TEST_DIR/term.out"
started=$(date +%s%N)
kill -TERM "$tool_pid"
wait "$tool_pid"
is $? 1 "SIGTERM in mid-backup ends it"
ok "within a second" test $((($(date +%s%N) - started) / 1000000)) -lt 1000
like "$(cat "$TEST_DIR/term.err")" "error=cancelled" "and says so"

"$tool" "$(cluster_conninfo main)" --slow >"$TEST_DIR/ended.out" 2>"$TEST_DIR/ended.err" &
tool_pid=$!
wait_for_archive "$TEST_DIR/ended.out"
cluster_sql main "SELECT pg_terminate_backend(pid) FROM pg_stat_replication" >/dev/null
wait "$tool_pid"
is $? 1 "a backup that the administrator ends fails"
like "$(cat "$TEST_DIR/ended.err")" "error=unavailable retryable=1.*administrator" "with the reason"

"$tool" "$(cluster_conninfo main)" --slow >"$TEST_DIR/kill.out" 2>"$TEST_DIR/kill.err" &
tool_pid=$!
wait_for_archive "$TEST_DIR/kill.out"
cluster_kill main
wait "$tool_pid"
is $? 1 "a server that crashes in mid-backup fails it"
like "$(cat "$TEST_DIR/kill.err")" "error=unavailable retryable=1" "as something to try again"

# --- bad pages -------------------------------------------------------------------------------------

cluster_start main
file=$(cluster_sql main "SELECT pg_relation_filepath('ticket')")
cluster_stop main
dd if=/dev/urandom of="$(cluster_data main)/$file" bs=1 seek=$((8192 * 7 + 4000)) count=64 \
    conv=notrunc status=none
cluster_start main
out=$("$tool" "$(cluster_conninfo main)" "$TEST_DIR/bad" 2>&1)
is $? 0 "a backup with a bad page is finished"
like "$out" "checksum_failure=yes" "and reported as such"
like "$out" "warning=checksum verification failed in file \"[^\"]*$file\", block 7" "naming the page"
ok "the files are all there" verify_backup "$TEST_DIR/bad"
out=$("$tool" "$(cluster_conninfo main)" --describe 2>&1)
is $? 0 "the server is fine afterwards"

done_testing
