-- PayPal takes money twice since noon UTC on 5 October 2026; it is 13:00.
INSERT INTO helpdesk.customers (id, external_id, name, email, locale, time_zone) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@example.org', 'en', 'Europe/London'),
  (2, 'c2', 'Böhm', 'boehm@example.org', 'de', 'Europe/Berlin'),
  (3, 'c3', 'Chloé', 'chloe@example.org', 'fr', 'Europe/Paris');
INSERT INTO helpdesk.orders (external_id, order_no, customer_id, state, total_cents, currency, placed_at) VALUES
  ('o1', '3001', 1, 'paid', 4990, 'EUR', '2026-10-05 12:10Z'),
  ('o2', '3002', 1, 'paid', 4990, 'EUR', '2026-10-05 12:12Z'),     -- doubled
  ('o3', '3003', 2, 'paid', 4990, 'EUR', '2026-10-05 12:10Z'),
  ('o4', '3004', 2, 'paid', 4990, 'USD', '2026-10-05 12:12Z'),     -- another currency
  ('o5', '3005', 3, 'paid', 1000, 'EUR', '2026-10-05 12:05Z'),
  ('o6', '3006', 3, 'cancelled', 1000, 'EUR', '2026-10-05 12:06Z'),
  ('o7', '3007', 3, 'paid', 1000, 'EUR', '2026-10-05 12:59Z');     -- much later
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'Charged twice by PayPal', 'new', 1, '2026-10-05 12:20Z'),
  (2, 't2', 'Doppelt abgebucht!', 'open', 2, '2026-10-05 12:21Z'),
  (3, 't3', 'Paiement en attente', 'open', 3, '2026-10-05 12:22Z'),
  (4, 't4', 'Card declined', 'open', 1, '2026-10-05 12:23Z'),
  (5, 't5', 'Pago rechazado', 'open', NULL, '2026-10-05 12:24Z'),
  (6, 't6', 'paypal?', 'open', 3, '2026-10-05 12:25Z'),
  (7, 't7', 'Size exchange', 'open', 3, '2026-10-05 12:26Z');
