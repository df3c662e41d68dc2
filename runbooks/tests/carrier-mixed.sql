-- Two carriers in trouble, one much more than the other; at 10:00 CEST on 30 August 2026.
INSERT INTO helpdesk.customers (id, external_id, name, email, phone, locale, time_zone) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@example.org', NULL, 'en', 'Europe/London'),
  (2, 'c2', 'Böhm', 'boehm@example.org', NULL, 'de-AT', 'Europe/Vienna'),
  (3, 'c3', 'Chloé', NULL, NULL, 'fr', 'Europe/Paris'),
  (4, 'c4', 'Diego', 'diego@example.org', NULL, 'es', 'Europe/Madrid'),
  (5, 'c5', 'Erin', 'erin@example.org', NULL, 'en', 'Europe/London');
INSERT INTO helpdesk.orders (external_id, order_no, customer_id, carrier, state, label_state, shipped_at, last_scan_at, promised_at) VALUES
  ('o1', '1001', 1, 'ups', 'paid', 'failed', NULL, NULL, '2026-08-31 12:00+02'),
  ('o2', '1002', 1, 'ups', 'labelled', 'created', NULL, NULL, '2026-08-31 18:00+02'),     -- the same customer: one notice
  ('o3', '1003', 2, 'ups', 'in_transit', 'created', '2026-08-27 09:00+02', '2026-08-28 09:00+02', '2026-08-30 18:00+02'),
  ('o4', '1004', 3, 'ups', 'paid', 'failed', NULL, NULL, '2026-08-31 12:00+02'),          -- nobody can be reached
  ('o5', '1005', 4, 'ups', 'delivered', 'created', '2026-08-26 09:00+02', '2026-08-28 09:00+02', '2026-08-28 18:00+02'),
  ('o6', '1006', 4, 'ups', 'in_transit', 'created', '2026-08-29 09:00+02', '2026-08-30 08:00+02', '2026-09-20 12:00+02'),
  ('o7', '1007', 5, 'fedex', 'paid', 'failed', NULL, NULL, '2026-08-31 12:00+02');
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, order_no, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'Where is my order?', 'open', 1, '1001', '2026-08-30 08:30+02'),              -- no-label
  (2, 't2', 'Wo ist mein Paket?', 'new', 2, '1003', '2026-08-30 08:40+02'),               -- no-scan
  (3, 't3', 'Ma commande', 'open', 3, '1004', '2026-08-30 09:00+02'),                     -- no-label
  (4, 't4', 'UPS says nothing', 'pending', 4, '1006', '2026-08-30 09:10+02'),             -- mentioned, in the subject
  (5, 't5', 'Question', 'open', 5, NULL, '2026-08-30 09:20+02'),                          -- mentioned, in a message
  (6, 't6', 'Where is my order?', 'solved', 1, '1001', '2026-08-30 08:30+02'),            -- closed
  (7, 't7', 'Where is my order?', 'open', 1, '1001', '2026-08-20 08:30+02'),              -- long before
  (8, 't8', 'UPS lost it', 'open', 4, NULL, '2026-08-30 09:30+02'),                       -- another incident has it
  (9, 't9', 'My label failed', 'open', 5, '1007', '2026-08-30 09:30+02'),                 -- the other carrier
  (10, 't10', 'What is upsetting me', 'open', 5, NULL, '2026-08-30 09:40+02');            -- not a word of its own
INSERT INTO helpdesk.messages (external_id, ticket_id, direction, body, created_at) VALUES
  ('m5', 5, 'in', 'My neighbour says (ups) is on strike.', '2026-08-30 09:20+02');
INSERT INTO helpdesk.tags (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'incident:checkout-outage');
INSERT INTO helpdesk.ticket_tags (ticket_id, tag_id) VALUES (8, 1);
