# shellcheck shell=bash
# What run.t and update share. Needs $here.

golden_program=$(realpath "${MAINSTAY:-$here/../../${B:-build}/mainstay}")

# golden_run COMMAND: its output, its errors marked, its exit code when that is not 0. Only the
# environment that is written in the command.
golden_run() {
    local status=0 errors
    errors=$(mktemp)
    echo "\$ $1"
    env -i PATH="$(dirname "$golden_program"):/usr/bin:/bin" HOME=/nonexistent LC_ALL=C.UTF-8 \
        ASAN_OPTIONS="${ASAN_OPTIONS-}" bash -c "$1" 2>"$errors" </dev/null || status=$?
    sed 's/^/2> /' "$errors"
    rm -f "$errors"
    [[ $status -eq 0 ]] || echo "exit $status"
    echo
}

# golden_output FILE: cli/x.in has one command a line, # comments; config/x.yaml is a configuration.
golden_output() {
    local line
    cd "$(dirname "$1")" || return 1
    if [[ $1 == *.yaml ]]; then
        golden_run "mainstay config check --config $(basename "$1")"
        golden_run "mainstay config show --config $(basename "$1")"
        return
    fi
    while IFS= read -r line; do
        [[ -z $line || $line == \#* ]] || golden_run "$line"
    done <"$1"
}
