#!/bin/bash
# Golden tests: every cli/*.in is a list of commands, every config/*.yaml a configuration that is
# checked and shown; what they print must be the .ok file beside them. tests/golden/update writes
# the .ok files anew, for review with git diff.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=tests/golden/commands.sh
. "$here/commands.sh"

for input in "$here"/cli/*.in "$here"/config/*.yaml; do
    ok "golden: ${input#"$here"/}" diff -u "${input%.*}.ok" <(golden_output "$input")
done
for page in mainstay mainstay.yaml mainstayd; do
    is "$("$golden_program" man "$page" | LC_ALL=C.UTF-8 groff -ww -man -Tutf8 -z 2>&1)" "" \
        "manual page $page has no groff warnings"
done
ok "the completion is good bash" bash -n <("$golden_program" completion bash)
done_testing
