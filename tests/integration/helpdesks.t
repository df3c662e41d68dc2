#!/bin/bash
# The adapters of helpdesks that are not Debian packages, on schemas typed from facts: the same tickets in
# each, the same answers from each (tests/helpdesks/contract.sh). `make check-helpdesks` does the others.
. "$(dirname "$0")/../lib/scene.sh"
. "$TESTS_ROOT/helpdesks/contract.sh"

scene_cluster desk || exit 1
cluster_sql desk "CREATE DATABASE empty"
for adapter in zammad chatwoot libredesk znuny rt5 redmine; do
    fails "$adapter: a database without its tables is refused, with what is missing" 5 "missing|no table" \
        desk_as empty postgres adapter install --set actor=1 "$adapter"
done
for adapter in zammad chatwoot libredesk znuny; do
    desk_create "$adapter" || exit 1
    desk_contract "$adapter"
done
done_testing
