-- Mail to outlook.com and hotmail.com is refused since 6:00 UTC; it is 8:00 UTC on 10 September 2026.
INSERT INTO helpdesk.customers (id, external_id, name, email, phone, locale, time_zone) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@outlook.com', '+441632960001', 'en', 'Europe/London'),
  (2, 'c2', 'Böhm', 'Boehm@Hotmail.com', NULL, 'de', 'Europe/Berlin'),                  -- no telephone
  (3, 'c3', 'Chloé', 'chloe@example.org', '+33199000003', 'fr', 'Europe/Paris'),
  (4, 'c4', 'Diego', 'diego@example.org', '+34900000004', 'es', 'Europe/Madrid');
INSERT INTO helpdesk.orders (external_id, order_no, customer_id, state, placed_at) VALUES
  ('o1', '2001', 1, 'paid', '2026-09-10 06:30Z'),
  ('o2', '2002', 2, 'paid', '2026-09-10 07:00Z'),
  ('o3', '2003', 3, 'paid', '2026-09-10 07:00Z'),                                       -- another receiver
  ('o4', '2004', 1, 'cancelled', '2026-09-10 07:30Z'),
  ('o5', '2005', 1, 'paid', '2026-09-10 05:00Z');                                       -- before
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'Password reset does not come', 'new', 1, '2026-09-10 06:40Z'),             -- no-code
  (2, 't2', 'Hilfe', 'open', 2, '2026-09-10 07:00Z'),                                   -- no-code, in a message
  (3, 't3', 'No order confirmation', 'open', 1, '2026-09-10 07:05Z'),                   -- no-confirmation
  (4, 't4', 'Bestellbestätigung fehlt', 'open', 4, '2026-09-10 07:06Z'),                -- no-confirmation
  (5, 't5', 'Where is the shipping email', 'open', 4, '2026-09-10 07:10Z'),             -- no-tracking
  (6, 't6', 'Your mails are junk', 'open', 1, '2026-09-10 07:20Z'),                     -- at-receiver
  (7, 't7', 'Your mails are junk', 'open', 3, '2026-09-10 07:20Z'),                     -- another receiver
  (8, 't8', 'Wrong size', 'open', 1, '2026-09-10 07:30Z');                              -- something else
INSERT INTO helpdesk.messages (external_id, ticket_id, direction, body, created_at) VALUES
  ('m2', 2, 'in', E'Ich kann mein\nPasswort  zurücksetzen, aber der Code kommt nicht.', '2026-09-10 07:00Z');
