#!/bin/bash
# What the processes have given up, looked at from outside while they run: the daemon, its children,
# and the same jobs by hand. Refusals of what would be unsafe.
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"
BUILD=${B:-build}
[[ $BUILD == /* ]] || BUILD=$here/../../$BUILD
[[ $(id -u) -eq 0 ]] || skip_all 'only root may look at processes that hide from others'
work=$(mktemp -d)
pids=()
ended() {
    local pid
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap ended EXIT
cd "$work"
export HOME=$work AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret no_proxy='*'
unset "${!MAINSTAY_@}"
mainstay=$BUILD/mainstay
mainstayd=$BUILD/mainstayd

status_of() { awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status" 2>/dev/null; } # PID NAME
status_is() { [[ $(status_of "$1" "$2") == "$3" ]]; }
core_of() { awk '/^Max core file size/ { print $5, $6 }' "/proc/$1/limits"; }
# given_up PID SECCOMP: in one line, to be compared
given_up() {
    echo "core $(core_of "$1"), umask $(status_of "$1" Umask), no new privileges" \
        "$(status_of "$1" NoNewPrivs), seccomp $(status_of "$1" Seccomp), owner $(stat -c %U "/proc/$1/environ")"
}
private='core 0 0, umask 0077, no new privileges 1, seccomp'

# --- the jobs by hand ----------------------------------------------------------------------------------

# A server that never answers: whatever connects to it can be looked at.
python3 -c '
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
open("port.new", "w").write(str(listener.getsockname()[1]))
import os; os.rename("port.new", "port")
time.sleep(600)' &
pids+=($!)
wait_until 20 test -s port
port=$(cat port)
silent=(--repo "s3://bucket/prefix?endpoint=http://127.0.0.1:$port&region=r&style=path")
server=(--connection "host=127.0.0.1 port=$port user=x dbname=x connect_timeout=60")
connected() { # PID: a socket to the server, so that set-up is over
    find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | grep -q .
}
# looked_at SECCOMP NAME ARGUMENT...: what a job has given up while it waits for an answer
looked_at() {
    local seccomp=$1 name=$2 pid
    shift 2
    "$mainstay" "$@" >/dev/null 2>"$work/said" &
    pid=$!
    pids+=("$pid")
    wait_until 20 connected "$pid" || diag "$(cat "$work/said")"
    is "$(given_up "$pid")" "$private $seccomp, owner root" "$name"
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
looked_at 2 'status' status "${silent[@]}"
looked_at 2 'snapshot create' snapshot create "${silent[@]}" "${server[@]}"
looked_at 2 'snapshot verify' snapshot verify "${silent[@]}"
looked_at 2 'snapshot expire' snapshot expire --keep-last 1 "${silent[@]}"
looked_at 2 'wal stream' wal stream "${silent[@]}" "${server[@]}"
looked_at 2 'notice dispatch' notice dispatch --helpdesk-connection "${server[1]}" --webhook-directory "$work"
looked_at 0 'wal window is run by people: not confined' wal window "${silent[@]}"
MAINSTAY_PROCESS_SECCOMP=false looked_at 0 'nor is what is told not to be' status "${silent[@]}"

# A program prints the key: it has ended before the job is confined.
printf '#!/bin/sh\necho asked >>"%s/asked"\ncat "%s/sealed.key"\n' "$work" "$work" >vault
chmod 700 vault
"$mainstay" repo init --no-slot --repo "$work/sealed" --repository-encryption sealed \
    --repository-key-file "$work/sealed.key" >/dev/null
export MAINSTAY_REPOSITORY_KEY_COMMAND=$work/vault
looked_at 2 'status with a program that prints the key' status "${silent[@]}"
looked_at 2 'snapshot create with it' snapshot create "${silent[@]}" "${server[@]}"
looked_at 2 'wal stream with it' wal stream "${silent[@]}" "${server[@]}"
is "$(sort asked | uniq -c | tr -d ' ')" 3asked 'it was asked once for each'
looked_at 2 'notice dispatch needs no key' notice dispatch --helpdesk-connection "${server[1]}" --webhook-directory "$work"
is "$(wc -l <asked)" 3 'and asks for none'
like "$("$mainstay" status --repo "$work/sealed")" 'snapshots' 'a confined job opens the repository by it'
printf '#!/bin/sh\nexit 7\n' >vault.broken
chmod 700 vault.broken
MAINSTAY_REPOSITORY_KEY_COMMAND=$work/vault.broken fails 'a program that fails is told of' 1 \
    'could not get the key: ".*vault.broken" failed \(status 7\)' "$mainstay" status --repo "$work/sealed"
unset MAINSTAY_REPOSITORY_KEY_COMMAND

# --- the daemon and its children -----------------------------------------------------------------------

"$mainstay" repo init --repo "$work/repository" >/dev/null
config() { # LINE...: behind the sections that are always there
    printf '%s\n' "repository:" "  url: $work/repository" "daemon:" '  listen: 127.0.0.1:0' "$@" >config.yaml
}
child_of() { pgrep -P "$1" -f -- "$2" | head -n 1; }
has_child() { [[ -n $(child_of "$1" "$2") ]]; }
daemon_start() { # LOG ARGUMENT...
    local log=$1
    shift
    : >"$log" # the line that is waited for is not an earlier daemon's
    "$mainstayd" --config config.yaml "$@" 2>"$log" &
    daemon=$!
    pids+=("$daemon")
    wait_until 20 grep -q 'works on the repository now' "$log" || diag "$(cat "$log")"
}
daemon_stop() {
    kill -TERM "$daemon"
    wait "$daemon" || true
}
config
daemon_start log
leader=$(child_of "$daemon" --hold-lock)
is "$(given_up "$daemon")" "$private 0, owner root" 'the daemon: not confined, it starts programs'
is "$(given_up "$leader")" "$private 2, owner root" 'its leader: confined'
links() { find "/proc/$1/fd" -type l ! -name 0 ! -name 1 ! -name 2 -printf '%l\n' | grep -v '^/memfd:mainstay-store-meter' | sort; }
is "$(comm -12 <(links "$daemon") <(links "$leader"))" '' \
    'the child has no descriptor of the daemon, besides the counters that they share'
ok 'and the daemon has some to have' test "$(links "$daemon" | wc -l)" -ge 3
daemon_stop
config
daemon_start log --no-seccomp
is "$(given_up "$(child_of "$daemon" --hold-lock)")" "$private 0, owner root" '--no-seccomp: its children neither'
fails 'nobody warns of nothing' 1 '' grep -E 'daemon.(tls|memlock)' log
daemon_stop
printf '%s\n' "repository:" "  url: $work/sealed" "  key-command: $work/vault" "daemon:" '  listen: 127.0.0.1:0' >config.yaml
daemon_start log
is "$(given_up "$daemon")" "$private 0, owner root" 'a daemon whose key a program prints'
is "$(given_up "$(child_of "$daemon" --hold-lock)")" "$private 2, owner root" 'its leader is confined, too'
daemon_stop
# 0.0.0.0 leads here, but only whoever looks at a routing table knows that; nobody answers at port 1.
config 'postgres:' '  connection: host=0.0.0.0 port=1'
daemon_start log
ok 'a server that is not verified is warned of' grep -q 'postgres.connection: connections to 0.0.0.0 do not verify' log
daemon_stop

# --- refusals ------------------------------------------------------------------------------------------

# As Kubernetes mounts a Secret: a link to a link to a directory.
mkdir -p secret/..2026
ln -s ..2026 secret/..data
ln -s ..data/password secret/password
echo hunter2 >secret/..2026/password
check() { "$mainstay" snapshot create --repo "$work/repository" --connection 'host=127.0.0.1 port=1' \
    --postgres-password-file secret/password; }
chmod 444 secret/..2026/password
fails 'a password that everybody may read is refused' 5 'secret/password" can be used by everybody.*0444' check
chmod 440 secret/..2026/password
fails 'one that its group may read is not: the server is asked' 1 'Connection refused' check
echo 'http://hooks.example.net/s3cret' >webhook
chmod 600 webhook
config 'alert:' "  webhook-file: $work/webhook"
fails 'an alert by plain http to another machine is refused' 2 'alert.webhook-file: its URL is plain http' \
    "$mainstayd" --check --config config.yaml
config 'alert:' "  webhook-file: $work/webhook" 'webhook:' '  plain-http: true'
ok 'unless it is allowed' "$mainstayd" --check --config config.yaml
doctor=$("$mainstay" doctor --repo "$work/repository" --connection 'host=0.0.0.0 port=1' 2>&1 || true)
like "$doctor" 'warning +server.tls .*0\.0\.0\.0 do not verify' 'doctor warns of a server that is not verified'
like "$doctor" 'add sslmode=verify-full' 'and says what to do'
like "$doctor" 'ok +process.memory_lock' 'secrets can be locked here'
cp "$mainstay" "$work/program"
chmod 755 "$work" "$work/program"
like "$(prlimit --memlock=0 setpriv --reuid 65534 --regid 65534 --clear-groups "$work/program" doctor 2>&1 || true)" \
    'warning +process.memory_lock .*may be swapped' 'doctor tells where they cannot'
done_testing
