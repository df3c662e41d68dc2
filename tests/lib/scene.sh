# shellcheck shell=bash
# The stage for tests that need PostgreSQL and mainstay: a temporary directory, throwaway clusters
# that listen on Unix sockets only, everything ended and removed when the script ends.
#
#   . tests/lib/scene.sh
#   scene_begin                      $scene is the directory, $MAINSTAY the program
#   server_create main [initdb options]   cluster $scene/main, running; $scene/main.conninfo
#   server_psql main -c 'SELECT 1'
#   server_stop main fast; server_start main
#
# PostgreSQL refuses to run as root, so as root everything here runs as the user postgres: use
# `as_user command` for what touches the clusters' files.

PGBIN=${PGBIN:-/usr/lib/postgresql/15/bin}
scene=
as_user_prefix=()
scene_servers=()

as_user() {
    "${as_user_prefix[@]}" "$@"
}

scene_begin() {
    local tree
    tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    MAINSTAY=${MAINSTAY:-$tree/${B:-build}/mainstay}
    [[ -x $MAINSTAY ]] || { echo "no program at $MAINSTAY: run make first" >&2; exit 1; }
    scene=$(mktemp -d "${TMPDIR:-/tmp}/mainstay.XXXXXX")
    trap scene_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$scene/bin" "$scene/socket"
    cp "$MAINSTAY" "$scene/bin/mainstay"
    MAINSTAY=$scene/bin/mainstay
    if [[ $(id -u) -eq 0 ]]; then
        as_user_prefix=(setpriv --reuid=postgres --regid=postgres --clear-groups)
        chown -R postgres:postgres "$scene"
    fi
    export HOME=$scene PGUSER=postgres PGHOST=$scene/socket PGDATABASE=postgres
    export PGCONNECT_TIMEOUT=10 LC_ALL=C.UTF-8
    unset MAINSTAY_REPOSITORY_URL MAINSTAY_POSTGRES_CONNECTION
    cd "$scene" || exit
}

scene_end() {
    local status=$? name
    trap - EXIT
    for name in "${scene_servers[@]}"; do
        server_stop "$name" immediate || true
    done
    cd /
    rm -rf "$scene"
    exit "$status"
}

# Makes a cluster and starts it. Small and impatient, but fsync is off only where said.
server_create() {
    local name=$1
    shift
    as_user "$PGBIN/initdb" -D "$scene/$name" -U postgres -A trust -E UTF8 --locale=C -N "$@" \
        >"$scene/$name.initdb" 2>&1 || { cat "$scene/$name.initdb" >&2; return 1; }
    as_user tee -a "$scene/$name/postgresql.conf" >/dev/null <<CONF
fsync = off
max_wal_senders = 8
wal_level = replica
shared_buffers = 64MB
max_connections = 40
unix_socket_directories = '$scene/socket'
listen_addresses = ''
log_line_prefix = '%m [%p] '
CONF
    server_start "$name"
}

# server_start NAME [postgres options]: on a socket number of its own; $name.conninfo says which.
server_start() {
    local name=$1 number attempt
    shift
    for attempt in 1 2 3 4 5; do
        number=$((20000 + RANDOM % 10000))
        [[ ! -e $scene/socket/.s.PGSQL.$number ]] || continue
        if as_user "$PGBIN/pg_ctl" -D "$scene/$name" -w -t 120 -s -l "$scene/$name.log" \
            -o "-p $number -c unix_socket_directories='$scene/socket' -c listen_addresses='' $*" start \
            >"$scene/$name.start" 2>&1; then
            echo "$number" >"$scene/$name.port"
            echo "host=$scene/socket port=$number user=postgres dbname=postgres" >"$scene/$name.conninfo"
            [[ " ${scene_servers[*]} " == *" $name "* ]] || scene_servers+=("$name")
            return 0
        fi
        grep -q 'could not bind\|already in use' "$scene/$name.log" || break
    done
    echo "server $name did not start (attempt $attempt):" >&2
    cat "$scene/$name.start" >&2
    tail -n 20 "$scene/$name.log" >&2
    return 1
}

# server_stop NAME [fast|immediate|smart]; a server that does not run is fine.
server_stop() {
    [[ -e $scene/$1/postmaster.pid ]] || return 0
    as_user "$PGBIN/pg_ctl" -D "$scene/$1" -w -t 60 -s -m "${2:-fast}" stop >/dev/null 2>&1
}

# server_remove NAME: stopped and deleted.
server_remove() {
    server_stop "$1" immediate || true
    rm -rf "${scene:?}/$1" "$scene/$1".{log,start,initdb,port,conninfo}
}

server_port() {
    cat "$scene/$1.port"
}

server_psql() {
    local name=$1
    shift
    psql -X -q -A -t -v ON_ERROR_STOP=1 -p "$(server_port "$name")" "$@"
}

# One line for each table, sequence and large object, and for the definitions of tables and
# indexes, of every database: what must be equal after a restore.
server_content() {
    local name=$1 database
    for database in $(server_psql "$name" -c \
        "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"); do
        echo "database $database"
        server_psql "$name" -d "$database" -f - <"$SCENE_LIB/content.sql"
    done
}

SCENE_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export SCENE_LIB

mainstay() {
    as_user "$MAINSTAY" "$@"
}

# json_value FILE_OR_- KEY: the first number or text under that key, wherever it is.
json_value() {
    grep -oE "\"$2\" *: *(\"[^\"]*\"|[0-9.]+|true|false|null)" "$1" | head -n 1 |
        sed -E 's/^"[^"]*" *: *//; s/^"(.*)"$/\1/'
}

# wait_until SECONDS COMMAND...: polls until the command succeeds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [[ $SECONDS -lt $deadline ]] || { echo "gave up waiting for: $*" >&2; return 1; }
        read -rt 0.05 <> <(:) || true
    done
}
