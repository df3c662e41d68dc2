# shellcheck shell=bash
# The stage for tests that need PostgreSQL and mainstay: cluster.sh, and the program, run as the
# user who owns the servers.
#
#   . tests/lib/scene.sh                 $scene is a directory of that user, $MAINSTAY the program
#   scene_cluster main                   made, configured and running
#   scene_psql main -c 'SELECT 1'
#   mainstay snapshot create ...
#   scene_start restored "$scene/restored"; scene_remove restored

# shellcheck source=tests/lib/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

MAINSTAY=${MAINSTAY:-$BUILD/mainstay}
if [[ ! -x $MAINSTAY ]]; then
    echo "no program at $MAINSTAY: run make first" >&2
    exit 1
fi
# The user postgres may not be able to read the tree.
scene=$TEST_DIR/scene
mkdir "$scene"
cp "$MAINSTAY" "$TEST_DIR/mainstay"
chmod 755 "$TEST_DIR/mainstay"
MAINSTAY=$TEST_DIR/mainstay
give_to_server "$scene"
export HOME=$scene
unset MAINSTAY_REPOSITORY_URL MAINSTAY_POSTGRES_CONNECTION
# MAINSTAY_TEST_SEALED=1: every repository of the test is a sealed one.
if [[ -n ${MAINSTAY_TEST_SEALED:-} ]]; then
    export MAINSTAY_REPOSITORY_ENCRYPTION=sealed MAINSTAY_REPOSITORY_KEY_FILE=$scene/sealed.key
fi

mainstay() {
    as_server "$MAINSTAY" "$@"
}

# scene_cluster NAME [SERVER OPTION...]
scene_cluster() {
    local name=$1
    shift
    cluster_create "$name" && cluster_start "$name" "$@"
}

# scene_start NAME DIRECTORY: a restored directory, at its own user's request
scene_start() {
    cluster_register "$1" "$2" && cluster_start "$1"
}

# Ends the cluster and removes its directory.
scene_remove() {
    cluster_end "$1"
    rm -rf "$(cluster_data "$1")"
}

scene_psql() {
    local name=$1
    shift
    "$CLIENT_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$TEST_DIR/$name.sock" \
        -p "$(cluster_port "$name")" -U postgres -d postgres "$@"
}

# json_value FILE KEY: the first number or text under that key, wherever it is
json_value() {
    grep -oE "\"$2\" *: *(\"[^\"]*\"|[0-9.]+|true|false|null)" "$1" | head -n 1 |
        sed -E 's/^"[^"]*" *: *//; s/^"(.*)"$/\1/'
}

# ids of the repository's snapshots, oldest first, from the names of the manifests
snapshot_ids() {
    find "$1/snapshots" -name '*.manifest' -printf '%f\n' | sort |
        sed -n 's|.*-\([0-9a-f]*\)\.manifest$|\1|p'
}
