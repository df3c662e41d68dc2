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
scene_tour() { scene_begin tour; }
