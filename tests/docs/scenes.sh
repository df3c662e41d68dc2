# shellcheck shell=bash
# What readers of our documents have before the first command. A function for each name that the blocks
# give in test=NAME; sourced by run.t.

# A PostgreSQL with a helpdesk of 200 tickets in it, nothing of ours.
scene_begin() { # NAME
    mkdir -p "$TEST_DIR/scene/$1"
    : >"$TEST_DIR/scene/$1/map"
    HELPDESK_NOW=now\(\) helpdesk_scene main -c track_commit_timestamp=on && scene_paths "$TEST_DIR/scene/$1"
}

scene_one_host() { scene_begin one-host; }

# The tour's restore point waits for its WAL: a second, not the five of the default.
scene_tour() { scene_begin tour && echo 'export MAINSTAY_WAL_FLUSH_INTERVAL=1s' >"$TEST_DIR/scene/tour/prologue"; }

# S3, a WAL stream, two snapshots, and a mistake: $MOMENT is before it. $COPY is a copy of the repository.
scene_night() {
    local dir=$TEST_DIR/scene/night url
    scene_begin night && s3_begin || return 1
    url='s3://helpdesk-backup/main?endpoint=https://s3.example.net&region=eu-central-1'
    translate "$dir" "$url" "$S3_URL"
    cat >"$dir/prologue" <<SCRIPT
export MAINSTAY_POSTGRES_CONNECTION='host=$TEST_DIR/main.sock' COPY=$dir/srv/copy
export MAINSTAY_REPOSITORY_URL=\$COPY
mainstay repo init && mainstay snapshot create
psql -d postgres -c "SELECT pg_drop_replication_slot('mainstay')"
export MAINSTAY_REPOSITORY_URL='$S3_URL'
mainstay repo init
mainstay wal stream --wal-flush-interval 1s &
mainstay restore-point create streaming && mainstay snapshot create
MOMENT=\$(psql -d postgres -Atc 'SELECT clock_timestamp()')
psql -d helpdesk -c 'DELETE FROM helpdesk.messages WHERE ticket_id = 17' -c 'DROP TABLE helpdesk.ticket_history CASCADE'
mainstay restore-point create after-the-mistake
mainstay snapshot create
MAINSTAY_REPOSITORY_URL=\$COPY mainstay snapshot create --full
export -n MAINSTAY_POSTGRES_CONNECTION
SCRIPT
}

# Runbooks of one's own: the reference helpdesk, alice runs, bob approves, carol plans.
scene_runbooks() { scene_begin runbooks; }

# Rights and configurations are printed and checked: no server is needed.
scene_rights() {
    local dir=$TEST_DIR/scene/rights
    mkdir -p "$dir/secrets"
    echo secret >"$dir/secrets/password"
    : >"$dir/map"
    translate "$dir" /run/secrets/mainstay-postgres "$dir/secrets"
    scene_paths "$dir"
}
