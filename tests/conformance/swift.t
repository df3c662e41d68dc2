#!/bin/bash
# The conformance suite against OpenStack Swift's s3api, which checks the region of a signature and
# knows no conditional PUT, so that create-only falls back to HEAD and PUT.
# time limit: 600
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
programs=${B:-build}/tests/conformance

[[ -n ${CHECK_ALL:-} ]] || skip_all "make check-all runs it"
for tool in swift-proxy-server swift-object-server memcached curl; do
    PATH=$PATH:/usr/sbin command -v $tool >/dev/null || skip_all "needs $tool"
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

STORE_TEST_URL="s3://conformance/v4?endpoint=$endpoint" tap_program v4 "$programs/test_store"
STORE_TEST_URL="s3://conformance/v2?endpoint=$endpoint&signature=v2" tap_program v2 "$programs/test_store"
output=$(STORE_TEST_URL="s3://conformance/r?endpoint=$endpoint&region=eu-west-1" \
    "$programs/test_store" 2>&1) || true
like "$output" 'AuthorizationHeaderMalformed' 'a wrong region is refused'
like "$output" 'Set region=us-east-1 in the store' 'and the right one is named'
done_testing
