# shellcheck shell=bash
# Test Anything Protocol for shell tests. cluster.sh sources it; tests without a server do so
# themselves, and end with done_testing.

test_count=0
test_failed=0

note() { printf '# %s\n' "$@"; }
# Text of several lines becomes comments, line by line.
diag() {
    local text
    for text in "$@"; do
        echo "# ${text//$'\n'/$'\n'# }" >&2
    done
}

tap_result() { # STATUS DESCRIPTION
    test_count=$((test_count + 1))
    if [[ $1 -eq 0 ]]; then
        echo "ok $test_count - $2"
        return
    fi
    test_failed=$((test_failed + 1))
    echo "not ok $test_count - $2"
}

# ok DESCRIPTION COMMAND...: passes when the command does; shows its output when it does not.
ok() {
    local description=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    tap_result "$status" "$description"
    [[ $status -eq 0 ]] || diag "exit code $status of: $*" "$(head -n 40 <<<"$output")"
}

# fails DESCRIPTION STATUS PATTERN COMMAND...: exit status ("1|4") and message must both be right.
fails() {
    local description=$1 expected=$2 pattern=$3 output status=0
    shift 3
    output=$("$@" 2>&1) || status=$?
    if [[ $status =~ ^($expected)$ ]] && grep -Eq -- "$pattern" <<<"$output"; then
        tap_result 0 "$description"
        return
    fi
    tap_result 1 "$description"
    diag "exit code $status, expected $expected, of: $*" "expected text: $pattern" \
        "$(head -n 40 <<<"$output")"
}

# is GOT EXPECTED DESCRIPTION
is() {
    local status=0
    [[ $1 == "$2" ]] || status=1
    tap_result "$status" "$3"
    [[ $status -eq 0 ]] || diag "     got: $1" "expected: $2"
}

# like TEXT PATTERN DESCRIPTION: an extended regular expression
like() {
    local status=0
    [[ $1 =~ $2 ]] || status=1
    tap_result "$status" "$3"
    [[ $status -eq 0 ]] || diag "    text: $1" " pattern: $2"
}

# wait_until SECONDS COMMAND...: polls until the command succeeds
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [[ $SECONDS -lt $deadline ]] || { echo "gave up waiting for: $*" >&2; return 1; }
        sleep 0.05
    done
}

skip() { # COUNT REASON
    local i
    for ((i = 0; i < $1; i++)); do
        test_count=$((test_count + 1))
        echo "ok $test_count # SKIP $2"
    done
}

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

plan() { echo "1..$1"; }

# A function named by $before_plan has the last word.
done_testing() {
    ${before_plan:-:}
    plan "$test_count"
    [[ $test_failed -eq 0 ]] || exit 1
}

# tap_program NAME PROGRAM: runs a program of unit tests; its cases become ours.
tap_program() {
    local name=$1 program=$2 output line status=0
    output=$(CMOCKA_MESSAGE_OUTPUT=TAP "$program" 2>&1) || status=$?
    while IFS= read -r line; do
        case $line in
        *'# SKIP'*) skip 1 "$name: ${line##* } is not for this store" ;;
        'ok '*) tap_result 0 "$name: ${line#* - }" ;;
        'not ok '*) tap_result 1 "$name: ${line#* - }" ;;
        1..*) ;;
        *) note "${line#\# }" ;;
        esac
    done <<<"$output"
    # A program that died has printed fewer cases than it has.
    [[ $status -lt 128 ]] || tap_result 1 "$name: ended with status $status"
}
