-- Kettles were sold that are not there; it is 20 November 2026, 10:00 UTC.
INSERT INTO helpdesk.customers (id, external_id, name, email, locale, time_zone) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@example.org', 'en', 'Europe/London'),
  (2, 'c2', 'Böhm', 'boehm@example.org', 'de', 'Europe/Berlin'),
  (3, 'c3', 'Chloé', 'chloe@example.org', 'fr', 'Europe/Paris');
INSERT INTO helpdesk.orders (external_id, order_no, customer_id, state, skus, placed_at) VALUES
  ('o1', '4001', 1, 'paid', '{KETTLE-BLUE}', '2026-11-10 12:00Z'),
  ('o2', '4002', 1, 'labelled', '{CUP,KETTLE-RED}', '2026-11-11 12:00Z'),
  ('o3', '4003', 2, 'paid', '{KETTLE-BLUE}', '2026-11-12 12:00Z'),
  ('o4', '4004', 3, 'in_transit', '{KETTLE-BLUE}', '2026-11-12 12:00Z'),     -- has it already
  ('o5', '4005', 3, 'paid', '{KETTLE}', '2026-11-12 12:00Z'),                -- another one
  ('o6', '4006', 3, 'paid', '{KETTLE-BLUE}', '2026-10-12 12:00Z');           -- long before
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, order_no, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'When does it come?', 'open', 1, '4001', '2026-11-18 12:00Z'),
  (2, 't2', 'Wann?', 'open', 2, '4003', '2026-11-18 12:00Z'),
  (3, 't3', 'Do you have the Blue  Kettle?', 'new', 3, NULL, '2026-11-19 12:00Z'),
  (4, 't4', 'It is here, thanks', 'open', 3, '4004', '2026-11-19 12:00Z');
