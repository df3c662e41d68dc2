#!/bin/bash
# Every runbook in runbooks/ passes its own tests, as `mainstay runbook test` makes them: fixture,
# plan and run on the reference adapter, in scratch databases that are gone afterwards.
# shellcheck source=tests/lib/helpdesk_scene.sh
. "$(dirname "$0")/../lib/helpdesk_scene.sh"

helpdesk_bare desk || exit 1

for runbook in "$TESTS_ROOT"/../runbooks/*.yaml; do
    name=$(basename "$runbook" .yaml)
    helpdesk_as desk postgres runbook test "$name" >"$scene/$name.tap"
    ok "$name passes its own tests" test $? -eq 0
    sed 's/^/# /' "$scene/$name.tap"
    ok "$name has tests" grep -q '^ok 1 ' "$scene/$name.tap"
done

is "$(cluster_sql desk "SELECT count(*) FROM pg_database WHERE datname LIKE 'mainstay_test_%'")" 0 \
    "no scratch database is left"

# A test that expects something else fails, and says what.
mkdir -p "$scene/own/tests"
cp "$TESTS_ROOT"/../runbooks/tests/carrier-mixed.sql "$scene/own/tests/"
sed 's/expect: {affected: 5,/expect: {affected: 6,/' "$TESTS_ROOT/../runbooks/carrier-outage.yaml" \
    >"$scene/own/carrier-outage.yaml"
give_to_server "$scene/own"
helpdesk_as desk postgres runbook test "$scene/own/carrier-outage.yaml" >"$scene/own.tap"
is "$?" 4 "a test that fails is exit code 4"
ok "it says what was expected" grep -qx '# affected: 6 expected, 5 found' "$scene/own.tap"
ok "the other test passed all the same" grep -q '^ok 2 ' "$scene/own.tap"

done_testing
