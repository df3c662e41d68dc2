#!/bin/bash
# Every job does its work with exactly the rights that `mainstay doctor --print-grants` and `--print-iam` print
# for its identity, and with none of another's: real logins, real users of a real S3 server (Ceph RGW). Once on
# a bucket that locks what is stored, in a sealed repository, once on a plain one.
# majors: 15
# time limit: 420
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/runbook_scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
command -v radosgw >/dev/null || skip_all 'Ceph RGW is not installed'
command -v jq >/dev/null || skip_all 'jq is not installed'

s3_begin || exit 1
helpdesk_scene desk -c track_commit_timestamp=on || exit 1
ceph=$TESTS_ROOT/servers/ceph

# --- identities, as printed -------------------------------------------------------------------------

stores=(founder writer reaper reader runner)
for name in "${stores[@]}"; do s3_user "$name"; done
# identities BUCKET URL: as printed for this repository, with the locks in the environment
identities() {
    local name
    for name in "${stores[@]}"; do
        ok "the policy of the $name is printed" eval "mainstay doctor --print-iam $name --repo '$2' >'$TEST_DIR/$name.iam'"
    done
    ok 'the store takes them' s3_policies "$1" "${stores[@]}"
    is "$(jq -r '.Statement[] | select(.Sid == "Remove") | .Resource[]' "$TEST_DIR/writer.iam" | sed 's|.*cluster/||' | sort | xargs)" \
        'leases/* probe/* terms/*' 'the writer removes only its announcements'
}
mainstay doctor --print-grants all >"$TEST_DIR/grants.sql"
ok 'the server takes the printed SQL' helpdesk_script desk -f - <"$TEST_DIR/grants.sql"
fails 'an unknown identity is refused with the names' 2 'founder, writer, reaper, reader' mainstay doctor --print-iam root
fails 'a directory has no policy' 2 'has no IAM policy' mainstay doctor --print-iam writer --repo "$scene/x"
fails 'who needs no store gets no policy' 3 'approver needs no store' mainstay doctor --print-iam approver --repo "$S3_URL"

# by IDENTITY LOGIN ARGUMENT...: with the keys of the one and as the other
by() {
    local name=$1 login=$2
    shift 2
    TMPDIR=$scene MAINSTAY_REPOSITORY_URL=$url MAINSTAY_POSTGRES_CONNECTION="$(helpdesk_conninfo desk "$login")" \
        MAINSTAY_HELPDESK_CONNECTION="$(helpdesk_conninfo desk "$login")" s3_as "$name" mainstay "$@"
}

# --- backups ----------------------------------------------------------------------------------------

# raw METHOD IDENTITY KEY [CURL OPTION...]: the status of a request past the program
raw() {
    local options=("${@:4}")
    [[ $1 != PUT || $# -gt 3 ]] || options=(--data-binary '')
    s3_as "$2" s3_status "$1" "$bucket/cluster/$3" "${options[@]}"
}

# writes PLACE: what founder and writer do, and what neither may
writes() {
    local config=$scene/$1.yaml chunk
    fails 'without rights nobody makes a repository' 1 'AccessDenied' by writer backup_writer repo init
    ok 'the founder makes it' by founder backup_founder repo init
    ok 'and examines everything' by founder backup_founder doctor
    printf '%s\n' 'repository:' "  url: \"$url\"" 'postgres:' "  connection: $(helpdesk_conninfo desk backup_writer)" \
        'daemon:' '  listen: "off"' '  snapshot-schedule: "0 3 1 1 *"' >"$config"
    # shellcheck disable=SC2016 # the inner shell's own variables
    s3_as writer as_server \
        sh -c 'echo $$ >"$0"; exec "$@"' "$scene/daemon.pid" "$TEST_DIR/mainstayd" --config "$config" >"$TEST_DIR/daemon.log" 2>&1 &
    daemon=$!
    ok 'the daemon of the writer takes its term, streams and makes the first snapshot' \
        wait_until 60 grep -q 'snapshot finished' "$TEST_DIR/daemon.log"
    ok 'a snapshot' by writer backup_writer snapshot create
    ok 'a restore point' by writer backup_writer restore-point create before
    ok 'status' by writer backup_writer status
    ok 'verification, on record' by writer backup_writer snapshot verify --record
    ok 'the writer examines everything' by writer backup_writer doctor
    fails 'the writer does not expire' 1 'AccessDenied' by writer backup_writer snapshot expire --keep-last 1 --grace 0s
    fails 'a login without the grant makes no restore point' 1 'permission denied for function pg_create_restore_point' \
        by runner backup_founder restore-point create mine
    pack=$(by reader backup_founder snapshot verify --json --store-trace 2>&1 | grep -oE 'packs/[0-9a-f/]+\.pack' | head -n 1)
    like "$pack" '^packs/' 'there is a pack'
    is "$(raw DELETE writer "$pack") $(raw DELETE reader "$pack") $(raw DELETE founder "$pack")" '403 403 403' \
        'neither of them removes a pack with a client of its own'
    chunk=wal/00000001/$(printf '%016x-%016x' 1 2).wal
    is "$(raw PUT reaper "$chunk") $(raw DELETE writer "$chunk") $(raw DELETE reaper "$chunk")" '200 403 204' \
        'of WAL, too, only the reaper removes: merging is its job'
    is "$(raw PUT reader mainstay.json) $(raw PUT writer mainstay.json) $(raw PUT reaper "$pack")" '403 403 403' \
        'nobody writes over mainstay.json; the reaper writes no packs'
}

# reads PLACE
reads() {
    local segment
    ok 'the reader lists' by reader backup_founder snapshot list
    ok 'and verifies' by reader backup_founder snapshot verify --record
    ok 'and sees the window' by reader backup_founder wal window
    ok 'and restores' by reader backup_founder restore --to "$scene/$1-restored" --target-name before
    by reader backup_founder snapshot show latest --json >"$TEST_DIR/latest.json"
    segment=$(scene_psql desk -c "SELECT pg_walfile_name('$(json_value "$TEST_DIR/latest.json" start_lsn)')")
    ok 'with its WAL' by reader backup_founder wal get "$segment" "$scene/$1-segment"
    ok 'and drills' by reader backup_founder drill run --target-immediate
    ok 'and shows the proof' by reader backup_founder drill list
    fails 'the reader takes no snapshots' 1 'AccessDenied' by reader backup_writer snapshot create
    fails 'the reader does not expire' 1 'AccessDenied' by reader backup_writer snapshot expire --keep-last 1 --grace 0s
}

# removes SNAPSHOTS: how many are left
removes() {
    ok 'the reaper pins' by reaper backup_founder snapshot pin latest --reason test
    ok 'and unpins' by reaper backup_founder snapshot unpin latest
    ok 'and merges WAL' by reaper backup_founder wal merge --older-than 0s
    ok 'and expires' by reaper backup_founder snapshot expire --keep-last 1 --grace 0s
    is "$(by reader backup_founder snapshot list --json | jq '.snapshots | length')" "$1" "snapshots that are left: $1"
    fails 'the reaper does not restore' 1 'AccessDenied' by reaper backup_founder restore --to "$scene/nothing-$1"
    ok 'after that the writer goes on' by writer backup_writer snapshot create
    ok 'and everything that is left is whole' by reader backup_founder snapshot verify
}

daemon_ends() {
    kill -TERM "$(cat "$scene/daemon.pid")"
    wait "$daemon"
    is $? 0 'the daemon ends as usual'
    is "$(grep -c ' error ' "$TEST_DIR/daemon.log")" 0 'and missed no right' || diag "$(grep ' error ' "$TEST_DIR/daemon.log")"
}

cp "$BUILD/mainstayd" "$TEST_DIR/mainstayd"
chmod 755 "$TEST_DIR/mainstayd"

# --- locked and held, sealed ------------------------------------------------------------------------

bucket=locked url=${S3_URL/snapshots/locked}
"$ceph" bucket "$TEST_DIR/ceph" locked lock
export MAINSTAY_STORE_LOCK_MODE=governance MAINSTAY_STORE_LOCK_DAYS=3 MAINSTAY_STORE_LEGAL_HOLD=true MAINSTAY_WAL_SLOT=locked
export MAINSTAY_REPOSITORY_ENCRYPTION=sealed MAINSTAY_REPOSITORY_KEY_FILE=$scene/locked.key
identities locked "$url"
writes locked
doctor=$(by writer backup_writer doctor 2>&1)
like "$doctor" 'what is stored is locked for 3 days \(governance\), and held' 'the writer sees how the bucket is set'
like "$doctor" 'nothing was put over, nothing removed under a lock' 'and that nobody changed anything'
reads locked
moment=$(date -u +%Y-%m-%dT%H:%M:%SZ)
passed() { [[ $(date -u +%Y-%m-%dT%H:%M:%SZ) > $moment ]]; }
wait_until 5 passed
removes 2
like "$(by reaper backup_founder snapshot expire --keep-last 1 --grace 0s 2>&1)" 'pinned: legal hold in the store' \
    'because the reaper sees what is held'
jq 'del(.Statement[] | select(.Sid == "SeeLock"))' "$TEST_DIR/reaper.iam" >"$TEST_DIR/blind.iam"
cp "$TEST_DIR/reaper.iam" "$TEST_DIR/seeing.iam"
cp "$TEST_DIR/blind.iam" "$TEST_DIR/reaper.iam"
s3_policies locked "${stores[@]}"
fails 'a reaper that may not see locks does not take them for none' 1 'could not (inspect|see) the lock.*AccessDenied' \
    by reaper backup_founder snapshot expire --keep-last 1 --grace 0s
is "$(by reader backup_founder snapshot list --json | jq '.snapshots | length')" 3 'and removes nothing'
cp "$TEST_DIR/seeing.iam" "$TEST_DIR/reaper.iam"
s3_policies locked "${stores[@]}"
url="$url&as-of=$moment"
ok 'the reader looks back' by reader backup_founder snapshot verify
ok 'and restores what was there' by reader backup_founder restore --to "$scene/then" --latest
fails 'the writer does not' 1 'AccessDenied' by writer backup_writer snapshot verify
url=${url%&as-of=*}
ok 'the founder adds a key' by founder backup_founder repo key add --new-key-file "$scene/second.key" --label second
ok 'and rotates' by founder backup_founder repo key rotate
fails 'the writer does not' 1 'AccessDenied' by writer backup_writer repo key rotate
ok 'and goes on with the new keys' by writer backup_writer snapshot create
ok 'which the reader reads' by reader backup_founder snapshot verify

# version KEY: the query of its newest version
version() { echo "$1?versionId=$(s3_versions locked "cluster/$1" | sed -n '1s/.* //p')"; }
bypass=(-H 'x-amz-bypass-governance-retention: true')
retention() { # MODE DAYS
    echo "<Retention><Mode>$1</Mode><RetainUntilDate>$(date -u -d "+$2 days" +%Y-%m-%dT%H:%M:%SZ)</RetainUntilDate></Retention>"
}
manifest=$(s3_versions locked cluster/snapshots/ | sed -n '1s/ .*//; 1s|^cluster/||p')
for name in writer reaper reader founder; do
    is "$(for key in "$pack" "$manifest" mainstay.json; do
        raw DELETE "$name" "$(version "$key")"
        echo -n ' '
        raw DELETE "$name" "$(version "$key")" "${bypass[@]}"
        echo -n ' '
    done)" '403 403 403 403 403 403 ' "the $name deletes no version, nor past the lock"
done
for name in writer reaper reader; do
    is "$(for key in "$pack" "$manifest"; do
        raw PUT "$name" "$key?retention=" -d "$(retention GOVERNANCE 1)"
        echo -n ' '
        raw PUT "$name" "$key?retention=" -d "$(retention GOVERNANCE 1)" "${bypass[@]}"
        echo -n ' '
    done)" '403 403 403 403 ' "the $name shortens no lock, nor past the mode"
done
like "$(raw PUT writer "$pack?retention=" -d '<Retention/>')" '^40[03]$' 'the writer removes none'
is "$(raw PUT writer "$pack?retention=" -d "$(retention GOVERNANCE 9)") $(raw PUT reader "$pack?retention=" \
    -d "$(retention GOVERNANCE 9)")" '200 403' 'the writer makes it longer: that is renewing'
off='<LegalHold><Status>OFF</Status></LegalHold>'
is "$(raw PUT reaper "$manifest?legal-hold=" -d "$off") $(raw PUT reader "$manifest?legal-hold=" -d "$off")" '403 403' \
    'neither reaper nor reader lifts a hold'
# Amazon's condition s3:object-lock-legal-hold, which the policy has, is unknown to Ceph 16.
is "$(raw PUT writer "$manifest?legal-hold=" -d "$off")" 200 'the writer does, on this store: holds do not protect from it'
daemon_ends
unset MAINSTAY_STORE_LOCK_MODE MAINSTAY_STORE_LOCK_DAYS MAINSTAY_STORE_LEGAL_HOLD MAINSTAY_WAL_SLOT
unset MAINSTAY_REPOSITORY_ENCRYPTION MAINSTAY_REPOSITORY_KEY_FILE

# --- plain ------------------------------------------------------------------------------------------

bucket=snapshots url=$S3_URL
identities snapshots "$url"
writes plain
reads plain
removes 1

# --- runbooks ---------------------------------------------------------------------------------------

runbook_files
ok 'the planner plans' by reader helpdesk_planner runbook plan "$scene/outage.yaml" -p carrier=ups -o "$scene/plan.json"
fails 'the planner does not run' '1|5' 'permission denied' by runner helpdesk_planner runbook run "$scene/plan.json" --yes --no-wait
ok 'the runner runs, with a restore point in the repository' by runner helpdesk_runner runbook run "$scene/plan.json" --yes --no-wait
run=$(helpdesk_sql desk 'SELECT id FROM mainstay.runs')
like "$(by runner helpdesk_runner runbook status "$run")" 'in the repository' 'the repository has it'
ok 'answers' by runner helpdesk_runner runbook signal "$run" fallback --value hold
ok 'and goes on' by runner helpdesk_runner runbook resume "$run" --no-wait
fails 'the runner does not approve, and is told who may' 5 'doctor --print-grants approver' by runner helpdesk_runner runbook approve "$run" --yes
ok 'the approver does' by runner helpdesk_approver runbook approve "$run" --yes
fails 'the approver does not run' '1|5' 'permission denied' by runner helpdesk_approver runbook resume "$run" --no-wait
ok 'the notices are queued' by runner helpdesk_runner runbook resume "$run" --no-wait
mkdir "$scene/hooks"
ok 'the dispatcher sends' by runner helpdesk_dispatcher notice dispatch --webhook-directory "$scene/hooks"
fails 'the dispatcher does not run' '1|5' 'permission denied' by runner helpdesk_dispatcher runbook resume "$run" --no-wait
ok 'the runner cancels' by runner helpdesk_runner runbook cancel "$run"
ok 'and undoes' by runner helpdesk_runner runbook undo "$run" --yes
ok 'the planner reports' by runner helpdesk_planner runbook report "$run"
for login in backup_founder backup_writer helpdesk_planner helpdesk_runner helpdesk_approver helpdesk_dispatcher; do
    fails "$login does not read the helpdesk's tables" 1 'permission denied' \
        helpdesk_sql desk 'SELECT * FROM helpdesk.customers' "$login"
done

daemon_ends
done_testing
