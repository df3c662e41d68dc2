#!/bin/bash
# Keys of S3 that expire, against a real store: Ceph's gateway knows them from its own STS, and a
# stand-in for Amazon's hands them out for the token of a service account (IRSA), of a pod (EKS pod
# identity) or of an instance. They are renewed while a snapshot runs and while WAL is streamed.
# majors: 15
# time limit: 180
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
command -v radosgw >/dev/null || skip_all 'Ceph RGW is not installed'

CEPH_STS=true s3_begin || exit 1 # with session keys, RGW no longer says that it does not know a key
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
export NO_PROXY='*' no_proxy='*'
ceph() { "$TESTS_ROOT/servers/ceph" "$1" "$TEST_DIR/ceph" "${@:2}"; }
setting() { sed -n "s/^$1=//p" "$TEST_DIR/ceph/access"; }
ceph role || exit 1
identity=$TEST_DIR/identity
mkdir "$identity"
"$TESTS_ROOT/lib/identity_server" "$identity" "$TESTS_ROOT/servers/ceph keys $TEST_DIR/ceph" \
    "$TEST_DIR/ceph/tls/server.crt" "$TEST_DIR/ceph/tls/server.key" 2>"$TEST_DIR/identity.err" &
identity_pid=$!
trap 'kill $identity_pid; "$TESTS_ROOT/servers/ceph" stop "$TEST_DIR/ceph" KILL || true; cluster_cleanup' EXIT
wait_until 20 test -s "$identity/port" || exit 1
identity_url=https://localhost:$(cat "$identity/port")
cp "$(setting ca_file)" "$scene/ca.pem"
chmod 644 "$scene/ca.pem"
S3_URL="s3://snapshots/cluster?endpoint=$(setting tls_endpoint)&region=us-east-1"
export MAINSTAY_REPOSITORY_URL=$S3_URL MAINSTAY_STORE_CA_FILE=$scene/ca.pem
export MAINSTAY_STORE_RETRY_TOTAL=20s
asked() { grep -c "^$1 " "$identity/log" 2>/dev/null || true; }
token() { # as Kubernetes does: another file takes its place
    echo "$1" >"$scene/token.new"
    chmod 644 "$scene/token.new"
    mv "$scene/token.new" "$scene/token"
}

scene_cluster main || exit 1
scene_psql main -c "CREATE TABLE lines AS SELECT g AS i, md5(g::text) AS v FROM generate_series(1, 200000) g"
rows() { scene_psql "$1" -c 'SELECT count(*), sum(i::bigint), sum(hashtext(v)) FROM lines'; }
create() { mainstay snapshot create --connection "$(cluster_conninfo main)" "$@"; }

# --- web identity ---------------------------------------------------------------------------------

token jwt-secret-1
export AWS_WEB_IDENTITY_TOKEN_FILE=$scene/token AWS_ROLE_ARN=arn:aws:iam:::role/backup \
    AWS_ROLE_SESSION_NAME=helpdesk AWS_ENDPOINT_URL_STS=$identity_url
ok 'a repository with the keys of a service account' mainstay repo init
scene_stores+=("$S3_URL")
is "$(cat "$identity/log")" 'sts arn:aws:iam:::role/backup helpdesk jwt-secret-1' \
    'STS was asked once, with role, session and token'

# Keys that live for a tenth of a second: a snapshot takes longer.
: >"$identity/log"
echo 0.1 >"$identity/life"
create --trace-store >"$TEST_DIR/create.log" 2>&1 &
snapshot=$!
wait_until 20 test -s "$identity/log"
token jwt-secret-2
wait $snapshot
is $? 0 'a snapshot with keys that are replaced while it runs' || diag "$(tail -n 20 "$TEST_DIR/create.log")"
ok "keys were renewed ($(asked sts) times)" test "$(asked sts)" -ge 2
like "$(tail -n 1 "$identity/log")" 'jwt-secret-2$' 'with the token that had come meanwhile'
is "$(grep -cE 'jwt-secret|SessionToken' "$TEST_DIR/create.log")" 0 'no token is in the trace'
rm "$identity/life"
ok 'verify reads it back' mainstay snapshot verify
ok 'restore' mainstay restore --to "$scene/back"
scene_start back "$scene/back"
is "$(rows back)" "$(rows main)" 'the rows are the same'
cluster_stop back

# --- keys that the store refuses while WAL is streamed ----------------------------------------------

: >"$identity/log"
stream_start "$S3_URL" main --wal-flush-interval 1s
wait_until 30 grep -q 'streaming from' "$stream_log"
scene_psql main -c "INSERT INTO lines SELECT g, 'before' FROM generate_series(1, 1000) g"
end=$(position main)
ok 'WAL is stored' wait_until 30 stored_up_to "$S3_URL" "$end"
: >"$identity/log"
ok 'the store forgets all keys' ceph revoke
scene_psql main -c "INSERT INTO lines SELECT g, 'after' FROM generate_series(1, 1000) g"
end=$(position main)
renewed() { [[ $(asked sts) -ge 1 ]]; }
ok 'the stream asks for others' wait_until 40 renewed
ok 'and goes on' wait_until 40 stored_up_to "$S3_URL" "$end"
stream_stop
is $? 0 'it ends as usual' || diag "$(cat "$stream_log")"

# --- what goes wrong is named -----------------------------------------------------------------------

refused() { # PATTERN DESCRIPTION: nothing can be listed, and no token is shown
    local output status=0
    output=$(mainstay snapshot list --store-retry-total 1s --trace-store 2>&1) || status=$?
    is $status 1 "$2 is an error"
    like "$output" "$1" 'which says why'
    is "$(grep -c jwt-secret <<<"$output")" 0 'and shows no token'
}
echo refuse >"$identity/mode"
refused 'web identity: role .*backup.*InvalidIdentityToken: [*]{3} is not trusted' 'a token that STS refuses'
echo malformed >"$identity/mode"
refused 'web identity.*cannot read the answer of STS' 'an answer that is no XML'
echo huge >"$identity/mode"
refused 'longer than the 65536 bytes' 'an answer without end'
echo hang >"$identity/mode"
fails 'an STS that hangs' 1 'web identity.*STS' \
    mainstay snapshot list --store-retry-total 1s --store-connect-timeout 1s
rm "$identity/mode"
AWS_ENDPOINT_URL_STS=http://sts.example.net \
    fails 'the token goes to nobody in clear text' '1|5' 'AWS_ENDPOINT_URL_STS.*not of this machine' mainstay snapshot list
MAINSTAY_STORE_CA_FILE='' AWS_ENDPOINT_URL_STS=$identity_url \
    fails 'nor to somebody else' 1 'certificate' mainstay snapshot list

# --- pod identity and instance metadata -------------------------------------------------------------

unset AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN
export AWS_CONTAINER_CREDENTIALS_FULL_URI=$identity_url/v1/credentials \
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$scene/token
ok 'a pod reads with its identity' mainstay snapshot verify
is "$(tail -n 1 "$identity/log")" 'agent /v1/credentials jwt-secret-2' 'for which its token was shown'
AWS_CONTAINER_CREDENTIALS_FULL_URI=http://agent.example.net/ \
    fails 'an agent somewhere else is not asked' '1|5' 'FULL_URI.*not of this machine' mainstay snapshot list
unset AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
fails 'without any source each is named' 2 'AWS_ACCESS_KEY_ID is not set; AWS_WEB_IDENTITY_TOKEN_FILE is not set; there is no shared' \
    mainstay snapshot list

kill $identity_pid
wait $identity_pid 2>/dev/null
rm "$identity/port"
"$TESTS_ROOT/lib/identity_server" "$identity" "$TESTS_ROOT/servers/ceph keys $TEST_DIR/ceph" 2>"$TEST_DIR/identity.err" &
identity_pid=$!
wait_until 20 test -s "$identity/port"
export AWS_EC2_METADATA_DISABLED=false
AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:$(cat "$identity/port")
export AWS_EC2_METADATA_SERVICE_ENDPOINT
ok 'an instance reads with its role' mainstay snapshot verify
is "$(tail -n 1 "$identity/log")" 'metadata /latest/meta-data/iam/security-credentials/backup metadata-session' \
    'for which a session of version 2 was made'

cluster_stop main
done_testing
