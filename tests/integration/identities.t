#!/bin/bash
# Every job does its work with exactly the rights that `mainstay doctor --print-grants` and `--print-iam` print
# for its identity, and with none of another's: real logins, real users of a real S3 server (Ceph RGW).
# majors: 15
# time limit: 240
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/runbook_scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
command -v radosgw >/dev/null || skip_all 'Ceph RGW is not installed'
command -v jq >/dev/null || skip_all 'jq is not installed'

s3_begin || exit 1
helpdesk_scene desk -c track_commit_timestamp=on || exit 1
ceph=$TESTS_ROOT/servers/ceph
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

# --- identities, as printed -------------------------------------------------------------------------

stores=(founder writer reaper reader runner)
for name in "${stores[@]}"; do
    "$ceph" user "$TEST_DIR/ceph" "$name"
    ok "the policy of the $name is printed" eval "mainstay doctor --print-iam $name --repo '$S3_URL' >$TEST_DIR/$name.iam"
done
# A bucket's policy is an identity's with the principal added: nothing else is changed.
for name in "${stores[@]}"; do
    jq --arg user "arn:aws:iam:::user/$name" '.Statement[] | .Principal = {AWS: [$user]} | .Sid = (.Sid + $user[17:])' \
        "$TEST_DIR/$name.iam"
done | jq -s '{Version: "2012-10-17", Statement: .}' >"$TEST_DIR/policy"
ok 'the store takes them' eval "'$ceph' policy '$TEST_DIR/ceph' snapshots <'$TEST_DIR/policy'"
mainstay doctor --print-grants all >"$TEST_DIR/grants.sql"
ok 'the server takes the printed SQL' helpdesk_script desk -f - <"$TEST_DIR/grants.sql"
fails 'an unknown identity is refused with the names' 2 'founder, writer, reaper, reader' mainstay doctor --print-iam root
fails 'a directory has no policy' 2 'has no IAM policy' mainstay doctor --print-iam writer --repo "$scene/x"
fails 'who needs no store gets no policy' 3 'approver needs no store' mainstay doctor --print-iam approver --repo "$S3_URL"
is "$(jq -r '.Statement[] | select(.Sid == "Remove") | .Resource[]' "$TEST_DIR/writer.iam" | sed 's|.*cluster/||' | sort | xargs)" \
    'leases/* probe/* terms/*' 'the writer removes only its announcements'

# by IDENTITY LOGIN ARGUMENT...: with the keys of the one and as the other
by() {
    local name=$1 login=$2
    shift 2
    AWS_ACCESS_KEY_ID=$name-test-key AWS_SECRET_ACCESS_KEY=$name-test-secret-0123456789 \
        MAINSTAY_REPOSITORY_URL=$S3_URL MAINSTAY_POSTGRES_CONNECTION="$(helpdesk_conninfo desk "$login")" \
        MAINSTAY_HELPDESK_CONNECTION="$(helpdesk_conninfo desk "$login")" mainstay "$@"
}

# --- backups ----------------------------------------------------------------------------------------

fails 'without rights nobody makes a repository' 1 'AccessDenied' by writer backup_writer repo init
ok 'the founder makes it' by founder backup_founder repo init
ok 'and examines everything' by founder backup_founder doctor

config=$scene/writer.yaml
printf '%s\n' 'repository:' "  url: \"$S3_URL\"" 'postgres:' "  connection: $(helpdesk_conninfo desk backup_writer)" \
    'daemon:' '  listen: "off"' '  snapshot-schedule: "0 3 1 1 *"' >"$config"
cp "$BUILD/mainstayd" "$TEST_DIR/mainstayd"
chmod 755 "$TEST_DIR/mainstayd"
# shellcheck disable=SC2016 # the inner shell's own variables
AWS_ACCESS_KEY_ID=writer-test-key AWS_SECRET_ACCESS_KEY=writer-test-secret-0123456789 as_server \
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
pack=$(by reader backup_founder snapshot verify --json --store-trace true 2>&1 | grep -oE 'packs/[0-9a-f/]+\.pack' | head -n 1)
# raw METHOD IDENTITY KEY: the status of a request past the program
raw() {
    curl -s --noproxy '*' -o /dev/null -w '%{http_code}' -X "$1" --data-binary '' --aws-sigv4 aws:amz:us-east-1:s3 \
        --user "$2-test-key:$2-test-secret-0123456789" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
        "$s3_endpoint/snapshots/cluster/$3"
}
is "$(raw DELETE writer "$pack") $(raw DELETE reader "$pack") $(raw DELETE founder "$pack")" '403 403 403' \
    'neither of them removes a pack with a client of its own'
chunk=wal/00000001/$(printf '%016x-%016x' 1 2).wal
is "$(raw PUT reaper "$chunk") $(raw DELETE writer "$chunk") $(raw DELETE reaper "$chunk")" '200 403 204' \
    'of WAL, too, only the reaper removes: merging is its job'
is "$(raw PUT reader mainstay.json) $(raw PUT writer mainstay.json) $(raw PUT reaper "$pack")" '403 403 403' \
    'nobody writes over mainstay.json; the reaper writes no packs'

ok 'the reader lists' by reader backup_founder snapshot list
ok 'and verifies' by reader backup_founder snapshot verify --record
ok 'and sees the window' by reader backup_founder wal window
ok 'and restores' by reader backup_founder restore --to "$scene/restored" --target-name before
ok 'with its WAL' by reader backup_founder wal get 000000010000000000000002 "$scene/segment"
ok 'and drills' by reader backup_founder drill run --target-immediate
ok 'and shows the proof' by reader backup_founder drill list
fails 'the reader takes no snapshots' 1 'AccessDenied' by reader backup_writer snapshot create
fails 'the reader does not expire' 1 'AccessDenied' by reader backup_writer snapshot expire --keep-last 1 --grace 0s

ok 'the reaper pins' by reaper backup_founder snapshot pin latest --reason test
ok 'and unpins' by reaper backup_founder snapshot unpin latest
ok 'and merges WAL' by reaper backup_founder wal merge --older-than 0s
ok 'and expires' by reaper backup_founder snapshot expire --keep-last 1 --grace 0s
is "$(by reader backup_founder snapshot list --json | jq '.snapshots | length')" 1 'one snapshot is left'
fails 'the reaper does not restore' 1 'AccessDenied' by reaper backup_founder restore --to "$scene/nothing"
ok 'after that the writer goes on' by writer backup_writer snapshot create
ok 'and everything that is left is whole' by reader backup_founder snapshot verify

# --- runbooks ---------------------------------------------------------------------------------------

runbook_files
ok 'the planner plans' by reader helpdesk_planner runbook plan "$scene/outage.yaml" -p carrier=ups -o "$scene/plan.json"
fails 'the planner does not run' '1|5' 'permission denied' by runner helpdesk_planner runbook run "$scene/plan.json" --yes --no-wait
ok 'the runner runs, with a restore point in the repository' by runner helpdesk_runner runbook run "$scene/plan.json" --yes --no-wait
run=$(helpdesk_sql desk 'SELECT id FROM mainstay.runs')
like "$(by runner helpdesk_runner runbook status "$run")" 'in the repository' 'the repository has it'
ok 'answers' by runner helpdesk_runner runbook signal "$run" fallback --value hold
ok 'and goes on' by runner helpdesk_runner runbook resume "$run" --no-wait
fails 'the runner does not approve' '1|5' 'permission denied' by runner helpdesk_runner runbook approve "$run" --yes
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

kill -TERM "$(cat "$scene/daemon.pid")"
wait "$daemon"
is $? 0 'the daemon ends as usual'
is "$(grep -c ' error ' "$TEST_DIR/daemon.log")" 0 'and missed no right' || diag "$(grep ' error ' "$TEST_DIR/daemon.log")"
done_testing
