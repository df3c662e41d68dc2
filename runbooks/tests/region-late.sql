-- Snow: parcels into Germany and Austria are late; it is 4 December 2026, noon CET.
INSERT INTO helpdesk.customers (id, external_id, name, email, locale, time_zone, country) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@example.org', 'en', 'Europe/London', 'GB'),
  (2, 'c2', 'Böhm', 'boehm@example.org', 'de', 'Europe/Berlin', 'DE'),
  (3, 'c3', 'Gruber', 'gruber@example.org', 'de-AT', 'Europe/Vienna', 'AT');
INSERT INTO helpdesk.orders (external_id, order_no, customer_id, carrier, state, shipped_at, promised_at) VALUES
  ('o1', '5001', 2, 'dhl', 'in_transit', '2026-12-01 12:00+01', '2026-12-03 18:00+01'),    -- late
  ('o2', '5002', 3, 'ups', 'paid', NULL, '2026-12-05 18:00+01'),                           -- will be
  ('o3', '5003', 1, 'dhl', 'in_transit', '2026-12-01 12:00+01', '2026-12-03 18:00+01'),    -- another country
  ('o4', '5004', 2, 'dhl', 'paid', NULL, '2026-12-20 18:00+01'),                           -- in time
  ('o5', '5005', 2, 'dhl', 'in_transit', '2026-11-20 12:00+01', '2026-11-25 18:00+01');    -- before
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, order_no, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'Hallo', 'open', 2, '5001', '2026-12-04 08:00+01'),
  (2, 't2', 'Frage', 'new', 3, '5002', '2026-12-04 08:10+01'),
  (3, 't3', 'Wo bleibt die Lieferung?', 'open', 2, '5004', '2026-12-04 08:20+01'),
  (4, 't4', 'Where is my order?', 'open', 1, '5003', '2026-12-04 08:30+01'),
  (5, 't5', 'Rechnung', 'open', 2, NULL, '2026-12-04 08:40+01');
