-- The day after Black Friday 2026, noon UTC.
INSERT INTO helpdesk.customers (id, external_id, name, email, locale, time_zone, is_vip) OVERRIDING SYSTEM VALUE
  SELECT i, 'c' || i, 'Customer ' || i, 'c' || i || '@example.org', (ARRAY['en', 'de', 'fr', 'es'])[1 + i % 4], 'Europe/Paris', i = 2
  FROM generate_series(1, 22) i;
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'Falsche Adresse!', 'new', 1, '2026-11-27 12:00Z'),            -- urgent
  (2, 't2', 'Hello', 'new', 2, '2026-11-27 12:01Z'),                       -- vip
  (3, 't3', 'Hello?', 'new', 3, '2026-11-27 12:02Z'),                      -- other
  (4, 't4', 'Hello??', 'new', 3, '2026-11-27 12:03Z'),                     -- again
  (5, 't5', 'Où est ma commande', 'open', 4, '2026-11-27 12:04Z'),         -- where-is-it
  (6, 't6', 'Solved', 'solved', 5, '2026-11-27 12:05Z'),
  (7, 't7', 'Old', 'open', NULL, '2026-11-26 12:05Z'),
  (8, 't8', 'Hello', 'open', NULL, '2026-11-27 12:05Z');                   -- nobody's: no notice
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, created_at) OVERRIDING SYSTEM VALUE
  SELECT 100 + i, 'm' || i, 'Question ' || i, 'new', i, '2026-11-27 13:00Z' FROM generate_series(5, 22) i;
