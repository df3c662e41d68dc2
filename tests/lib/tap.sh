# shellcheck shell=bash
# Test Anything Protocol for shell tests: source it, call tap_*, end with tap_done.

tap_count=0
tap_failed=0

# tap_result STATUS NAME: 0 is success. Lines on stdin of a failure go through tap_note.
tap_result() {
    tap_count=$((tap_count + 1))
    if [[ $1 -eq 0 ]]; then
        echo "ok $tap_count - $2"
        return 0
    fi
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $2"
    return 0
}

tap_note() {
    local text=$*
    echo "# ${text//$'\n'/$'\n'# }"
}

# tap_ok NAME COMMAND...: the command must succeed; its output is shown when it does not.
tap_ok() {
    local name=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    tap_result "$status" "$name"
    [[ $status -eq 0 ]] || tap_note "$* (status $status): $output"
}

# tap_fails NAME WANTED_STATUS PATTERN COMMAND...: exit status and message must both be right.
tap_fails() {
    local name=$1 wanted=$2 pattern=$3 output status=0
    shift 3
    output=$("$@" 2>&1) || status=$?
    if [[ $status -eq $wanted ]] && grep -Eq -- "$pattern" <<<"$output"; then
        tap_result 0 "$name"
        return
    fi
    tap_result 1 "$name"
    tap_note "$*"
    tap_note "status $status, wanted $wanted; wanted text: $pattern"
    tap_note "$output"
}

# tap_is GOT WANTED NAME
tap_is() {
    if [[ $1 == "$2" ]]; then
        tap_result 0 "$3"
        return
    fi
    tap_result 1 "$3"
    tap_note "got:    $1"
    tap_note "wanted: $2"
}

# tap_like TEXT PATTERN NAME
tap_like() {
    local status=0
    grep -Eq -- "$2" <<<"$1" || status=1
    tap_result "$status" "$3"
    [[ $status -eq 0 ]] || tap_note "no match for \"$2\" in: $1"
}

# tap_skip NAME REASON
tap_skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

# tap_skip_all REASON: ends the program.
tap_skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

tap_done() {
    echo "1..$tap_count"
    [[ $tap_failed -eq 0 ]] || exit 1
    exit 0
}
