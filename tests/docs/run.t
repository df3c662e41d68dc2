#!/bin/bash
# The commands in README.md and docs/ do what the documents say: every ```sh block is run in its scene, in order,
# and prints what is shown below it, or is marked with the reason why it cannot run here.
#
#   UPDATE=1 tests/docs/run.t     puts what was printed into the documents (UPDATE=SCENE: of one scene)
#
# time limit: 240
# shellcheck disable=SC2317 # functions are called by name
. "$(dirname "$0")/../lib/helpdesk_scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
blocks=$root/tests/docs/blocks
cd "$root" || exit 1
documents=(README.md docs/*.md)
cannot_run_limit=9

# --- every block is accounted for -------------------------------------------------------------------

"$blocks" list "${documents[@]}" >"$TEST_DIR/list"
is "$(grep -c ': unmarked$' "$TEST_DIR/list")" 0 'every block of commands is run, or says why not' ||
    diag "$(grep ': unmarked$' "$TEST_DIR/list")"
cannot_run=$(grep -c ': norun ' "$TEST_DIR/list")
note "$(grep -c ': run ' "$TEST_DIR/list") blocks are run, $cannot_run cannot be run here:"
note "$(sed -n 's/.*: norun //p' "$TEST_DIR/list" | sort | uniq -c)"
ok "at most $cannot_run_limit blocks cannot be run here" test "$cannot_run" -le $cannot_run_limit

ok 'every message in docs/troubleshooting.md is one of the program' \
    tests/docs/messages check docs/troubleshooting.md src/*/*.c

# --- scenes: what a reader has before the first command ----------------------------------------------

# The path of a drill's socket must be short.
mkdir "$TEST_DIR/drill"
give_to_server "$TEST_DIR/drill"

# translate DIR AS_IN_THE_DOCUMENT HERE
translate() { printf '%s\t%s\n' "$2" "$3" >>"$1/map"; }

free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# What is the same for every reader: where PostgreSQL, the repository and the configuration are.
scene_paths() { # DIR
    local dir=$1
    mkdir -p "$dir/etc" "$dir/srv" "$dir/pg/15" "$dir/bin" "$dir/tmp"
    ln -s "$MAINSTAY" "$dir/bin/mainstay"
    ln -s "$TEST_DIR/mainstayd" "$dir/bin/mainstayd"
    give_to_server "$dir" "$dir"/*
    translate "$dir" /srv/backup "$dir/srv/backup"
    translate "$dir" /etc/mainstay "$dir/etc/mainstay"
    translate "$dir" /var/lib/postgresql "$dir/pg"
    translate "$dir" /run/postgresql "$TEST_DIR/main.sock"
    translate "$dir" /usr/lib/postgresql/15/bin "$SERVER_BIN"
    translate "$dir" db.example.org localhost
    translate "$dir" 9871 "$(free_port)"
    translate "$dir" 5433 "$(free_port)"
    translate "$dir" /tmp/ "$dir/tmp/"
    translate "$dir" 'sudo -u postgres ' ''
    translate "$dir" 'sudo -u mainstay ' ''
    translate "$dir" 'sudo ' ''
}

# scene_run NAME: its blocks, in one shell of the servers' user
scene_run() {
    local name=$1 dir=$TEST_DIR/scene/$1 n exit where status
    "$blocks" script "$name" "$dir" "${documents[@]}" || return 1
    chmod 777 "$dir"
    as_server env HOME="$dir/tmp" PATH="$dir/bin:$CLIENT_BIN:$PATH" PGPORT="$(cat "$TEST_DIR/main.port" 2>/dev/null || echo 5432)" PGUSER=postgres \
        PGHOST="$TEST_DIR/main.sock" TMPDIR="$dir/tmp" MAINSTAY_DRILL_SCRATCH="$TEST_DIR/drill" TZ=UTC \
        bash -c 'trap '\''jobs -p | xargs -r kill 2>/dev/null; wait'\'' EXIT; cd "$1/tmp"; [ ! -e "$1/prologue" ] || . "$1/prologue" >"$1/prologue.log" 2>&1; . "$1/script"' scene "$dir"
    while IFS=$'\t' read -r n exit where; do
        status=$(cat "$dir/$n.status" 2>/dev/null)
        is "$status" "$exit" "$name: $where does what it says" || diag "$(cat "$dir/$n.out")"
        [[ $status == "$exit" ]] || diag "$(tail -n 30 "$dir/$n.out")"
        [[ -e $dir/$n.wanted ]] || continue
        ok "$name: $where prints what is shown" "$blocks" compare "$dir/$n.wanted" "$dir/$n.out" "$dir" \
            "$([[ ! -e $dir/$n.loose ]] || echo loose)"
    done <"$dir/plan"
    if [[ ${UPDATE:-} == 1 || ${UPDATE:-} == "$name" ]]; then
        "$blocks" update "$name" "$dir" "${documents[@]}"
    fi
}

cp "$BUILD/mainstayd" "$TEST_DIR/mainstayd"
chmod 755 "$TEST_DIR/mainstayd"
mkdir -p "$TEST_DIR/scene"
# shellcheck source=tests/docs/scenes.sh
. "$root/tests/docs/scenes.sh"
for name in $(sed -n 's/.*: run //p' "$TEST_DIR/list" | sort -u); do
    [[ -z ${SCENE:-} || $SCENE == "$name" ]] || continue
    if ! declare -F "scene_${name//-/_}" >/dev/null; then
        tap_result 1 "scene $name is known to tests/docs/scenes.sh"
        continue
    fi
    "scene_${name//-/_}" && scene_run "$name" || tap_result 1 "scene $name begins"
    cluster_end main 2>/dev/null
    rm -rf "$TEST_DIR/main" "$TEST_DIR/main.sock"
done
done_testing
