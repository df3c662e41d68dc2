#!/bin/bash
# Holds the tree to every rule of tests/lint/check.
# time limit: 1500
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"

while read -r rule; do
    ok "house rule: $rule" "$here/check" "$rule"
done < <("$here/check" list)
done_testing
