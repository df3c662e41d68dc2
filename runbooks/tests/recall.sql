-- Kettles of two lots, sold from February to April 2026. It is night: for safety there are no quiet hours.
INSERT INTO helpdesk.customers (id, external_id, name, email, phone, locale, time_zone) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@example.org', '+441632960001', 'en', 'Europe/London'),
  (2, 'c2', 'Böhm', 'boehm@example.org', NULL, 'de', 'Europe/Berlin'),
  (3, 'c3', 'Chloé', NULL, '+33199000003', 'fr', 'Europe/Paris'),
  (4, 'c4', 'Diego', 'diego@example.org', NULL, 'es', 'Europe/Madrid');
INSERT INTO helpdesk.orders (external_id, order_no, customer_id, state, skus, placed_at) VALUES
  ('o1', '6001', 1, 'delivered', '{K2-2411}', '2026-02-10 12:00Z'),
  ('o2', '6002', 1, 'delivered', '{CUP,K2-2412}', '2026-03-10 12:00Z'),
  ('o3', '6003', 2, 'returned', '{K2-2411}', '2026-04-10 12:00Z'),
  ('o4', '6004', 3, 'in_transit', '{K2-2412}', '2026-04-30 12:00Z'),
  ('o5', '6005', 4, 'delivered', '{K2-2411}', '2026-06-10 12:00Z'),          -- sold later: another lot
  ('o6', '6006', 4, 'cancelled', '{K2-2411}', '2026-03-10 12:00Z'),
  ('o7', '6007', 4, 'delivered', '{K2-2413}', '2026-03-10 12:00Z');
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'My son was burned', 'new', 1, '2026-08-30 12:00Z'),
  (2, 't2', 'Rechnung', 'open', 2, '2026-08-30 12:00Z'),
  (3, 't3', 'I burned the toast', 'open', 4, '2026-08-30 12:00Z'),           -- bought none of them
  (4, 't4', 'Old', 'closed', 1, '2026-03-30 12:00Z');
-- Nobody unsubscribes from safety; who is dead to mail is not written to by mail.
INSERT INTO mainstay.suppressions (customer_key, channel, reason) VALUES ('c:1', 'email', 'unsubscribed');
