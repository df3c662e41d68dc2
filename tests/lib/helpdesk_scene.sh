# shellcheck shell=bash
# The stage for tests of adapters, runbooks and notices: scene.sh, and a helpdesk in its own database.
#
#   . tests/lib/helpdesk_scene.sh
#   helpdesk_scene desk                       cluster "desk", database "helpdesk", the reference adapter,
#                                             four logins, the demo helpdesk (helpdesk_demo.sql)
#   helpdesk_as desk alice runbook list       mainstay, logged in as alice
#   helpdesk_sql desk "SELECT count(*) FROM mainstay.tickets"
#   helpdesk_scene_fill desk 500000           more tickets, quickly
#
# Logins, each with nothing but its role: alice (runner), bob (approver), carol (planner), dora
# (dispatcher); postgres is the administrator.
#
# The demo helpdesk, relative to HELPDESK_NOW (an SQL expression, default the moment of loading):
#   tickets 1..200, number i made 15·i minutes ago; of each ten, 8 are open; customers 1..60, ticket i is
#   of customer (i-1) % 60 + 1; orders 1..160, R10001..R10160, order i is named by ticket i;
#   carrier of order i: i % 4: 0 ups, 1 fedex, 2 usps, 3 dhl; customers' locale: i % 4: 0 en, 1 de, 2 fr, 3 es;
#   without email: customers 20, 40, 60; without phone: 15, 30, 45, 60; vip: 25, 50
#   hostile names: customers 7..13; hostile subjects and bodies: tickets 50..57
#   tags: vip on i % 17 = 0, legal:hold on i % 40 = 0, incident:old on i % 50 = 0

# shellcheck source=tests/lib/scene.sh
. "$(dirname "${BASH_SOURCE[0]}")/scene.sh"
unset MAINSTAY_HELPDESK_CONNECTION MAINSTAY_HELPDESK_PASSWORD_FILE

HELPDESK_NOW=${HELPDESK_NOW:-now()}

# helpdesk_conninfo NAME [USER]
helpdesk_conninfo() {
    echo "host=127.0.0.1 port=$(cluster_port "$1") user=${2:-postgres} dbname=helpdesk"
}

# helpdesk_as NAME USER ARGUMENT...: the program, with the helpdesk's connection in the environment
helpdesk_as() {
    local connection
    connection=$(helpdesk_conninfo "$1" "$2")
    shift 2
    MAINSTAY_HELPDESK_CONNECTION=$connection mainstay "$@"
}

# helpdesk_sql NAME STATEMENT [USER]: unaligned rows, no header
helpdesk_sql() {
    "$CLIENT_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$TEST_DIR/$1.sock" \
        -p "$(cluster_port "$1")" -U "${3:-postgres}" -d helpdesk -c "$2"
}

# helpdesk_script NAME [PSQL OPTION...]: statements from stdin
helpdesk_script() {
    local name=$1
    shift
    PGCLIENTENCODING=UTF8 "$CLIENT_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$TEST_DIR/$name.sock" \
        -p "$(cluster_port "$name")" -U postgres -d helpdesk "$@"
}

# helpdesk_bare NAME [SERVER OPTION...]: cluster and empty database
helpdesk_bare() {
    scene_cluster "$@" && cluster_sql "$1" "CREATE DATABASE helpdesk" &&
        helpdesk_sql "$1" "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
}

# helpdesk_logins NAME: after an adapter was installed
helpdesk_logins() {
    helpdesk_sql "$1" "CREATE ROLE alice LOGIN IN ROLE mainstay_runner;
                       CREATE ROLE bob LOGIN IN ROLE mainstay_approver;
                       CREATE ROLE carol LOGIN IN ROLE mainstay_planner;
                       CREATE ROLE dora LOGIN IN ROLE mainstay_dispatcher"
}

# helpdesk_demo NAME: loads the demo helpdesk into the tables of the reference adapter
helpdesk_demo() {
    helpdesk_script "$1" -v now="($HELPDESK_NOW)" -f - <"$TESTS_ROOT/lib/helpdesk_demo.sql"
}

# helpdesk_scene NAME [SERVER OPTION...]
helpdesk_scene() {
    helpdesk_bare "$@" && helpdesk_as "$1" postgres adapter install reference >"$TEST_DIR/$1.install" &&
        helpdesk_logins "$1" && helpdesk_demo "$1"
}

# helpdesk_scene_fill NAME TICKETS [MESSAGES OF EACH]: over a year, one order for every second ticket,
# one customer for eight; a tenth is open. Carriers and texts are as in the demo.
helpdesk_scene_fill() {
    helpdesk_script "$1" -v n="$2" -v messages="${3:-1}" -v now="($HELPDESK_NOW)" -f - <<'SQL'
SET synchronous_commit = off;
SET maintenance_work_mem = '128MB';
BEGIN;
SELECT COALESCE(max(id), 0) AS c FROM helpdesk.customers \gset
SELECT COALESCE(max(id), 0) AS t FROM helpdesk.tickets \gset
INSERT INTO helpdesk.customers (external_id, name, email, phone, locale, time_zone, country, created_at)
SELECT 'FC' || :c + i, 'Person ' || i, 'p' || :c + i || '@example.test', '+4916' || (10000000 + i),
  (ARRAY['en', 'de', 'fr', 'es'])[i % 4 + 1],
  (ARRAY['America/New_York', 'Europe/Berlin', 'Europe/Paris', 'Europe/Madrid'])[i % 4 + 1],
  (ARRAY['US', 'DE', 'FR', 'ES'])[i % 4 + 1], :now - interval '400 days'
FROM generate_series(1, GREATEST(:n / 8, 1)) i;
INSERT INTO helpdesk.orders (external_id, order_no, customer_id, carrier, tracking, state, label_state, shipped_at,
  last_scan_at, promised_at, placed_at, total_cents, currency, skus)
SELECT 'FO' || :t + i, 'F' || :t + i, :c + 1 + i % GREATEST(:n / 8, 1), (ARRAY['ups', 'fedex', 'usps', 'dhl'])[i % 4 + 1],
  '1F' || :t + i, CASE WHEN i % 10 < 8 THEN 'delivered' ELSE 'in_transit' END, 'created', at - interval '3 days',
  at - make_interval(hours => i % 60), at + interval '2 days', at - interval '5 days', i % 20000, 'EUR',
  ARRAY['SKU-' || i % 100]
FROM generate_series(2, :n, 2) i, LATERAL (SELECT :now - i * (interval '365 days' / :n) AS at) w;
INSERT INTO helpdesk.tickets (external_id, subject, status, priority, queue, channel, customer_id, order_no,
  created_at, updated_at)
SELECT 'FT' || :t + i, (ARRAY['UPS shows no scan ', 'FedEx late ', 'USPS lost ', 'DHL fehlt '])[i % 4 + 1] || i,
  CASE WHEN i % 10 = 0 THEN 'open' ELSE 'closed' END, 'normal', (ARRAY['shipping', 'billing', 'returns'])[i % 3 + 1],
  'email', :c + 1 + i % GREATEST(:n / 8, 1), CASE WHEN i % 2 = 0 THEN 'F' || :t + i END, at, at + interval '1 hour'
FROM generate_series(1, :n) i, LATERAL (SELECT :now - i * (interval '365 days' / :n) AS at) w ORDER BY i DESC;
INSERT INTO helpdesk.messages (external_id, ticket_id, direction, subject, body, created_at)
SELECT 'FM' || t.id || '.' || m, t.id, CASE m % 2 WHEN 1 THEN 'in' ELSE 'out' END, t.subject,
  repeat(md5(t.id::text) || ' ', 8) || t.subject, t.created_at + make_interval(mins => m)
FROM helpdesk.tickets t, generate_series(1, :messages) m WHERE t.id > :t;
COMMIT;
VACUUM (ANALYZE) helpdesk.customers, helpdesk.tickets, helpdesk.messages, helpdesk.orders;
SQL
}
