#!/bin/bash
# The outbox from queue to webhook: order, retries, refusals, claims that were lost, suppressions.
# shellcheck source=tests/lib/scene.sh
. "$(dirname "$0")/../lib/scene.sh"

core=$(dirname "$0")/../../runbooks/adapters/core
scene_cluster desk
cat "$core"/*.sql | scene_psql desk -1 -f - >/dev/null
scene_psql desk -c "
    CREATE ROLE alice LOGIN IN ROLE mainstay_runner; CREATE ROLE dora LOGIN IN ROLE mainstay_dispatcher;
    CREATE ROLE carol LOGIN IN ROLE mainstay_planner;"
as() { # LOGIN COMMAND...
    local login=$1
    shift
    mainstay "$@" --helpdesk "host=$TEST_DIR/desk.sock port=$(cluster_port desk) user=$login dbname=postgres"
}

scene_psql desk -c "
    INSERT INTO mainstay.runs (id, runbook, version, runbook_digest, plan_digest, source, plan, concurrency_group)
    SELECT r, 'carrier-outage', '1.0.0', repeat('0', 64), repeat('1', 64), '', '{}', r
    FROM unnest(ARRAY['run-a', 'run-b']) r"
queue() { # RUN NUMBER WEBHOOK [PURPOSE [EXPIRES]]: one webhook notice
    scene_psql desk -c "
        INSERT INTO mainstay.notices (run_id, step_id, template, customer_key, channel, address, locale, purpose,
            subject, body_text, not_before, expires_at, next_at, message_id)
        VALUES ('$1', 'status', 'status-$2', 'webhook:$3/$2', 'webhook', '$3', 'en', '${4:-status}',
            'Update $2', 'text $2 <!channel> {{ \"x\" }}', now(), now() + interval '${5:-1 hour}', now(), '$1.$2.$3')"
}
states() { scene_psql desk -c "SELECT string_agg(template || '=' || state, ' ' ORDER BY id) FROM mainstay.notices WHERE run_id = '$1'"; }
received() { grep -c . "$TEST_DIR/$1.log" 2>/dev/null || true; }
# A webhook that everybody may read is refused.
hooks_given() { chmod -R go= "$hooks" && give_to_server "$hooks"; }
receiver() { # NAME REFUSE_FIRST: sets the webhook of that name up
    "$TESTS_ROOT/lib/http_receiver" "$TEST_DIR/$1.port" "$TEST_DIR/$1.log" "$2" &
    receivers+=($!)
    wait_until 20 test -s "$TEST_DIR/$1.port"
    echo "http://127.0.0.1:$(cat "$TEST_DIR/$1.port")/secret-$1" >"$hooks/$1"
    hooks_given
}
receivers=()
hooks=$TEST_DIR/hooks
mkdir "$hooks"
hooks_given
dispatch() { as dora notice dispatch --webhook-directory "$hooks" "$@"; }

# --- delivered, in order --------------------------------------------------------------------------

receiver page 0
queue run-a 1 page
queue run-a 2 page
queue run-a 3 page
ok "notices are sent" dispatch
is "$(states run-a)" "status-1=sent status-2=sent status-3=sent" "all are sent"
is "$(grep -o '"template": *"[^"]*"' "$TEST_DIR/page.log" | tr -d '" ' | cut -d: -f2 | xargs)" \
    "status-1 status-2 status-3" "in the order in which they were queued"
like "$(head -n 1 "$TEST_DIR/page.log")" '"run":"run-a".*"text":"text 1 <!channel> .. ..x.. .."' \
    "the text arrives as it was written"
ok "a second dispatch has nothing to do" dispatch
is "$(received page)" 3 "nothing is sent twice"

echo "$(cat "$hooks/page")"$'\nslack' >"$hooks/slack"
hooks_given
queue run-b 1 slack
dispatch >/dev/null
like "$(tail -n 1 "$TEST_DIR/page.log")" '\{"text": *"Update 1\\ntext 1 &lt;!channel&gt;' \
    "what Slack would take for a mention is escaped"

# --- refused, unreachable, unknown -------------------------------------------------------------------

receiver busy 1
queue run-b 2 busy
queue run-b 3 busy
dispatch >/dev/null 2>"$TEST_DIR/log"
like "$(states run-b)" 'status-2=retry status-3=queued' "503 is tried again, and the next one waits for it"
is "$(grep -c 'secret-busy' "$TEST_DIR/log")" 0 "the URL is not in the log"
scene_psql desk -c "UPDATE mainstay.notices SET next_at = now() WHERE state = 'retry'"
dispatch >/dev/null
dispatch >/dev/null
like "$(states run-b)" 'status-2=sent status-3=sent' "both arrive once the receiver is there again"

queue run-b 4 nowhere
dispatch >/dev/null 2>"$TEST_DIR/log"
like "$(states run-b)" 'status-4=retry' "a webhook that is not configured keeps its notice"
like "$(scene_psql desk -c "SELECT last_error FROM mainstay.notices WHERE template = 'status-4'")" 'nowhere' \
    "and says which one it is"
queue run-b 5 ../../etc/passwd
dispatch >/dev/null 2>&1
like "$(scene_psql desk -c "SELECT last_error FROM mainstay.notices WHERE template = 'status-5'")" \
    'cannot be the name of a webhook' "a name cannot leave the directory"
scene_psql desk -c "UPDATE mainstay.notices SET attempts = 12, next_at = now() WHERE template = 'status-4'"
dispatch >/dev/null 2>&1
like "$(states run-b)" 'status-4=dead' "attempts are limited"
cp "$hooks/page" "$hooks/nowhere"
hooks_given
like "$(as dora notice redrive --run run-b)" '^1 notice will be tried again' "dead notices are redriven"
dispatch >/dev/null
like "$(states run-b)" 'status-4=sent' "and arrive"
fails "a runner cannot redrive" 1 'permission denied' as alice notice redrive --run run-b

queue run-b 6 page status '1 second'
scene_psql desk -c "UPDATE mainstay.notices SET not_before = now() - interval '2 hours',
    expires_at = now() - interval '1 hour' WHERE template = 'status-6'"
count=$(received page)
dispatch >/dev/null
like "$(states run-b)" 'status-6=expired' "what is past its end is not sent"
is "$(received page)" "$count" "really not"

# --- a dispatcher that died -----------------------------------------------------------------------------

queue run-b 7 page status
queue run-b 8 page safety
scene_psql desk -c "UPDATE mainstay.notices SET state = 'sending', fence = 5, lease_owner = 'gone/1',
    lease_until = now() - interval '1 second' WHERE template IN ('status-7', 'status-8')"
dispatch >/dev/null
like "$(states run-b)" 'status-7=unknown status-8=sent' \
    "an ordinary notice is not sent a second time, one for safety is"

# Its receiver answers only after another dispatcher has taken the claim over.
cat >"$TEST_DIR/slow" <<'PY'
import http.server, os, sys, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        open(sys.argv[2], "w").close()
        while not os.path.exists(sys.argv[3]):
            time.sleep(0.02)
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Slow)
open(sys.argv[1] + ".new", "w").write(str(server.server_address[1])); os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
PY
python3 "$TEST_DIR/slow" "$TEST_DIR/slow.port" "$TEST_DIR/slow.asked" "$TEST_DIR/slow.go" &
receivers+=($!)
wait_until 20 test -s "$TEST_DIR/slow.port"
echo "http://127.0.0.1:$(cat "$TEST_DIR/slow.port")/" >"$hooks/slow"
hooks_given
queue run-b 9 slow
dispatch --json >"$TEST_DIR/overtaken.json" 2>/dev/null &
slow_dispatch=$!
wait_until 30 test -e "$TEST_DIR/slow.asked"
scene_psql desk -c "UPDATE mainstay.notices SET fence = fence + 1, state = 'unknown' WHERE template = 'status-9'"
touch "$TEST_DIR/slow.go"
wait "$slow_dispatch"
like "$(states run-b)" 'status-9=unknown' "an outcome is not written over somebody else's claim"
is "$(json_value "$TEST_DIR/overtaken.json" overtaken)" 1 "and that is counted"

# --- the daemon does it ------------------------------------------------------------------------------------

cp "$BUILD/mainstayd" "$TEST_DIR/mainstayd"
cat >"$scene/daemon.yaml" <<YAML
repository:
  url: $scene/repository
postgres:
  connection: $(cluster_conninfo desk)
helpdesk:
  connection: host=$TEST_DIR/desk.sock port=$(cluster_port desk) user=dora dbname=postgres
webhook:
  directory: $hooks
daemon:
  dispatch: true
  wal-stream: false
  listen: off
YAML
give_to_server "$scene/daemon.yaml"
mainstay repo init --no-slot --config "$scene/daemon.yaml" >/dev/null
# shellcheck disable=SC2016 # the inner shell's variables
as_server sh -c 'echo $$ >"$1.pid"; exec "$2" --config "$1.yaml" 2>"$1.log"' sh "$scene/daemon" \
    "$TEST_DIR/mainstayd" &
daemon=$!
queue run-b 12 page
is_sent() { [[ $(states run-b) == *status-12=sent* ]]; }
ok "the daemon sends what is queued" wait_until 30 is_sent
kill "$(cat "$scene/daemon.pid")"
wait "$daemon"
is $? 0 "and stops when it is asked to"
states_before=$(states run-b)
queue run-b 13 page
is "$(states run-b)" "$states_before status-13=queued" "without it nothing is sent"
scene_psql desk -c "DELETE FROM mainstay.notices WHERE template = 'status-13'"

# --- by hand ------------------------------------------------------------------------------------------------

queue run-a 10 page
id=$(scene_psql desk -c "SELECT id FROM mainstay.notices WHERE template = 'status-10'")
like "$(as carol notice list --run run-a)" "$id +queued +webhook +webhook:page/10 +status-10" "notices are listed"
like "$(as carol notice show "$id")" 'text 10 <!channel>' "and shown with their text"
fails "who only plans cannot cancel" 1 'permission denied' as carol notice cancel "$id" --reason test
fails "a reason is needed" 2 'needs --reason' as alice notice cancel "$id"
ok "one notice is cancelled" as alice notice cancel "$id" --reason "wrong text"
fails "what is out cannot be called back" 5 'it is sent' as alice notice cancel 1 --reason "too late"
fails "a number that is none" 3 'there is no notice 9999' as alice notice cancel 9999 --reason x
queue run-a 11 page
like "$(as alice notice cancel --run run-a --reason over)" '^1 notice cancelled, 3 are out already' \
    "a run's notices are cancelled, and what is out is counted"
count=$(received page)
dispatch >/dev/null
is "$(received page)" "$count" "cancelled notices are not sent"

ok "a customer is suppressed" as alice notice suppress 42 --reason legal_hold --source 'case 17'
ok "an address too" as alice notice suppress 'Ada@Example.ORG' --reason unsubscribed --channel email
ok "and a telephone number" as alice notice suppress +4912345 --reason complaint --expires 2099-01-01T00:00:00Z
fails "an unknown reason names the nearest" 2 'legal_hold' as alice notice suppress 7 --reason legal-hold
fails "nobody" 2 'names no customer' as alice notice suppress "ada" --reason other
fails "who only plans cannot suppress" 1 'permission denied' as carol notice suppress 7 --reason other
like "$(as carol notice suppressions)" 'a:Ada@example.org +email +unsubscribed' "domains are in lower case"
as carol notice suppressions --csv >"$scene/list.csv"
ok "removed again" as alice notice unsuppress 42
like "$(as alice notice import "$scene/list.csv")" '^1 suppression added, 2 were there' \
    "an export is an import"
is "$(as carol notice suppressions --csv | cksum)" "$(cksum <"$scene/list.csv")" "and the same again"
printf 'customer,reason\n8,other\n9,nonsense\n' >"$scene/bad.csv"
fails "a wrong record is named, and nothing is taken" 1 'bad.csv:3: "nonsense" is no reason' \
    as alice notice import "$scene/bad.csv"
is "$(as carol notice suppressions --csv | grep -c 'c:8')" 0 "nothing of that file is there"

kill "${receivers[@]}"
wait "${receivers[@]}" 2>/dev/null
done_testing
