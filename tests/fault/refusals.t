#!/bin/bash
# What must be refused is refused, with the right exit code and a message that says why, and leaves
# everything as it was.
# time limit: 180
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"

repository=$scene/repository
scene_cluster main
scene_psql main -c "CREATE TABLE t AS SELECT g, md5(g::text) FROM generate_series(1, 5000) AS g"
conninfo=$(cluster_conninfo main)
snapshot() {
    mainstay snapshot create --repository-url "${1:-$repository}" --postgres-connection "${2:-$conninfo}"
}
restore() {
    local to=$1
    shift
    mainstay restore --repository-url "$repository" --to "$to" "$@"
}

fails 'no repository yet: not found, and how to make one' 3 'repo init' snapshot
ok 'repo init' mainstay repo init --repository-url "$repository"
fails 'a second repo init is refused' '1|5' 'there is one' \
    mainstay repo init --repository-url "$repository" 
fails 'restore without a snapshot' 3 'no snapshot|not found|holds no' restore "$scene/none"
is "$([[ -e $scene/none ]] && echo there)" '' 'and nothing was made'
ok 'snapshot' snapshot
fails 'an unknown snapshot is named' 3 'ffffffffffffffff' restore "$scene/none" --snapshot ffffffffffffffff
fails 'a missing option is a usage error' 2 '\-\-to' mainstay restore --repository-url "$repository"
fails 'an unknown option is a usage error that helps' 2 'snapshto|--snapshot' \
    restore "$scene/none" --snapshto latest

# other people's data
as_server mkdir "$scene/photos"
as_server tee "$scene/photos/cat.jpg" >/dev/null <<<meow
fails 'repo init into somebody else'"'"'s directory' 5 'cat.jpg' \
    mainstay repo init --repository-url "$scene/photos"
fails 'restore into a directory that is not empty' 5 'not empty.*|photos' restore "$scene/photos"
is "$(find "$scene/photos" -type f)" "$scene/photos/cat.jpg" 'and the cat is alone and well'
fails 'delta into something that is no data directory' 5 'photos' restore "$scene/photos" --delta
is "$(cat "$scene/photos/cat.jpg")" meow 'and still well'

# a server that runs
data=$(cluster_data main)
fails 'restore into a running server'"'"'s directory' 5 "$data" restore "$data"
fails 'delta into a running server'"'"'s directory' 5 'runs in it' restore "$data" --delta
is "$(scene_psql main -c 'SELECT count(*) FROM t')" 5000 'and the server does not notice'

# another cluster
scene_cluster other
fails 'a snapshot of another cluster' 5 'holds those of system' snapshot "$repository" "$(cluster_conninfo other)"
cluster_stop other
fails 'delta into another cluster'"'"'s directory' 5 'is of system' \
    restore "$(cluster_data other)" --delta
ok 'the other cluster still starts' cluster_start other
cluster_stop other

# a server that is not there
fails 'nobody answers' 1 'could not connect|connection' snapshot "$repository" \
    "host=$scene/nowhere port=5432 user=postgres"

# full_page_writes off: torn pages could not be repaired
cluster_configure main 'full_page_writes = off'
cluster_reload main
cluster_wait main "SELECT setting = 'off' FROM pg_settings WHERE name = 'full_page_writes'"
fails 'full_page_writes off' 5 'full_page_writes' snapshot
cluster_configure main 'full_page_writes = on'
cluster_reload main
cluster_wait main "SELECT setting = 'on' FROM pg_settings WHERE name = 'full_page_writes'"

# repositories from elsewhere: a changed copy of mainstay.json
altered() {
    rm -rf "$scene/altered"
    as_server cp -al "$repository" "$scene/altered"
    rm "$scene/altered/mainstay.json"
    sed "$1" "$repository/mainstay.json" | as_server tee "$scene/altered/mainstay.json" >/dev/null
    if cmp -s "$repository/mainstay.json" "$scene/altered/mainstay.json"; then
        diag "sed changed nothing: $1" "$(cat "$repository/mainstay.json")"
    fi
    fails "$2" "$3" "$4" mainstay snapshot list --repository-url "$scene/altered"
    fails "$2: no restore either" "$3" "$4" mainstay restore --repository-url "$scene/altered" --to "$scene/none"
}
altered 's/\("[a-z_]*version" *: *\)1/\199/' 'a newer format version' '1' 'version 99|99'
altered 's/"features" *: *\[\]/"features": ["teleport"]/; s/"sealed"/&, "teleport"/' 'an unknown feature' '1' 'teleport'
altered 's/"codec" *: *"[a-z]*"/"codec": "snappy"/' 'an unknown codec' '1|4' 'snappy'
altered 's/\(.*\)}/\1 oops/' 'a mainstay.json that is no JSON' '4' 'mainstay\.json'
: | as_server tee "$scene/altered/mainstay.json" >/dev/null
fails 'an empty mainstay.json' 4 'mainstay\.json' mainstay snapshot list --repository-url "$scene/altered"

# too little space, said before a byte is written
if [[ $(id -u) -eq 0 ]] && mkdir "$TEST_DIR/small" && mount -t tmpfs -o size=8m tmpfs "$TEST_DIR/small" 2>/dev/null; then
    trap 'umount "$TEST_DIR/small"; cluster_cleanup' EXIT
    give_to_server "$TEST_DIR/small"
    fails 'a disk that is too small' 1 'space' restore "$TEST_DIR/small/data"
    is "$(find "$TEST_DIR/small" -type f | wc -l)" 0 'and not one file was written'
else
    skip 2 'needs root and tmpfs'
fi

ok 'after all this the repository verifies' mainstay snapshot verify --repository-url "$repository"
ok 'and the next snapshot works' snapshot
done_testing
