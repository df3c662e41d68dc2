#!/bin/bash
# Proves that tests/run believes no program that dies, forgets cases or leaves something behind.
# shellcheck disable=SC2016 # the toys' own variables
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/tap.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export TEST_RESULTS=$dir/results

# says NAME STATUS LAST_LINE PATTERN: a program with the script on stdin, run alone.
says() {
    local output status=0
    { echo '#!/bin/bash'; cat; } >"$dir/toy.t"
    chmod +x "$dir/toy.t"
    output=$("$here/../run" "$dir/toy.t" 2>&1) || status=$?
    if [[ $status -eq $2 && ${output##*$'\n'} == "$3" ]] && grep -q -- "$4" <<<"$output"; then
        tap_result 0 "$1"
    else
        tap_result 1 "$1"
        diag "status $status: $output"
    fi
}

says 'counts what passed' 0 '2 passed, 0 failed' '2 cases' <<<'echo 1..2; echo ok 1; echo ok 2 - b'
says 'counts what failed and shows the log' 1 '1 passed, 1 failed' 'because' \
    <<<'echo 1..2; echo ok 1; echo not ok 2; echo "# because"'
says 'counts and explains what was skipped' 0 '1 passed, 0 failed, 1 skipped' 'no moon tonight' \
    <<<'echo 1..2; echo ok 1; echo "ok 2 - howl # SKIP no moon tonight"'
says 'takes a whole program skipped' 0 '0 passed, 0 failed, 1 skipped' 'not a wolf' \
    <<<'echo "1..0 # SKIP not a wolf"'
says 'a crash is a failure' 1 '1 passed, 1 failed' 'died of signal 11' \
    <<<'echo 1..1; echo ok 1; kill -SEGV $$'
says 'a missing plan is a failure' 1 '1 passed, 1 failed' 'printed no plan' <<<'echo ok 1'
says 'a missing case is a failure' 1 '1 passed, 1 failed' 'planned 2 cases, ran 1' \
    <<<'echo 1..2; echo ok 1'
says 'a silent program is a failure' 1 '0 passed, 1 failed' 'printed no plan' <<<':'
says 'a bad exit is a failure' 1 '1 passed, 1 failed' 'exited with status 3' \
    <<<'echo 1..1; echo ok 1; exit 3'
says 'time runs out' 1 '1 passed, 1 failed' 'ran out of time after 1 s' \
    <<<$'# time limit: 1\necho 1..2; echo ok 1; sleep 60'
says 'a process left behind is a failure, and ended' 1 '1 passed, 1 failed' 'left processes behind' \
    <<'TOY'
cd "$TMPDIR"
setsid sh -c ': >up; exec sleep 61' &
until [ -e up ]; do sleep 0.01; done # in a session of its own by now
echo 1..1; echo ok 1
TOY
unset MAINSTAY_TEST_SEALED
says 'each major is a run' 0 '2 passed, 0 failed' 'toy.t@18 ' <<'TOY'
# majors: 13 18
echo "1..1"; [[ $PG_MAJOR$MAINSTAY_TEST_SEALED =~ ^1[38]$ ]] && echo "ok 1"
TOY
says 'and so is the sealed one' 0 '2 passed, 0 failed' 'toy.t@15@sealed ' <<'TOY'
# sealed: 15
echo "1..1"; [[ $PG_MAJOR$MAINSTAY_TEST_SEALED =~ ^(|151)$ ]] && echo "ok 1"
TOY
says 'several plans add up, as cmocka prints one for each group' 0 '3 passed, 0 failed' '3 cases' \
    <<<'echo 1..1; echo ok 1; echo 1..2; echo ok 1; echo ok 2'
says 'cmocka marks skipped cases this way' 0 '0 passed, 0 failed, 1 skipped' 'test_later' \
    <<<'echo 1..1; echo "not ok 1 # SKIP test_later"'
done_testing
