# shellcheck shell=bash
# The stage for tests that need PostgreSQL and mainstay: cluster.sh, and the program, run as the
# user who owns the servers.
#
#   . tests/lib/scene.sh                 $scene is a directory of that user, $MAINSTAY the program
#   scene_cluster main                   made, configured and running
#   scene_psql main -c 'SELECT 1'
#   mainstay snapshot create ...
#   scene_start restored "$scene/restored"; scene_remove restored
#
# MAINSTAY_TEST_SEALED=1: every repository of the test is a sealed one, in which nothing is compressed, and what
# is stored has marks. done_testing looks through every object that was put into a local directory, also when
# it was removed later (preload_link.c), and through the stores of scene_stores.

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

# From here on each object that is put into a local directory stays below $TEST_DIR/objects: the same
# file, under the name of the object with ".PID-NUMBER" of the process behind it.
objects_keep() {
    [[ ! -e $TEST_DIR/objects ]] || return 0
    mkdir -m 777 "$TEST_DIR/objects"
    cp "$BUILD/tests/integration/preload_link.so" "$TEST_DIR/preload_link.so"
    chmod 755 "$TEST_DIR/preload_link.so"
    export MAINSTAY_TEST_OBJECTS=$TEST_DIR/objects LD_PRELOAD=$TEST_DIR/preload_link.so
}

# objects_of DIRECTORY: where those of a repository are kept
objects_of() { echo "$TEST_DIR/objects/${1//\//+}"; }

# objects_look STORE [MARK...]: prints what should not be in a sealed repository
objects_look() { "$BUILD/tests/integration/tool_objects" "$1" "${@:2}" "${scene_marks[@]}"; }

objects_are_sealed() {
    local store status=0
    for store in "${scene_plain[@]}"; do
        rm -rf "$(objects_of "$store")"
    done
    for store in "$TEST_DIR/objects"/* "${scene_stores[@]}"; do
        [[ ! -e $store && $store != *://* ]] || objects_look "$store" >>"$TEST_DIR/looked" 2>&1 || status=1
    done
    [[ -e $TEST_DIR/looked ]] || return 0 # nothing was stored
    note "$(awk '/^[0-9]+ objects, / { n += $1; s += $3; b += $5 }
        END { printf "%d objects, %d sealed, %.1f MB", n, s, b / 1e6 }' "$TEST_DIR/looked")"
    tap_result "$status" 'everything that was stored is sealed, and holds no mark'
    [[ $status -eq 0 ]] || diag "$(head -n 40 "$TEST_DIR/looked")"
}

# What scene_cluster plants, what stands in any cluster, and what stands in any JSON object of ours.
scene_marks=(mark-of-a-label mark-of-a-row mark_of_a_table mark-of-a-comment pg_attribute global/pg_control
    'START WAL LOCATION' 'no recovery target specified' '"created"' '"outcome"' '"system_identifier"')
scene_stores=() # URLs
scene_plain=()  # directories of repositories that are plain on purpose
if [[ -n ${MAINSTAY_TEST_SEALED:-} ]]; then
    export MAINSTAY_REPOSITORY_ENCRYPTION=sealed MAINSTAY_REPOSITORY_KEY_FILE=$scene/sealed.key
    export MAINSTAY_REPOSITORY_CODEC=none MAINSTAY_SNAPSHOT_LABEL=mark-of-a-label
    objects_keep
    before_plan=objects_are_sealed
fi

mainstay() {
    as_server "$MAINSTAY" "$@"
}

# scene_cluster NAME [SERVER OPTION...]
scene_cluster() {
    local name=$1
    shift
    cluster_create "$name" && cluster_start "$name" "$@" || return
    [[ -z ${MAINSTAY_TEST_SEALED:-} ]] || scene_mark "$name"
}

# For every database there will be.
scene_mark() {
    cluster_sql "$1" "COMMENT ON DATABASE postgres IS 'mark-of-a-comment';
        CREATE TABLE mark_of_a_table AS SELECT 'mark-of-a-row ' || g AS v FROM generate_series(1, 500) g" template1
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
