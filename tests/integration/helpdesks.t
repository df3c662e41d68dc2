#!/bin/bash
# The adapters of helpdesks that are not Debian packages, on schemas typed from facts: the same tickets in
# each, the same answers from each (tests/helpdesks/contract.sh). `make check-helpdesks` does the others.
# time limit: 900
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

# The shop's orders in the same database: the adapter offers them when it is told where they are.
desk_sql zammad "CREATE SCHEMA shop; CREATE TABLE shop.orders (id bigint, order_no text, customer_id bigint, carrier text, tracking text,
    state text, label_state text, shipped_at timestamptz, last_scan_at timestamptz, promised_at timestamptz, placed_at timestamptz,
    total_cents bigint, currency text, skus text[], card_number text);
    INSERT INTO shop.orders (id, order_no, customer_id, carrier) VALUES (1, 'A-1001', 501, 'ups')"
capabilities="SELECT value FROM mainstay.settings WHERE name = 'capabilities'"
is "$(desk_sql zammad "$capabilities")" "phone,locale,history" "orders: not offered unless a table is named"
fails "orders: a table that is not there is an error" 1 'shop.order\b.* does not exist' desk_install zammad --set orders_table=shop.order
ok "orders: a table is named" desk_install zammad --set orders_table=shop.orders
is "$(desk_sql zammad "$capabilities")" "phone,locale,history,orders" "orders: now they are offered"
is "$(desk_sql zammad "SELECT t.id, o.carrier FROM mainstay.tickets t JOIN mainstay.orders o USING (order_no, customer_id)" carol)" "1001|ups" \
    "orders: and belong to tickets and customers"
ok "orders: no table is named any more" desk_install zammad --set orders_table=
is "$(desk_lines zammad "$capabilities UNION ALL SELECT to_regclass('mainstay.orders')::text")" "phone,locale,history;" "orders: and they are gone"
done_testing
