-- The checkout fails since 9:00 CET on 27 November 2026; it is 9:40.
INSERT INTO helpdesk.customers (id, external_id, name, email, locale, time_zone) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@example.org', 'en', 'Europe/London'),
  (2, 'c2', 'Böhm', 'boehm@example.org', 'de', 'Europe/Berlin'),
  (3, 'c3', 'Chloé', 'chloe@example.org', 'fr', 'Europe/Paris');
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'I was charged at the checkout, no order', 'new', 1, '2026-11-27 09:05+01'),   -- charged comes first
  (2, 't2', 'Geld abgebucht', 'new', 2, '2026-11-27 09:10+01'),
  (3, 't3', 'Mon panier est vide', 'open', 3, '2026-11-27 09:15+01'),                      -- could-not-buy
  (4, 't4', 'Hilfe', 'open', 2, '2026-11-27 09:20+01'),                                    -- could-not-buy, in a message
  (5, 't5', 'Cannot log in', 'open', 1, '2026-11-27 09:25+01'),                            -- account
  (6, 't6', 'error 500', 'open', 3, '2026-11-27 09:30+01'),                                -- site
  (7, 't7', 'Discharged battery', 'open', 1, '2026-11-27 09:31+01'),                       -- another word
  (8, 't8', 'I was charged', 'closed', 1, '2026-11-27 09:10+01'),
  (9, 't9', 'I was charged twice', 'open', 3, '2026-11-27 06:00+01');                      -- before
INSERT INTO helpdesk.messages (external_id, ticket_id, direction, body, created_at) VALUES
  ('m4', 4, 'in', 'An der Kasse passiert nichts.', '2026-11-27 09:20+01');
