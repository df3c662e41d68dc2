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

# --- what one helpdesk only has ---------------------------------------------------------------------

fails "chatwoot: a tag that cannot be a label is refused" 1 'cannot have a label for tag "two words"' \
    desk_tag chatwoot "two words" 1001
fails "chatwoot: and one that would read back as another" 1 'cannot have a label for tag "a__b"' desk_tag chatwoot a__b 1001
fails "znuny: a tag that would need quotes in YAML is refused" 1 'cannot have tag "x: y"' desk_tag znuny "x: y" 1001
is "$(desk_tag zammad Carrier:UPS 1001)$(desk_tag zammad carrier:ups 1001)$(desk_undo zammad Carrier:UPS)" 101001 \
    "zammad: two spellings in other case are one tag"
is "$(desk_sql zammad "SELECT count(*) FROM tag_items WHERE name_downcase = 'carrier:ups'")" 1 \
    "zammad: with one entry in the dictionary"

# Znuny's own way to change the field: all rows deleted, all inserted again, one line of history.
znuny_sets() { # TICKET NEW OLD: texts as Znuny joins them
    desk_sql znuny "DELETE FROM dynamic_field_value WHERE object_id = $1 AND field_id = 1;
        INSERT INTO dynamic_field_value (field_id, object_id, value_text)
          SELECT 1, $1, v FROM unnest(string_to_array('$2', ', ')) v;
        INSERT INTO ticket_history (name, history_type_id, ticket_id, type_id, queue_id, owner_id, priority_id, state_id,
            create_time, create_by, change_time, change_by)
        VALUES (left('%%FieldName%%Tags%%Value%%${4:-$2}%%OldValue%%$3', 200), 2, $1, 1, 1, 1, 1, 1, now(), 1, now(), 1)"
}
desk_tag znuny ours "1001 1002 1003 1004" >/dev/null
znuny_sets 1001 "ours, vip" "ours"
znuny_sets 1002 "again, vip" "again, ours"
znuny_sets 1002 "again, vip, ours" "again, vip"
znuny_sets 1003 "later, ours, vip" "later, ours" "later, ou[...]"
is "$(desk_undo znuny ours)" "1001 1004" \
    "znuny: rows that Znuny wrote anew are still ours; what was set again, or may have been, is not"
is "$(desk_lines znuny "SELECT ticket_id || tag FROM mainstay.ticket_tags WHERE ticket_id IN (1001, 1002, 1003, 1004) ORDER BY 1")" \
    "1001vip;1002again;1002ours;1002vip;1003later;1003ours;1003vip" "znuny: and nothing else is gone"
is "$(desk_sql znuny "SELECT count(*) FROM dynamic_field, regexp_split_to_table(config, E'\n') l
      WHERE id = 1 AND l = '  \"ours\": \"ours\"'")" 1 \
    "znuny: the tag is one of the field's possible values, once"

# The shop's orders in the same database: the adapter offers them when it is told where they are.
desk_sql zammad "CREATE SCHEMA shop;
  CREATE TABLE shop.orders (id bigint, order_no text, customer_id bigint, carrier text, tracking text, state text,
    label_state text, shipped_at timestamptz, last_scan_at timestamptz, promised_at timestamptz, placed_at timestamptz,
    total_cents bigint, currency text, skus text[], card_number text);
    INSERT INTO shop.orders (id, order_no, customer_id, carrier) VALUES (1, 'A-1001', 501, 'ups')"
capabilities="SELECT value FROM mainstay.settings WHERE name = 'capabilities'"
is "$(desk_sql zammad "$capabilities")" "phone,locale,history" "orders: not offered unless a table is named"
fails "orders: a table that is not there is an error" 1 'shop.order\b.* does not exist' \
    desk_install zammad --set orders_table=shop.order
ok "orders: a table is named" desk_install zammad --set orders_table=shop.orders
is "$(desk_sql zammad "$capabilities")" "phone,locale,history,orders" "orders: now they are offered"
is "$(desk_sql zammad "SELECT t.id, o.carrier FROM mainstay.tickets t
      JOIN mainstay.orders o USING (order_no, customer_id)" carol)" "1001|ups" \
    "orders: and belong to tickets and customers"
ok "orders: no table is named any more" desk_install zammad --set orders_table=
is "$(desk_lines zammad "$capabilities UNION ALL SELECT to_regclass('mainstay.orders')::text")" "phone,locale,history;" \
    "orders: and they are gone"
done_testing
