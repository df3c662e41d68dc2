#!/bin/bash
# Every container of the rendered manifests is run as they say (image's programs, arguments,
# environment, files with their modes, uid 65532, a root that cannot be written) against PostgreSQL and
# an S3 server on this machine. What differs from the overlays is said by an overlay of this test: where
# the database and the store are.
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/helpdesk_scene.sh
. "$here/../lib/helpdesk_scene.sh"
# shellcheck source=tests/lib/s3_scene.sh
. "$here/../lib/s3_scene.sh"
[[ $(id -u) -eq 0 ]] && unshare --mount true 2>/dev/null || skip_all 'only root may make mount namespaces'
command -v jq >/dev/null || skip_all 'jq is not installed'
[[ -x /usr/bin/radosgw ]] || skip_all 'radosgw is not installed (tests/lib/deps s3)'

# --- stage -----------------------------------------------------------------------------------------

daemon=
end_daemon() { [[ -z $daemon ]] || kill -KILL "$daemon" 2>/dev/null || true; }
helpdesk_scene desk
cluster_require_password desk
helpdesk_sql desk "SET password_encryption = 'scram-sha-256'; CREATE ROLE mainstay LOGIN REPLICATION PASSWORD 'db-secret';
    ALTER ROLE alice PASSWORD 'alice-secret'"
s3_begin
trap 'status=$?; set +e; end_daemon; "$TESTS_ROOT/servers/ceph" stop "$TEST_DIR/ceph" || true; (exit "$status"); cluster_cleanup' EXIT

programs=$TEST_DIR/programs
mkdir "$programs"
cp "$BUILD/mainstay" "$BUILD/mainstayd" "$programs"
chmod 755 "$programs" "$programs"/*
secrets=$TEST_DIR/secrets
mkdir -p "$secrets"/{mainstay-postgres,mainstay-store,mainstay-store-reaper,mainstay-oncall-alice,mainstay-key,mainstay-writer-key}
openssl rand -hex 32 >"$secrets/mainstay-key/key"
openssl rand -hex 32 >"$secrets/mainstay-writer-key/key"
echo db-secret >"$secrets/mainstay-postgres/password"
echo alice-secret >"$secrets/mainstay-oncall-alice/password"
touch "$secrets/mainstay-postgres/ca.crt"
# keys SECRET NAME IDENTITY...: a user of the store with what these identities may in both repositories
keys() {
    local secret=$1 name=$2 identity repository
    shift 2
    s3_user "$name"
    echo "$name-test-key" >"$secrets/$secret/access-key"
    echo "$name-test-secret-0123456789" >"$secrets/$secret/secret-key"
    for identity in "$@"; do
        for repository in jobs daemon sealed; do
            mainstay doctor --print-iam "$identity" --repo "$(url "$repository")"
        done
    done | jq -s '{Statement: map(.Statement[])}' >"$TEST_DIR/$name.iam"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# overlay NAME OVERLAY KEY=VALUE...: k8s/overlays/OVERLAY with more environment, rendered to NAME.yaml
overlay() {
    local name=$1 base=$2 kind path variable
    shift 2
    mkdir "$TEST_DIR/$name"
    {
        printf 'kind: Kustomization\nresources: ["%s"]\npatches:\n' \
            "$(realpath --relative-to "$TEST_DIR/$name" "$here/../../k8s/overlays/$base")"
        for kind in CronJob Job Deployment; do
            path=/spec/template/spec
            [[ $kind != CronJob ]] || path=/spec/jobTemplate/spec/template/spec
            printf -- '  - target: {kind: %s}\n    patch: |-\n' "$kind"
            for variable in "$@"; do
                printf -- '      - {op: add, path: %s/containers/0/env/-, value: {name: %s, value: "%s"}}\n' \
                    "$path" "${variable%%=*}" "${variable#*=}"
            done
            [[ $kind != Deployment ]] ||
                printf -- '      - {op: replace, path: %s/containers/0/ports/0/containerPort, value: %s}\n' "$path" "$port"
        done
    } >"$TEST_DIR/$name/kustomization.yaml"
    "$here/render" "$TEST_DIR/$name" >"$TEST_DIR/$name.yaml"
}
# pod MANIFESTS KIND/NAME [COMMAND...]
pod() { (pod_become "$@"); }
pod_become() {
    local manifests=$1
    shift
    exec env -i PATH="$PATH" "$here/pod" --secrets "$secrets" --programs "$programs" \
        --work "$TEST_DIR/pod.$manifests.$BASHPID" "$TEST_DIR/$manifests.yaml" "$@"
}
url() { echo "s3://snapshots/$1?endpoint=$s3_endpoint&region=us-east-1&style=path"; }
keys mainstay-store backup founder writer reader runner
keys mainstay-store-reaper reaper reaper
s3_policies snapshots backup reaper
connection="host=127.0.0.1 port=$(cluster_port desk) user=mainstay dbname=postgres"
port=$(free_port)

# --- CronJobs, nothing resident --------------------------------------------------------------------

overlay jobs cronjob "MAINSTAY_REPOSITORY_URL=$(url jobs)" "MAINSTAY_POSTGRES_CONNECTION=$connection"
is "$(pod jobs CronJob/mainstay-snapshot id -u):$(pod jobs CronJob/mainstay-snapshot id -G)" 65532:65532 'the pod runs as 65532'
fails 'which may not write to its image' 1 'Read-only file system' pod jobs CronJob/mainstay-snapshot touch /tmp/x
fails 'or to its configuration' 1 'Permission denied|Read-only file system' pod jobs CronJob/mainstay-snapshot touch /etc/mainstay/mainstay.yaml
ok 'but to its scratch volume' pod jobs CronJob/mainstay-drill touch /scratch/x
is "$(pod jobs CronJob/mainstay-snapshot stat -c %a:%u:%g /run/secrets/mainstay-postgres/password)" 440:0:65532 'secrets are as the manifest says'
fails 'and it has no capability' 1 'Operation not permitted' pod jobs CronJob/mainstay-drill chown 1 /scratch
ok 'the repository is made' pod jobs Job/mainstay-repo-init
is "$(cluster_sql desk 'SELECT count(*) FROM pg_replication_slots')" 0 'without a slot that nobody would read'
fails 'a second time is refused' 1 'there is one' pod jobs Job/mainstay-repo-init
ok 'a snapshot is taken' pod jobs CronJob/mainstay-snapshot
helpdesk_sql desk 'CREATE TABLE later AS SELECT g AS id FROM generate_series(1, 1000) g'
ok 'and another one' pod jobs CronJob/mainstay-snapshot
ok 'they are verified' pod jobs CronJob/mainstay-verify
fails 'with the keys of the others nothing is removed' 1 'AccessDenied' pod jobs CronJob/mainstay-snapshot mainstay snapshot expire
fails 'with those of the reaper nothing is read' 1 'AccessDenied' pod jobs CronJob/mainstay-expire mainstay snapshot verify
ok 'and what no rule keeps is removed' pod jobs CronJob/mainstay-expire
pod jobs CronJob/mainstay-snapshot mainstay snapshot list --json >"$TEST_DIR/list.json"
is "$(python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["snapshots"]))' "$TEST_DIR/list.json")" 1 \
    'of two of one day the newest stays'
cluster_sql desk CHECKPOINT
s3_as backup mainstay restore --to "$scene/restored" --repository-url "$(url jobs)" >"$TEST_DIR/restore.out" 2>&1 || diag "$(cat "$TEST_DIR/restore.out")"
scene_start restored "$scene/restored"
ok 'the snapshot restores alone, with the WAL that it carries' same_content desk restored
scene_remove restored
ok 'a drill proves it' pod jobs CronJob/mainstay-drill
like "$(pod jobs CronJob/mainstay-snapshot mainstay drill list)" 'passed|good|ok' 'and keeps the proof in the repository'

# --- the daemon ------------------------------------------------------------------------------------

overlay daemon daemon "MAINSTAY_REPOSITORY_URL=$(url daemon)" "MAINSTAY_POSTGRES_CONNECTION=$connection" \
    "MAINSTAY_DAEMON_LISTEN=127.0.0.1:$port" MAINSTAY_DAEMON_STATUS_INTERVAL=1s
ok 'the repository of the daemon is made' pod daemon Job/mainstay-repo-init
is "$(cluster_sql desk 'SELECT slot_name FROM pg_replication_slots')" mainstay 'with the slot of its stream'
probe() { # PROBE: as the kubelet asks
    curl -sf -m 5 "http://127.0.0.1:$port$(python3 - "$TEST_DIR/daemon.yaml" "$1" <<'PY'
import sys, yaml
item = next(i for i in yaml.safe_load_all(open(sys.argv[1])) if i["kind"] == "Deployment")
print(item["spec"]["template"]["spec"]["containers"][0][sys.argv[2]]["httpGet"]["path"])
PY
    )" >/dev/null
}
metric() { curl -sf -m 5 "http://127.0.0.1:$port/metrics" | awk -v name="$1" '$1 == name { printf "%.0f\n", $2 }'; }
# As kubectl exec: the pod's environment and files, beside the daemon.
pod_exec() { pod daemon Deployment/mainstayd mainstay "$@"; }
metric_at_least() { [[ $(metric "$1") -ge $2 ]] 2>/dev/null; }
pod_become daemon Deployment/mainstayd 2>"$TEST_DIR/daemon.log" &
daemon=$!
ok 'the daemon answers its startup probe' wait_until 60 probe startupProbe
ok 'its liveness probe' probe livenessProbe
ok 'its readiness probe' probe readinessProbe
ok 'it works' wait_until 60 curl -sf -m 5 "http://127.0.0.1:$port/readyz"
is "$(awk '/^Uid:/ { print $2 }' "/proc/$daemon/status")" 65532 'as 65532'
end=$(cluster_sql desk "SELECT pg_switch_wal() - '0/0'")
ok 'it streams the WAL' wait_until 60 metric_at_least mainstay_wal_stored_lsn_bytes "$end"
ok 'a command in its pod takes a snapshot that relies on the stream' pod_exec snapshot create
ok 'beside it the reaper merges its WAL' pod daemon CronJob/mainstay-merge
ok 'and removes what no rule keeps' pod daemon CronJob/mainstay-expire
fails 'which the daemon may not' 1 'AccessDenied' pod_exec snapshot expire --keep-last 1 --grace 0s
is "$(grep -c '"level": *"error"' "$TEST_DIR/daemon.log")" 0 'it misses no right' || diag "$(grep '"error"' "$TEST_DIR/daemon.log")"
grace=$(python3 -c '
import sys, yaml
print(next(i for i in yaml.safe_load_all(open(sys.argv[1])) if i["kind"] == "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])
' "$TEST_DIR/daemon.yaml")
before=$SECONDS
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
daemon=
is "$status" 0 'SIGTERM ends it well'
diag "after about $((SECONDS - before)) s, allowed are $grace s"
ok 'long before it would be killed' test $((SECONDS - before)) -lt "$grace"

# --- on call ---------------------------------------------------------------------------------------

# What a person edits: where the databases are, the parameters, the command.
edited() { # FILE ARGUMENTS
    python3 - "$here/../../k8s/oncall/$1.yaml" "$TEST_DIR/daemon.yaml" "$2" <<'PY'
import os, sys, yaml
job = yaml.safe_load(open(sys.argv[1]))
maps = [item for item in yaml.safe_load_all(open(sys.argv[2])) if item["kind"] == "ConfigMap"]
pod = job["spec"]["template"]["spec"]
values = dict(line.split("=", 1) for line in os.environ["EDITS"].splitlines())
for container in pod.get("initContainers", []) + pod["containers"]:
    known = {entry["name"] for entry in container["env"]}
    for entry in container["env"]:
        entry["value"] = values.get(entry["name"], entry["value"])
    container["env"] += [{"name": key, "value": value} for key, value in values.items() if key not in known]
if sys.argv[3]:
    pod["containers"][0]["args"] = sys.argv[3].split()
yaml.safe_dump_all([job, *maps], sys.stdout)
PY
}
EDITS="MAINSTAY_REPOSITORY_URL=$(url daemon)
MAINSTAY_POSTGRES_CONNECTION=$connection
MAINSTAY_HELPDESK_CONNECTION=host=127.0.0.1 port=$(cluster_port desk) user=alice dbname=helpdesk
SINCE=$(date -u -d '-1 day' +%Y-%m-%dT%H:%M:%SZ)"
export EDITS
edited runbook '' >"$TEST_DIR/runbook.yaml"
ok 'on call: the runbook is planned, and run to where people are needed' pod runbook Job/mainstay-runbook-
is "$(helpdesk_sql desk 'SELECT runbook, state FROM mainstay.runs' | tr '|' ' ')" 'carrier-outage waiting' 'the run waits for people'
is "$(helpdesk_sql desk 'SELECT requester FROM mainstay.runs')" alice 'it is recorded under her login'
edited command 'runbook status' >"$TEST_DIR/command.yaml"
pod command Job/mainstay-command- >"$TEST_DIR/status" 2>&1 || diag "$(cat "$TEST_DIR/status")"
ok 'a command of hers shows it' grep -q carrier-outage "$TEST_DIR/status"
# --- sealed ----------------------------------------------------------------------------------------

overlay sealed daemon-sealed "MAINSTAY_REPOSITORY_URL=$(url sealed)" "MAINSTAY_POSTGRES_CONNECTION=$connection" \
    "MAINSTAY_DAEMON_LISTEN=127.0.0.1:$port" MAINSTAY_DAEMON_STATUS_INTERVAL=1s
fails 'before there is a repository no key is added' 3 'repository' pod sealed Job/mainstay-key-add
ok 'the sealed repository is made' pod sealed Job/mainstay-repo-init
ok 'the daemon gets its key' pod sealed Job/mainstay-key-add
ok 'again' pod sealed Job/mainstay-key-add
is "$(pod sealed CronJob/mainstay-drill mainstay repo key list | grep -c ' generation ')" 2 'which makes no third one'
pod_become sealed Deployment/mainstayd 2>"$TEST_DIR/sealed.log" &
daemon=$!
ok 'the daemon works with it' wait_until 60 curl -sf -m 5 "http://127.0.0.1:$port/readyz"
end=$(cluster_sql desk "SELECT pg_switch_wal() - '0/0'")
ok 'it streams the WAL' wait_until 60 metric_at_least mainstay_wal_stored_lsn_bytes "$end"
sealed_exec() { pod sealed Deployment/mainstayd mainstay "$@"; }
ok 'and takes snapshots' sealed_exec snapshot create
fails 'but opens nothing' 5 'this key may only write' sealed_exec drill run --drill-scratch /tmp
kill -TERM "$daemon"
wait "$daemon" || true
daemon=
ok 'the drill has the key that does' pod sealed CronJob/mainstay-drill

fails 'no secret is in a log' 1 '' grep -rE "db-secret|alice-secret|test-secret|$(cat "$secrets/mainstay-key/key")|$(cat "$secrets/mainstay-writer-key/key")" \
    "$TEST_DIR/daemon.log" "$TEST_DIR/sealed.log" "$TEST_DIR/status"
done_testing
