#!/bin/bash
# The conformance suite against a real S3 server (Ceph): Signature V4 and V2, path and host style,
# TLS; then everything that can go wrong with a server.
# time limit: 600
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
programs=${B:-build}/tests/conformance

for tool in radosgw ceph-mon ceph-osd monmaptool ceph openssl curl; do
    PATH=$PATH:/usr/sbin command -v $tool >/dev/null || skip_all "needs $tool"
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/s3.XXXXXX")
# shellcheck disable=SC2317 # called by the trap
finish() {
    tests/servers/ceph stop "$dir" KILL || true
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 143' TERM INT

access=$(tests/servers/ceph start "$dir") || { echo "Bail out! Ceph does not start"; exit 1; }
setting() { sed -n "s/^$1=//p" <<<"$access"; }
endpoint=$(setting endpoint) tls=$(setting tls_endpoint)
tests/servers/ceph bucket "$dir" conformance
AWS_ACCESS_KEY_ID=$(setting key) AWS_SECRET_ACCESS_KEY=$(setting secret) STORE_TEST_CA=$(setting ca_file)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY STORE_TEST_CA NO_PROXY='*' no_proxy='*'

STORE_TEST_URL="s3://conformance/v4?endpoint=$endpoint" tap_program 'v4' "$programs/test_store"
STORE_TEST_URL="s3://conformance/v2?endpoint=$endpoint&signature=v2" tap_program 'v2' "$programs/test_store"
STORE_TEST_URL="s3://conformance/tls?endpoint=$tls" tap_program 'v4 over TLS' "$programs/test_store"
STORE_TEST_URL="s3://conformance?endpoint=https://cloud.${tls#https://}&style=host" \
    tap_program 'v4, host style' "$programs/test_store"
export STORE_TEST_CEPH=$dir STORE_TEST_BUCKET=conformance STORE_TEST_ENDPOINT=$endpoint \
    STORE_TEST_TLS_ENDPOINT=$tls
tap_program 'faults' "$programs/test_s3_faults"
done_testing
