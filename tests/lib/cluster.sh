# shellcheck shell=bash
# Sourced by the integration tests (bash): throw-away PostgreSQL clusters and TAP output.
#
#     . "$(dirname "$0")/../lib/cluster.sh"
#     cluster_create main                  # initdb; checksums on unless CHECKSUMS=off
#     cluster_start main
#     cluster_sql main "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i"
#     ok "the table is there" cluster_sql main "SELECT 1 FROM t LIMIT 1"
#     dump_all main >"$TEST_DIR/before"
#     cluster_adopt copy "$TEST_DIR/restored"; cluster_start copy
#     dump_all copy >"$TEST_DIR/after"
#     ok "the content is the same" cmp "$TEST_DIR/before" "$TEST_DIR/after"
#     done_testing
#
# PG_MAJOR chooses the server (default 15). Everything lives under $TEST_DIR, which disappears with
# its servers when the test ends, however it ends. Servers run as $SERVER_USER when the test is
# root, listen on loopback and a socket in $TEST_DIR, and are ended by process id.

PG_MAJOR=${PG_MAJOR:-15}
TESTS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${B:-build}
[[ $BUILD == /* ]] || BUILD=$(dirname "$TESTS_ROOT")/$BUILD
export BUILD
SERVER_USER=${SERVER_USER:-postgres}
SERVER_PASSWORD=mainstay-test
export LC_ALL=C PGCONNECT_TIMEOUT=10
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS

cluster_names=()
# shellcheck source=tests/lib/tap.sh
. "$TESTS_ROOT/lib/tap.sh"

# --- where things are ------------------------------------------------------------------------------

TEST_DIR=$(mktemp -d "${TMPDIR:-/tmp}/mst.XXXXXX")
chmod 755 "$TEST_DIR"
trap cluster_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && runuser -u "$SERVER_USER" -- "$@")
    else
        "$@"
    fi
}

give_to_server() {
    if [ "$(id -u)" -eq 0 ]; then
        chown -R "$SERVER_USER" "$@"
    fi
}

# Debian's clients serve every major; pg_verifybackup, pg_amcheck and pg_waldump are only there.
client_bin() {
    local found
    found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    echo "$found"
}
CLIENT_BIN=$(client_bin)
SERVER_BIN=$("$TESTS_ROOT/lib/fetch-postgres" "$PG_MAJOR") ||
    skip_all "PostgreSQL $PG_MAJOR is not available"

# --- clusters --------------------------------------------------------------------------------------

cluster_data() { cat "$TEST_DIR/$1.path"; }
cluster_port() { cat "$TEST_DIR/$1.port"; }
cluster_log() { echo "$TEST_DIR/$1.log"; }

cluster_register() { # NAME DIRECTORY
    echo "$2" >"$TEST_DIR/$1.path"
    : >"$TEST_DIR/$1.log"
    mkdir -p "$TEST_DIR/$1.sock"
    give_to_server "$TEST_DIR/$1.log" "$TEST_DIR/$1.sock"
    cluster_names+=("$1")
}

# cluster_create NAME [INITDB OPTION...]
cluster_create() {
    local name=$1 options=()
    shift
    if [ "${CHECKSUMS:-on}" = on ]; then
        options+=(--data-checksums)
    elif [ "$PG_MAJOR" -ge 18 ]; then
        options+=(--no-data-checksums)
    fi
    mkdir "$TEST_DIR/$name"
    give_to_server "$TEST_DIR/$name"
    cluster_register "$name" "$TEST_DIR/$name/data"
    as_server "$SERVER_BIN/initdb" -D "$TEST_DIR/$name/data" -U postgres -A trust -E UTF8 \
        --locale=C -N "${options[@]}" "$@" >"$TEST_DIR/$name.initdb" 2>&1 || {
        cat "$TEST_DIR/$name.initdb" >&2
        return 1
    }
    cluster_configure "$name" "fsync = off" "max_wal_senders = 10" "wal_keep_size = 512MB" \
        "shared_buffers = 32MB" "log_min_messages = info" "lc_messages = 'C'"
}

# cluster_configure NAME LINE...: appended to postgresql.conf
cluster_configure() {
    local name=$1 data
    data=$(cluster_data "$name")
    shift
    printf '%s\n' "$@" >>"$data/postgresql.conf"
}

# From now on TCP needs the password (SCRAM); the socket stays open for the test itself.
cluster_require_password() {
    local data
    data=$(cluster_data "$1")
    cluster_sql "$1" "SET password_encryption = 'scram-sha-256';
                      ALTER ROLE postgres PASSWORD '$SERVER_PASSWORD'" >/dev/null
    printf '%s\n' "local all all trust" "local replication all trust" \
        "host all all 127.0.0.1/32 scram-sha-256" \
        "host replication all 127.0.0.1/32 scram-sha-256" >"$data/pg_hba.conf"
    cluster_reload "$1"
}

cluster_reload() { as_server "$SERVER_BIN/pg_ctl" -D "$(cluster_data "$1")" reload >/dev/null; }

# cluster_adopt NAME DIRECTORY: a data directory made by somebody else, e.g. a restore
cluster_adopt() {
    cluster_register "$1" "$2"
    give_to_server "$2"
    chmod 700 "$2"
}

# cluster_start NAME [SERVER OPTION...]: below the ephemeral ports; another port when it is taken
cluster_start() {
    local name=$1 port data
    shift
    data=$(cluster_data "$name")
    for _ in 1 2 3 4 5; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 10000))
        echo "$port" >"$TEST_DIR/$name.port"
        if as_server "$SERVER_BIN/pg_ctl" -w -t 60 -D "$data" -l "$TEST_DIR/$name.log" -o \
            "-p $port -k '$TEST_DIR/$name.sock' -c listen_addresses=127.0.0.1 $*" \
            start >"$TEST_DIR/$name.ctl" 2>&1; then
            return 0
        fi
        grep -q "could not bind\|Address already in use" "$TEST_DIR/$name.log" || break
    done
    tail -n 20 "$TEST_DIR/$name.ctl" "$TEST_DIR/$name.log" >&2
    return 1
}

# cluster_stop NAME [smart|fast|immediate]
cluster_stop() {
    as_server "$SERVER_BIN/pg_ctl" -w -t 60 -D "$(cluster_data "$1")" -m "${2:-fast}" stop >/dev/null
}

cluster_pid() { head -n 1 "$(cluster_data "$1")/postmaster.pid" 2>/dev/null; }

# SIGKILL to the postmaster; its children follow by themselves.
cluster_kill() {
    local pid
    pid=$(cluster_pid "$1")
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

# Ends the server of this directory if there is one, and nothing else: the process must have the
# directory as its working directory.
cluster_end() {
    local data pid i
    data=$(cluster_data "$1") || return 0
    pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || return 0
    [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$(readlink -f "$data")" ] || return 0
    kill -QUIT "$pid" 2>/dev/null
    for ((i = 0; i < 100; i++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null
}

cluster_cleanup() {
    local status=$? name
    trap '' INT TERM
    for name in "${cluster_names[@]}"; do
        cluster_end "$name"
    done
    if [ -n "${KEEP_TEST_DIR:-}" ]; then
        diag "kept $TEST_DIR"
    else
        rm -rf "$TEST_DIR"
    fi
    exit "$status"
}

# cluster_conninfo NAME [USER]: over TCP, as the product connects
cluster_conninfo() {
    echo "host=127.0.0.1 port=$(cluster_port "$1") user=${2:-postgres} dbname=postgres"
}

# cluster_sql NAME STATEMENT [DATABASE]: unaligned rows, no header
cluster_sql() {
    "$CLIENT_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$TEST_DIR/$1.sock" \
        -p "$(cluster_port "$1")" -U postgres -d "${3:-postgres}" -c "$2"
}

# cluster_wait NAME QUERY: until it says "t", at most 60 s
cluster_wait() {
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(cluster_sql "$1" "$2" 2>/dev/null)" = t ] && return 0
        sleep 0.1
    done
    return 1
}

# --- comparing content -----------------------------------------------------------------------------

# Objects with their definitions, sequence positions, and for every table the number of rows and an
# order-independent sum of row hashes. Catalog oids are left out: equal clusters give equal texts.
DUMP_SQL="
SELECT 'column ' || c.oid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || ' ' || a.attnotnull || ' ' || c.relkind::text || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1;
SELECT 'index ' || indexdef FROM pg_indexes
 WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema' ORDER BY 1;
SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1;
SELECT 'function ' || oid::regprocedure || ' ' || md5(coalesce(prosrc, '')) FROM pg_proc
 WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1;
SELECT 'view ' || oid::regclass || ' ' || md5(pg_get_viewdef(oid)) FROM pg_class
 WHERE relkind IN ('v', 'm') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1;
SELECT 'large objects ' || count(*) || ' ' || coalesce(sum(hashtextextended(md5(data), pageno)), 0)
  FROM pg_largeobject;
SELECT format('SELECT %L || last_value || %L || is_called FROM %s', 'sequence ' || c.oid::regclass || ' ',
              ' ', c.oid::regclass)
  FROM pg_class c WHERE relkind = 'S' ORDER BY c.oid::regclass::text COLLATE \"C\" \\gexec
SELECT format('SELECT %L || count(*) || %L || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM ONLY %s t',
              'rows ' || c.oid::regclass || ' ', ' ', c.oid::regclass)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY c.oid::regclass::text COLLATE \"C\" \\gexec
"

# dump_all NAME: roles, tablespaces, databases and the content of each database, as text
dump_all() {
    local database
    cluster_sql "$1" "SELECT 'role ' || rolname || ' ' || rolsuper || ' ' || rolcanlogin || ' ' ||
                             rolreplication FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
    cluster_sql "$1" "SELECT 'tablespace ' || spcname FROM pg_tablespace ORDER BY 1"
    for database in $(cluster_sql "$1" \
        "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname COLLATE \"C\""); do
        echo "database $database"
        printf '%s' "$DUMP_SQL" | "$CLIENT_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 \
            -h "$TEST_DIR/$1.sock" -p "$(cluster_port "$1")" -U postgres -d "$database" || return 1
    done
}

# same_content NAME NAME
same_content() {
    dump_all "$1" >"$TEST_DIR/$1.dump" && dump_all "$2" >"$TEST_DIR/$2.dump" &&
        diff -u "$TEST_DIR/$1.dump" "$TEST_DIR/$2.dump"
}

# verify_backup DIRECTORY: pg_verifybackup with the manifest inside, WAL left out (the Debian tool
# reads the WAL of its own major only). Manifests of 17 and later differ from version 1 in one line;
# the tool of 15 gets that line removed and the manifest's own checksum renewed.
verify_backup() {
    local manifest=$1/backup_manifest body=$TEST_DIR/manifest.v1
    if grep -q '"PostgreSQL-Backup-Manifest-Version": 2' "$manifest"; then
        sed -e 's/"PostgreSQL-Backup-Manifest-Version": 2/"PostgreSQL-Backup-Manifest-Version": 1/' \
            -e '/^"System-Identifier":/d' -e '/^"Manifest-Checksum":/d' "$manifest" >"$body"
        printf '"Manifest-Checksum": "%s"}\n' "$(sha256sum <"$body" | cut -d ' ' -f 1)" >>"$body"
        manifest=$body
    fi
    "$CLIENT_BIN/pg_verifybackup" -n -e -m "$manifest" "$1"
}

# amcheck NAME: every index and heap of every database, by the server's amcheck extension (13 has
# no check of heaps)
amcheck() {
    local database
    if [ "$PG_MAJOR" -ge 14 ]; then
        "$CLIENT_BIN/pg_amcheck" -h "$TEST_DIR/$1.sock" -p "$(cluster_port "$1")" -U postgres \
            --all --install-missing --heapallindexed
        return
    fi
    for database in $(cluster_sql "$1" "SELECT datname FROM pg_database WHERE datallowconn"); do
        cluster_sql "$1" "CREATE EXTENSION IF NOT EXISTS amcheck" "$database" &&
            cluster_sql "$1" "SELECT bt_index_parent_check(c.oid, true) FROM pg_class c
                                JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree'
                               WHERE c.relkind = 'i' AND c.relpersistence <> 't'" "$database" \
                >/dev/null || return 1
    done
}
