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
    PATH=$PATH:/usr/sbin command -v $tool >/dev/null || tap_skip_all "needs $tool"
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

# suite NAME PROGRAM: its cases become ours.
suite() {
    local name=$1 program=$2 output line status=0
    output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$programs/$program" 2>&1) || status=$?
    while IFS= read -r line; do
        case $line in
        *'# SKIP'*) tap_skip "$name: ${line##* }" "not for this store" ;;
        'ok '*) tap_result 0 "$name: ${line#* - }" ;;
        'not ok '*) tap_result 1 "$name: ${line#* - }" ;;
        1..*) ;;
        *) tap_note "${line#\# }" ;;
        esac
    done <<<"$output"
    # A program that died has printed fewer cases than it has.
    [[ $status -lt 128 ]] || tap_result 1 "$name: ended with status $status"
}

STORE_TEST_URL="s3://conformance/v4?endpoint=$endpoint" suite 'v4' test_store
STORE_TEST_URL="s3://conformance/v2?endpoint=$endpoint&signature=v2" suite 'v2' test_store
STORE_TEST_URL="s3://conformance/tls?endpoint=$tls" suite 'v4 over TLS' test_store
STORE_TEST_URL="s3://conformance?endpoint=https://cloud.${tls#https://}&style=host" \
    suite 'v4, host style' test_store
export STORE_TEST_CEPH=$dir STORE_TEST_BUCKET=conformance STORE_TEST_ENDPOINT=$endpoint \
    STORE_TEST_TLS_ENDPOINT=$tls
suite 'faults' test_s3_faults
tap_done
