-- Disputes since 1 November 2026; it is the 20th, 10:00 UTC.
INSERT INTO helpdesk.customers (id, external_id, name, email, locale, time_zone) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@example.org', 'en', 'Europe/London'),
  (2, 'c2', 'Böhm', 'boehm@example.org', 'de', 'Europe/Berlin'),
  (3, 'c3', 'Chloé', 'chloe@example.org', 'fr', 'Europe/Paris');
INSERT INTO helpdesk.orders (external_id, order_no, customer_id, state, promised_at, placed_at) VALUES
  ('o1', '7001', 3, 'in_transit', '2026-11-10 12:00Z', '2026-11-01 12:00Z'),     -- long overdue
  ('o2', '7002', 2, 'delivered', '2026-11-10 12:00Z', '2026-11-01 12:00Z');
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'I will ask my bank', 'open', 1, '2026-11-15 12:00Z'),
  (2, 't2', 'What is SHOP*EXAMPLE?', 'new', 1, '2026-11-16 12:00Z'),             -- literal, not a pattern
  (3, 't3', 'Unbekannte Abbuchung', 'open', 2, '2026-11-16 12:00Z'),
  (4, 't4', 'Colis pas reçu', 'open', 3, '2026-11-17 12:00Z'),
  (5, 't5', 'Nicht angekommen', 'open', 2, '2026-11-17 12:00Z'),                 -- was delivered
  (6, 't6', 'SHOPPEXAMPLE', 'open', 2, '2026-11-17 12:00Z');
