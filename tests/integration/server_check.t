#!/bin/bash
# The doctor's findings about a server, and the statements that mend them: each is applied, and the
# finding must be gone. PG_MAJOR chooses the server.
# majors: 13 15 18
. "$(dirname "$0")/../lib/cluster.sh"

check() { "$BUILD/tests/integration/tool_server_check" "$(cluster_conninfo main "$1")" 2>&1; }
fix_of() { sed -n "s/^$1 .* \[\(.*\)\]$/\1/p" <<<"$out"; }

note "PostgreSQL $PG_MAJOR"
cluster_create main || exit 1
cluster_start main || exit 1
out=$(check postgres)
is $? 0 "a fresh server passes"
is "$(grep -c ' ok: ' <<<"$out")" "$(wc -l <<<"$out")" "with nothing to mend"
like "$out" "server.version ok: PostgreSQL $PG_MAJOR\." "the version"
like "$out" "server.role ok: role postgres has SUPERUSER" "the role"
like "$out" "server.wal_senders ok: 10 of 10 WAL senders are free" "our own sender is not counted"
like "$out" "server.recovery ok: the server is a primary" "the role of the server"

cluster_sql main "CREATE ROLE backup LOGIN"
out=$(check backup)
is $? 1 "a role without REPLICATION fails"
like "$out" "server.replication_connection failed" "because the connection is refused"
like "$out" "server.wal_level ok" "the rest is found out over an ordinary connection"
cluster_sql main "$(fix_of server.role)"
out=$(check backup)
is $? 0 "the fix is accepted by the server and mends it"
like "$out" "server.role ok: role backup has REPLICATION" "and is seen"

cluster_configure main "full_page_writes = off" "wal_level = minimal" "max_wal_senders = 0"
cluster_stop main
cluster_start main
out=$(check postgres)
is $? 1 "a server unfit for backups fails"
like "$out" "server.replication_connection failed.*max_wal_senders" "no senders: told"
like "$out" "server.wal_level failed: wal_level is minimal" "the WAL level"
like "$out" "server.full_page_writes failed" "full-page writes"
cluster_sql main "ALTER SYSTEM SET wal_level = 'replica'"
cluster_sql main "ALTER SYSTEM SET full_page_writes = on"
cluster_sql main "$(sed -n 's/; then restart.*//p' <<<"$(fix_of server.wal_senders)")"
cluster_stop main
cluster_start main
out=$(check postgres)
is $? 0 "the fixes mend it"

cluster_stop main
CHECKSUMS=off
cluster_create plain
cluster_start plain
out=$("$BUILD/tests/integration/tool_server_check" "$(cluster_conninfo plain)")
is $? 0 "no checksums: no failure"
like "$out" "server.data_checksums warning: data checksums are off" "but a warning"

done_testing
