#!/bin/bash
# A restore drill with a helpdesk in it, on several majors: latest, by a seed, by name; what it checks,
# measures, stores and reports; that the source stays as it is and nothing is left behind.
# majors: 13 15 18
# time limit: 600
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/helpdesk_scene.sh
. "$here/../lib/helpdesk_scene.sh"
# shellcheck source=tests/lib/wal_scene.sh
. "$here/../lib/wal_scene.sh"

repository=$scene/repository
scratch=$scene/scratch
as_server mkdir "$scratch"

export MAINSTAY_DRILL_SERVER_BINARIES=$SERVER_BIN

helpdesk_scene main
# Settings that would act, or keep the server from starting, if the drill took them over.
scene_psql main -c "ALTER SYSTEM SET shared_preload_libraries = 'not_there'" \
    -c "ALTER SYSTEM SET archive_command = 'touch $scene/archived'" -c "ALTER SYSTEM SET archive_mode = on" \
    -c "ALTER SYSTEM SET synchronous_standby_names = 'nobody'" \
    -c "ALTER SYSTEM SET shared_buffers = '900GB'" -c "ALTER SYSTEM SET listen_addresses = '*'" \
    -c "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'"
mainstay repo init --repo "$repository" >/dev/null
stream_start "$repository" main --wal-flush-interval 1s
mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)" >/dev/null
helpdesk_sql main "INSERT INTO helpdesk.messages (external_id, ticket_id, direction, is_public, body)
    SELECT 'drill-' || id, id, 'in', true, 'after the snapshot <b>&' FROM helpdesk.tickets ORDER BY id LIMIT 7" >/dev/null
scene_psql main -c "SELECT pg_create_restore_point('before-drill')" >/dev/null
helpdesk_sql main "CREATE TABLE later AS SELECT 1 AS one" >/dev/null
wait_until 20 stored_up_to "$repository" "$(position main)"

cat >"$scene/drill.yaml" <<'YAML'
assertions:
  - name: messages
    promise: no message is lost
    database: helpdesk
    sql: SELECT count(*) FROM mainstay.messages
    source: within-lag
  - name: last-message
    promise: what came after the snapshot is back
    database: helpdesk
    sql: SELECT count(*) FROM helpdesk.messages WHERE body LIKE 'after the snapshot%'
    equals: 7
  - name: no-orders-without-customer
    promise: every order has a customer
    database: helpdesk
    sql: SELECT 1 FROM helpdesk.orders WHERE customer_id IS NULL
    rows: 0
  - name: nobody-writes
    promise: questions cannot change anything
    database: helpdesk
    sql: SELECT current_setting('transaction_read_only') || (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    equals: onfalse
YAML
chmod 644 "$scene/drill.yaml"

drill() {
    mainstay drill run --repo "$repository" --scratch "$scratch" "$@"
}
# check FILE NAME: the outcome of one check in the proof
check() {
    tr -d '\n' <"$1" | grep -oE "\"name\": \"$2\"[^}]*\"outcome\": \"[a-z]+\"" | sed -E 's/.*"([a-z]+)"$/\1/'
}

# --- latest ----------------------------------------------------------------------------------------

proof=$TEST_DIR/proof.json
source=(--connection "$(cluster_conninfo main)" --assertions "$scene/drill.yaml")
goals=(--drill-rto-goal 10min --drill-rpo-goal 10min)
ok 'a dry run is possible' drill "${source[@]}" --dry-run
is "$(ls -A "$scratch")" '' 'and writes nothing'
status=0
drill "${source[@]}" "${goals[@]}" --report-dir "$scene/reports" --json >"$proof" 2>"$TEST_DIR/drill.log" || status=$?
[[ $status -eq 0 ]] || cat "$proof" "$TEST_DIR/drill.log" >&2
is "$status" 0 'a drill of the latest state passes'
is "$(json_value "$proof" passed)" true 'and says so'
for name in restore recovery 'page checksums' amcheck 'views helpdesk' 'orphaned messages helpdesk' \
    'tags helpdesk' 'newest ticket helpdesk' 'newest message helpdesk' 'ledgers helpdesk' \
    'assertion messages' 'assertion last-message' 'assertion no-orders-without-customer' \
    'assertion nobody-writes' rto rpo; do
    is "$(check "$proof" "$name")" passed "checked: $name"
done
# Without Debian's tools of that major or a newer one there is none that reads its manifests.
like "$(check "$proof" pg_verifybackup)" "$([[ $PG_MAJOR -lt 17 ]] && echo '^passed$' || echo '^(passed|skipped)$')" \
    'pg_verifybackup'
ok 'what was not loaded is said' grep -q 'of the source, not loaded: not_there' "$proof"
is "$(json_value "$proof" rpo_us)" 0 'the store had everything'
is "$(ls -A "$scratch")" '' 'nothing is left behind'
is "$(ls "$scene/archived" 2>/dev/null)" '' 'nothing was archived'
id=$(json_value "$proof" id)
for suffix in json xml md html; do
    ok "report $suffix" test -s "$scene/reports/drill-$id.$suffix"
done
is "$(scene_psql main -c "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'mainstay_drill%'")" 0 \
    'the source is as it was'

# --- by name, by seed ------------------------------------------------------------------------------

cat >"$scene/named.yaml" <<'YAML'
assertions:
  - name: nothing-later
    promise: the recovery stops at its target
    database: helpdesk
    sql: SELECT count(*) FROM pg_class WHERE relname = 'later'
    equals: 0
YAML
chmod 644 "$scene/named.yaml"
stream_stop || true # what can be recovered does not grow any more
ok 'a restore point, kept' drill --target-name before-drill --snapshot latest --keep \
    --assertions "$scene/named.yaml"
kept=$(find "$scratch" -maxdepth 1 -name 'mainstay-drill-*')
ok 'the data directory is there' test -s "$kept/data/PG_VERSION"
ok 'stopped' test ! -e "$kept/data/postmaster.pid"
drill --seed 4711 --json >"$proof" 2>&1
is "$(json_value "$proof" target_kind)$(json_value "$proof" passed)" randomtrue 'a random point'
target=$(json_value "$proof" target_value)
drill --seed 4711 --json --dry-run >"$proof" 2>&1
is "$(json_value "$proof" target)" "$target" 'the same seed, the same point'
fails 'a random point of a named one is wrong usage' 2 'do not go with' drill --random --target-lsn 0/1

# --- listed, shown ---------------------------------------------------------------------------------

mainstay drill list --repo "$repository" >"$TEST_DIR/list"
is "$(grep -c passed "$TEST_DIR/list")" 3 'three proofs'
like "$(mainstay drill show "$id" --repo "$repository")" "drill $id passed" 'one is shown'
mainstay drill show "$id" --repo "$repository" --format html >"$TEST_DIR/page.html"
ok 'and reported' cmp "$TEST_DIR/page.html" "$scene/reports/drill-$id.html"
like "$(mainstay status --repo "$repository")" 'last drill +good' 'status knows'
like "$(mainstay drill show "$id" --json --repo "$repository")" '"passed": true' 'and as JSON'
fails 'an unknown drill' 3 'there is no drill' mainstay drill show 0000aaaa --repo "$repository"
done_testing
