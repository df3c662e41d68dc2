#!/bin/bash
# One damaged, cut off or missing object of each kind: verify names it and the snapshots hit and
# exits with 4; a restore fails and names it. Never is wrong data handed out in silence.
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"

repository=$scene/repository
copy=$scene/copy
scene_cluster main
scene_psql main -c "CREATE TABLE t AS SELECT g, md5(g::text) AS text FROM generate_series(1, 30000) AS g"
export MAINSTAY_POSTGRES_CONNECTION
MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
ok 'repo init' mainstay repo init --repository-url "$repository"
ok 'snapshot 1' mainstay snapshot create --repository-url "$repository"
scene_psql main -c "UPDATE t SET text = 'changed' WHERE g % 50 = 0"
ok 'snapshot 2' mainstay snapshot create --repository-url "$repository"
cluster_stop main
mapfile -t ids < <(snapshot_ids "$repository")
is "${#ids[@]}" 2 'two snapshots'
verify() {
    mainstay snapshot verify --repository-url "$copy"
}
restore_latest() {
    rm -rf "$scene/restored"
    mainstay restore --repository-url "$copy" --to "$scene/restored"
}
fresh() {
    rm -rf "$copy"
    as_server cp -a "$repository" "$copy"
}
fresh
ok 'the undamaged copy verifies' verify
ok 'and restores' restore_latest

# The packs that the newest snapshot cannot do without: the big one of the first is shared.
pack=$(find "$repository/packs" -name '*.pack' -printf '%s %P\n' | sort -rn | head -n 1 | cut -d' ' -f2)
newest=$(cd "$repository/snapshots" && find . -name "*-${ids[1]}.manifest" -printf '%P')
oldest=$(cd "$repository/snapshots" && find . -name "*-${ids[0]}.manifest" -printf '%P')

# flip FILE OFFSET: inverts one bit; a negative offset counts from the end
flip() {
    perl -e '
        my ($file, $at) = @ARGV;
        chmod 0600, $file;
        open(my $fh, "+<", $file) or die "$file: $!";
        $at += -s $file if $at < 0;
        seek($fh, $at, 0); read($fh, my $byte, 1);
        seek($fh, $at, 0); print $fh chr(ord($byte) ^ 0x10);
        close($fh) or die' "$1" "$2"
}

# hit NAME OBJECT SNAPSHOT...: verify and restore after the damage; SNAPSHOTs must be named.
hit() {
    local name=$1 object=$2 output status=0 id
    shift 2
    output=$(verify 2>&1) || status=$?
    is "$status" 4 "$name: verify exits with 4"
    [[ $status -eq 4 ]] || diag "$output"
    like "$output" "${object##*/}" "$name: verify names the object"
    for id in "$@"; do
        like "$output" "${id:0:8}" "$name: verify names snapshot $id"
    done
}

# no_restore NAME PATTERN: the newest snapshot must not come back, and say why
no_restore() {
    local status=0 output
    output=$(restore_latest 2>&1) || status=$?
    if [[ $status -eq 0 ]] && diff -rq "$scene/restored" "$scene/good" >/dev/null 2>&1; then
        tap_result 0 "$1: restore did not need the damaged byte, and is right"
    else
        is "$([[ $status -ne 0 ]] && echo failed)" failed "$1: restore fails"
    fi
    [[ $status -eq 0 ]] || like "$output" "$2" "$1: restore names the object"
    if [[ $status -ne 0 ]]; then
        is "$([[ -e $scene/restored/global/pg_control ]] && echo there)" '' \
            "$1: what is left does not pass for a cluster"
    fi
}
mv "$scene/restored" "$scene/good"

size=$(stat -c %s "$repository/packs/$pack")
for at in 0 9 40 $((size / 3)) $((size / 2)) -300 -40 -9 -1; do
    fresh
    flip "$copy/packs/$pack" "$at"
    hit "pack, bit at $at" "$pack" "${ids[@]}"
    no_restore "pack, bit at $at" "$(basename "$pack" .pack | cut -c1-8)"
done
for cut in 1 100 $((size / 2)) "$size"; do
    fresh
    truncate -s "-$cut" "$copy/packs/$pack"
    hit "pack, $cut bytes cut off" "$pack" "${ids[@]}"
    no_restore "pack, $cut bytes cut off" "$(basename "$pack" .pack | cut -c1-8)"
done
fresh
rm "$copy/packs/$pack"
hit 'pack missing' "$pack" "${ids[@]}"
no_restore 'pack missing' "$(basename "$pack" .pack | cut -c1-8)"

size=$(stat -c %s "$repository/snapshots/$newest")
for at in 0 6 20 100 $((size / 2)) -40 -5 -1; do
    fresh
    flip "$copy/snapshots/$newest" "$at"
    hit "manifest, bit at $at" "$newest"
    fails "manifest, bit at $at: restore names it" '4|1|3' "${ids[1]:0:8}" \
        mainstay restore --repository-url "$copy" --to "$scene/never" --snapshot "${ids[1]}"
    is "$([[ -e $scene/never/global/pg_control ]] && echo there)" '' "manifest, bit at $at: nothing that passes for a cluster"
    rm -rf "$scene/never"
done
ok 'manifest: the older snapshot still restores beside the damaged one' \
    mainstay restore --repository-url "$copy" --to "$scene/never" --snapshot "${ids[0]}"
rm -rf "$scene/never"
fresh
truncate -s -1 "$copy/snapshots/$newest"
hit 'manifest cut off' "$newest"
fresh
: >"$copy/snapshots/$oldest"
hit 'manifest empty' "$oldest"
ok 'manifest empty: the other snapshot restores' restore_latest
fresh
rm "$copy/mainstay.json"
fails 'mainstay.json missing' 3 'mainstay\.json|repo init' verify
fresh
flip "$copy/mainstay.json" 3
fails 'mainstay.json damaged' 4 'mainstay\.json' verify

# The next snapshot heals: what the damaged pack held is stored anew.
fresh
rm "$copy/packs/$pack"
cluster_start main
MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
ok 'a snapshot is taken although its parent lost a pack' mainstay snapshot create --repository-url "$copy"
ok 'and it restores' restore_latest
ok 'and passes pg_verifybackup' verify_backup "$scene/restored"
done_testing
