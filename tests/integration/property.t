#!/bin/bash
# A chain of snapshots under a random, concurrent workload: every one of them restores to exactly
# what was committed, also when all other manifests are gone.
#
#   SEED=42 ROUNDS=12 tests/integration/property.t
#
# At quiet points (every fourth snapshot) the restored content must equal the source's. Under load
# each client writes numbered, acknowledged transactions: after the restore its ledger has no gap
# and reaches at least what was acknowledged before the snapshot began.
# time limit: 420
# majors: 15 18
# shellcheck disable=SC2317 # functions are called by ok
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"

# check_pages DIRECTORY: of a stopped cluster; by PostgreSQL's own tool where this major has it
check_pages() {
    if [[ -x $SERVER_BIN/pg_checksums ]]; then
        as_server "$SERVER_BIN/pg_checksums" --check -D "$1"
    else
        "$BUILD/tests/integration/tool_cluster_files" "$1"
    fi
}

seed=${SEED:-$(((RANDOM << 15) + RANDOM))}
[[ $PG_MAJOR = 18 ]] && usual=12 || usual=6 # the newest for long, the others for what differs
rounds=${ROUNDS:-$([[ -n ${CHECK_ALL:-} ]] && echo 60 || echo $usual)}
RANDOM=$seed
echo "# SEED=$seed ROUNDS=$rounds"

repository=$scene/repository
cd "$scene"
as_server mkdir "$scene/other"
scene_cluster source
conninfo=$(cluster_conninfo source)
scene_psql source >/dev/null <<SQL
CREATE TABLESPACE other LOCATION '$scene/other';
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL);
INSERT INTO accounts SELECT g, 1000 FROM generate_series(1, 200) AS g;
CREATE TABLE ledger (client int, seq bigint, note text, PRIMARY KEY (client, seq));
CREATE SEQUENCE item_number;
CREATE TABLE items (id bigint PRIMARY KEY, text text, number bigint);
INSERT INTO items SELECT g, md5(g::text), nextval('item_number') FROM generate_series(1, 20000) AS g;
CREATE TABLE documents (id bigint PRIMARY KEY, body text);
CREATE TABLE scratch (id bigint, text text);
CREATE UNLOGGED TABLE passing (id bigint, text text);
SQL

clients=(ledger.1 ledger.2 rows.3 rows.4 ddl.5)
declare -A pids=()

acknowledged() {
    tail -n 1 "$scene/$1.log" 2>/dev/null || true
}

# Passes statements on, few at a time (F_SETPIPE_SZ), until the file "stop" is there: what is
# queued then is soon done.
until_stop() {
    perl -ne 'BEGIN { $| = 1; fcntl(STDOUT, 1031, 4096) } last if -e "stop"; print'
}

start_clients() {
    rm -f stop
    local name from strict
    for name in "${clients[@]}"; do
        from=0
        strict=0
        if [[ $name == ledger.* ]]; then
            from=$(acknowledged "$name")
            strict=1
        fi
        awk -v kind="${name%.*}" -v client="${name#*.}" -v from=$((from + 1)) -v seed="$RANDOM" \
            -v major="$PG_MAJOR" -f "$here/workload.awk" 2>>"$scene/$name.err" |
            until_stop | scene_psql source -v ON_ERROR_STOP="$strict" \
            >>"$scene/$name.log" 2>>"$scene/$name.err" &
        pids[$name]=$!
    done
}

# The clients finish what is under way and leave.
stop_clients() {
    local name
    : >stop
    for name in "${clients[@]}"; do
        wait "${pids[$name]}" || true
        if [[ $name == ledger.* ]] && grep -q '^ERROR\|^psql' "$scene/$name.err"; then
            tap_result 1 "client $name works undisturbed"
            diag "$(tail -n 5 "$scene/$name.err")"
        fi
    done
}

ledgers_moved() {
    local name
    for name in ledger.1 ledger.2; do
        [[ $(acknowledged "$name") -ge $((${before[$name]:-0} + 60)) ]] || return 1
    done
}

declare -A before=() floor=()
ids=()

take_snapshot() {
    local number=$1 name
    for name in ledger.1 ledger.2; do
        before[$name]=$(acknowledged "$name")
        floor[$number.$name]=${before[$name]:-0}
    done
    ok "snapshot $number is taken" mainstay snapshot create --repository-url "$repository" \
        --postgres-connection "$conninfo"
}

restore() {
    mainstay restore --repository-url "${3:-$repository}" --snapshot "$1" --to "$scene/$2" \
        --tablespace "$scene/other=$scene/$2.other"
}

# The part of a backup_manifest that speaks of files.
files_of() {
    sed -n '/"Files"/,/^\]/p' "$scene/$1/backup_manifest" |
        grep -E '"Path": *"' | grep -v '"tablespace_map"' | sha256sum
}

# Counts by index, by index only and by heap must agree: a stale visibility map lies here.
scans_agree() {
    local table=$1 key=$2 database=$3 setting counts=()
    for setting in 'enable_seqscan = off' 'enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off'; do
        counts+=("$(scene_psql "$database" -c "SET $setting; SELECT count(*), sum($key) FROM $table WHERE $key >= 0")")
    done
    [[ ${counts[0]} == "${counts[1]}" ]] || { echo "$table: index ${counts[0]}, heap ${counts[1]}"; return 1; }
}

check_restored() {
    local number=$1 id=$2 name k problem=
    ok "snapshot $number restores" restore "$id" restored
    ok "snapshot $number: pg_verifybackup" verify_backup "$scene/restored"
    files_of restored >"$scene/files.$number"
    if ! scene_start restored "$scene/restored"; then
        tap_result 1 "snapshot $number: PostgreSQL starts"
        rm -rf "$scene/restored" "$scene/restored.other"
        return 0
    fi
    for name in ledger.1 ledger.2; do
        k=$(scene_psql restored -F ' ' -c "SELECT count(*), coalesce(max(seq), 0) FROM ledger WHERE client = ${name#*.}")
        [[ ${k% *} == "${k#* }" ]] || problem+="$name has gaps: count and highest are $k; "
        [[ ${k#* } -ge ${floor[$number.$name]} ]] ||
            problem+="$name ends at ${k#* }, acknowledged were ${floor[$number.$name]}; "
    done
    is "$problem" '' "snapshot $number: every acknowledged transaction, no gap"
    is "$(scene_psql restored -c 'SELECT sum(balance) FROM accounts')" 200000 \
        "snapshot $number: transfers are whole"
    if [[ -s $scene/content.$number ]]; then
        dump_all restored | grep -v '^rows passing ' >"$scene/content.restored"
        ok "snapshot $number: content equals the source's" \
            diff "$scene/content.$number" "$scene/content.restored"
    fi
    ok "snapshot $number: index and heap agree on items" scans_agree items id restored
    ok "snapshot $number: index and heap agree on the ledger" scans_agree ledger seq restored
    is "$(scene_psql restored -c 'SELECT count(*) FROM passing')" 0 \
        "snapshot $number: the unlogged table is there, empty"
    ok "snapshot $number: amcheck" amcheck restored
    cluster_stop restored
    ok "snapshot $number: page checksums" check_pages "$scene/restored"
    scene_remove restored
    rm -rf "$scene/restored.other"
}

ok 'the repository is made' mainstay repo init --repository-url "$repository"
start_clients
for ((number = 1; number <= rounds; number++)); do
    wait_until 60 ledgers_moved || tap_result 1 "the workload moves before snapshot $number"
    if ((number % 4 == 0)); then
        stop_clients
        dump_all source | grep -v '^rows passing ' >"$scene/content.$number"
        take_snapshot "$number"
        start_clients
    else
        take_snapshot "$number"
    fi
    ids[number]=$(snapshot_ids "$repository" | tail -n 1)
done
stop_clients
is "$(printf '%s\n' "${ids[@]}" | sort -u | wc -l)" "$rounds" 'every snapshot has an id of its own'
ok 'the repository verifies' mainstay snapshot verify --repository-url "$repository"

for ((number = 1; number <= rounds; number++)); do
    check_restored "$number" "${ids[number]}"
done

# Each manifest alone, with the packs.
copy=$scene/copy
as_server cp -al "$repository" "$copy"
rm -rf "$copy/snapshots"
as_server mkdir "$copy/snapshots"
for ((number = 1; number <= rounds; number++)); do
    as_server cp "$repository/snapshots/"*"-${ids[number]}.manifest" "$copy/snapshots/"
    ok "snapshot $number restores without the other manifests" restore "${ids[number]}" alone "$copy"
    ok "snapshot $number alone: pg_verifybackup" verify_backup "$scene/alone"
    is "$(files_of alone)" "$(cat "$scene/files.$number")" "snapshot $number alone: the same files"
    rm -rf "$scene/alone" "$scene/alone.other" "$copy/snapshots/"*
done
done_testing
