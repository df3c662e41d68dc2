#!/bin/bash
# The conformance suite against OpenStack Swift's s3api, which checks the region of a signature and
# knows no conditional PUT, so that create-only falls back to HEAD and PUT.
# time limit: 600
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
programs=${B:-build}/tests/conformance

[[ -n ${CHECK_ALL:-} ]] || tap_skip_all "make check-all runs it"
for tool in swift-proxy-server swift-object-server memcached curl; do
    PATH=$PATH:/usr/sbin command -v $tool >/dev/null || tap_skip_all "needs $tool"
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/swift.XXXXXX")
# shellcheck disable=SC2317 # called by the trap
finish() {
    tests/servers/swift stop "$dir" || true
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 143' TERM INT

access=$(tests/servers/swift start "$dir") || { echo "Bail out! Swift does not start"; exit 1; }
setting() { sed -n "s/^$1=//p" <<<"$access"; }
endpoint=$(setting endpoint)
tests/servers/swift bucket "$dir" conformance
AWS_ACCESS_KEY_ID=$(setting key) AWS_SECRET_ACCESS_KEY=$(setting secret)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY NO_PROXY='*' no_proxy='*' STORE_TEST_SWIFT=1

# suite NAME: the cases become ours.
suite() {
    local name=$1 output line status=0
    output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$programs/test_store" 2>&1) || status=$?
    while IFS= read -r line; do
        case $line in
        *'# SKIP'*) tap_skip "$name: ${line##* }" "not for this store" ;;
        'ok '*) tap_result 0 "$name: ${line#* - }" ;;
        'not ok '*) tap_result 1 "$name: ${line#* - }" ;;
        1..*) ;;
        *) tap_note "${line#\# }" ;;
        esac
    done <<<"$output"
    [[ $status -lt 128 ]] || tap_result 1 "$name: ended with status $status"
}

STORE_TEST_URL="s3://conformance/v4?endpoint=$endpoint" suite v4
STORE_TEST_URL="s3://conformance/v2?endpoint=$endpoint&signature=v2" suite v2
output=$(STORE_TEST_URL="s3://conformance/r?endpoint=$endpoint&region=eu-west-1" \
    "$programs/test_store" 2>&1) || true
tap_like "$output" 'AuthorizationHeaderMalformed' 'a wrong region is refused'
tap_like "$output" 'Set region=us-east-1 in the store' 'and the right one is named'
tap_done
