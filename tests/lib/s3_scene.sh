# shellcheck shell=bash
# An S3 server of its own for a test or the demo; source scene.sh first.
#
#   s3_begin              starts it; $S3_URL is a bucket, the environment has the credentials
#   s3_stop_command       prints how to stop it by hand
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

s3_stop_command() {
    echo "$TESTS_ROOT/servers/ceph stop $TEST_DIR/ceph"
}
