# shellcheck shell=bash
# An S3 server of its own for a test or the demo; source scene.sh first.
#
#   s3_begin              starts it; $S3_URL is a bucket, the environment has the credentials
#   s3_stop_command       prints how to stop it by hand
#   s3_user NAME          a user without rights
#   s3_policies BUCKET NAME...   on this bucket users have the rights in $TEST_DIR/NAME.iam, and nobody else any
#   s3_as NAME COMMAND... with that user's keys
#   s3_request METHOD BUCKET/KEY?QUERY [CURL OPTION...]   past the program, with the keys in the environment;
#                         prints the answer's body. The query must be in the order of its names.
#   s3_status METHOD ...  the same, prints its status
#   s3_versions BUCKET [PREFIX]  "KEY ID" of every version, without delete markers, the newest of a key first
#
# It ends with the test.

s3_begin() {
    local ceph line values
    ceph=$TESTS_ROOT/servers/ceph
    values=$("$ceph" start "$TEST_DIR/ceph") || return 1
    trap '"$TESTS_ROOT/servers/ceph" stop "$TEST_DIR/ceph" || true; cluster_cleanup' EXIT
    while read -r line; do
        case $line in
        endpoint=*) s3_endpoint=${line#*=} ;;
        key=*) export AWS_ACCESS_KEY_ID=${line#*=} ;;
        secret=*) export AWS_SECRET_ACCESS_KEY=${line#*=} ;;
        esac
    done <<<"$values"
    "$ceph" bucket "$TEST_DIR/ceph" snapshots >/dev/null
    S3_URL="s3://snapshots/cluster?endpoint=$s3_endpoint&region=us-east-1&style=path"
    export S3_URL
}

s3_user() {
    "$TESTS_ROOT/servers/ceph" user "$TEST_DIR/ceph" "$1"
}

# A bucket's policy is an identity's with the principal added: nothing else is changed.
s3_policies() {
    local bucket=$1 name
    shift
    for name in "$@"; do
        jq --arg user "arn:aws:iam:::user/$name" '.Statement[] | .Principal = {AWS: [$user]} | .Sid = (.Sid + $user[17:])' \
            "$TEST_DIR/$name.iam"
    done | jq -s '{Version: "2012-10-17", Statement: .}' >"$TEST_DIR/policy"
    "$TESTS_ROOT/servers/ceph" policy "$TEST_DIR/ceph" "$bucket" <"$TEST_DIR/policy"
}

s3_as() {
    local name=$1
    shift
    AWS_ACCESS_KEY_ID=$name-test-key AWS_SECRET_ACCESS_KEY=$name-test-secret-0123456789 "$@"
}

s3_request() {
    curl -sS --noproxy '*' -X "$1" --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$s3_endpoint/$2" "${@:3}"
}

s3_status() {
    s3_request "$@" -o /dev/null -w '%{http_code}'
}

s3_versions() {
    s3_request GET "$1?prefix=${2//\//%2F}&versions=" | grep -o '<Version>.*' | sed 's|</Version>|\n|g' |
        sed -n 's|.*<Key>\([^<]*\)</Key><VersionId>\([^<]*\)</VersionId>.*|\1 \2|p'
}

s3_stop_command() {
    echo "$TESTS_ROOT/servers/ceph stop $TEST_DIR/ceph"
}
