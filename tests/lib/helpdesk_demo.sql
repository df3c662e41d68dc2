-- A small helpdesk, the same every time: 60 customers, 200 tickets of the last 50 hours, 160 orders of
-- four carriers, four locales, and texts that people and machines send to break things. Times are
-- relative to :now. Odd cases live at fixed numbers, see helpdesk_scene.sh.
BEGIN;

INSERT INTO helpdesk.customers (external_id, name, email, phone, locale, time_zone, country, is_vip, created_at)
SELECT 'C' || i,
  CASE i WHEN 7 THEN 'Robert''); DROP TABLE helpdesk.tickets;--'
         WHEN 8 THEN '{{ params.carrier }} {{#each}} ${HOME} %s%n'
         WHEN 9 THEN E'Eve\r\nBcc: everybody@example.test'
         WHEN 10 THEN U&'\202Etseb\202C'
         WHEN 11 THEN U&'\+01F98A Fox \+01F469\200D\+01F680'
         WHEN 12 THEN '=cmd|'' /C calc''!A0'
         WHEN 13 THEN E'\x1b[31mred\x07'
         ELSE 'Customer ' || i END,
  CASE WHEN i % 20 <> 0 THEN 'c' || i || '@example.test' END,
  CASE WHEN i % 15 <> 0 THEN '+4915100000' || lpad(i::text, 2, '0') END,
  (ARRAY['en', 'de', 'fr', 'es'])[i % 4 + 1],
  (ARRAY['America/New_York', 'Europe/Berlin', 'Europe/Paris', 'Europe/Madrid'])[i % 4 + 1],
  (ARRAY['US', 'DE', 'FR', 'ES'])[i % 4 + 1],
  i % 25 = 0, :now - interval '400 days'
FROM generate_series(1, 60) i ORDER BY i;

INSERT INTO helpdesk.orders (external_id, order_no, customer_id, carrier, tracking, state, label_state, shipped_at,
  last_scan_at, promised_at, placed_at, total_cents, currency, skus)
SELECT 'O' || i, 'R' || (10000 + i), (i - 1) % 60 + 1, (ARRAY['ups', 'fedex', 'usps', 'dhl'])[i % 4 + 1],
  '1Z' || (900000 + i),
  (ARRAY['delivered', 'paid', 'labelled', 'in_transit', 'in_transit'])[i % 5 + 1],
  CASE WHEN i % 5 = 1 AND i % 2 = 1 THEN 'failed' WHEN i % 5 = 1 THEN 'none' ELSE 'created' END,
  CASE WHEN i % 5 >= 3 THEN :now - interval '4 days' END,
  CASE WHEN i % 5 >= 3 THEN :now - make_interval(hours => i % 60) END,
  :now + make_interval(hours => i % 96 - 24), :now - interval '6 days', 1999 + i,
  (ARRAY['USD', 'EUR', 'EUR', 'EUR'])[i % 4 + 1], ARRAY['SKU-' || (i % 7), 'SKU-GIFT']
FROM generate_series(1, 160) i ORDER BY i;

INSERT INTO helpdesk.tickets (external_id, number, subject, status, priority, queue, assignee, channel, locale,
  customer_id, order_no, created_at, updated_at)
SELECT 'T' || i, CASE WHEN i % 2 = 0 THEN '2026-' || i END,
  CASE i WHEN 50 THEN '''; DELETE FROM helpdesk.tickets; --'
         WHEN 51 THEN '{{customer.name}} {{{triple}}} {{> partial}}'
         WHEN 52 THEN E'Header\r\nBcc: everybody@example.test'
         WHEN 53 THEN U&'\202Egnp.lived\202C UPS'
         WHEN 54 THEN U&'\+01F4E6 UPS parcel \+01F494'
         WHEN 55 THEN '=HYPERLINK("http://evil.example","UPS")'
         WHEN 56 THEN E'\x1b]0;owned\x07 UPS'
         WHEN 57 THEN repeat('UPS ', 500)
         ELSE (ARRAY['Where is my parcel?', 'UPS shows no scan', 'Refund, please', 'FedEx: label failed',
           'Wrong size', 'USPS lost it', 'Invoice', 'DHL Paket fehlt'])[i % 8 + 1] END,
  CASE WHEN i % 10 < 4 THEN 'open' WHEN i % 10 < 6 THEN 'new' WHEN i % 10 = 6 THEN 'pending'
       WHEN i % 10 = 7 THEN 'on_hold' WHEN i % 10 = 8 THEN 'solved' ELSE 'closed' END,
  (ARRAY['low', 'normal', 'high', 'urgent'])[i % 4 + 1], (ARRAY['shipping', 'billing', 'returns'])[i % 3 + 1],
  CASE WHEN i % 3 = 0 THEN 'Anna' END, (ARRAY['email', 'chat', 'phone'])[i % 3 + 1],
  CASE WHEN i % 5 = 0 THEN (ARRAY['en', 'de', 'fr', 'es'])[i % 4 + 1] END,
  (i - 1) % 60 + 1, CASE WHEN i <= 160 THEN 'R' || (10000 + i) END,
  :now - make_interval(mins => 15 * i), :now - make_interval(mins => 10 * i)
FROM generate_series(1, 200) i ORDER BY i;

INSERT INTO helpdesk.messages (external_id, ticket_id, direction, is_public, subject, body, content_type, created_at)
SELECT 'M' || t.id || '.' || n, t.id, (ARRAY['in', 'out', 'internal'])[n], n < 3, t.subject,
  CASE WHEN t.id BETWEEN 50 AND 57 THEN t.subject || E'\n' ELSE '' END ||
  CASE n WHEN 1 THEN (ARRAY['Hello, my parcel has not moved for days.', 'Guten Tag, mein Päckchen fehlt.',
      'Bonjour, où est mon colis ?', 'Hola, ¿dónde está mi paquete?'])[t.id % 4 + 1] || ' ' || COALESCE(t.order_no, '')
    WHEN 2 THEN 'We are looking into it.'
    ELSE 'Carrier says: ' || (ARRAY['UPS', 'FedEx', 'USPS', 'DHL'])[t.id % 4 + 1] END,
  'text/plain', t.created_at + make_interval(mins => n)
FROM helpdesk.tickets t, generate_series(1, 3) n ORDER BY t.id, n;

INSERT INTO helpdesk.tags (name) VALUES ('vip'), ('legal:hold'), ('incident:old'), ('Größe'), ('with space');
INSERT INTO helpdesk.ticket_tags (ticket_id, tag_id, created_at)
SELECT t.id, g.id, t.created_at FROM helpdesk.tickets t JOIN helpdesk.tags g
  ON (g.name = 'vip' AND t.id % 17 = 0) OR (g.name = 'legal:hold' AND t.id % 40 = 0)
  OR (g.name = 'incident:old' AND t.id % 50 = 0) OR (g.name = 'Größe' AND t.id = 5)
ORDER BY t.id, g.id;
INSERT INTO helpdesk.ticket_history (ticket_id, kind, detail, at)
SELECT g.ticket_id, 'tag_added', t.name, g.created_at FROM helpdesk.ticket_tags g JOIN helpdesk.tags t ON t.id = g.tag_id;
COMMIT;
ANALYZE helpdesk.customers, helpdesk.tickets, helpdesk.messages, helpdesk.orders, helpdesk.tags, helpdesk.ticket_tags;
