-- Learned of on 3 May 2026, 9:00 UTC.
INSERT INTO helpdesk.customers (id, external_id, name, email, locale, time_zone, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 'c1', 'Ada', 'ada@example.org', 'en', 'Europe/London', '2025-01-01Z'),
  (2, 'c2', 'Böhm', NULL, 'de', 'Europe/Berlin', '2025-01-01Z'),             -- has to be told by post
  (3, 'c3', 'Chloé', 'chloe@example.org', 'fr', 'Europe/Paris', '2025-01-01Z'),
  (4, 'c4', 'Diego', 'diego@example.org', 'es', 'Europe/Madrid', '2026-05-04Z');   -- came later
INSERT INTO helpdesk.tickets (id, external_id, subject, status, customer_id, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 't1', 'Was I hacked?', 'new', 1, '2026-05-03 12:00Z'),
  (2, 't2', 'Auskunft nach DSGVO', 'open', 2, '2026-05-03 12:00Z'),
  (3, 't3', 'Wrong size', 'open', 1, '2026-05-03 12:00Z'),
  (4, 't4', 'Mot de passe', 'open', 3, '2026-05-03 12:00Z'),
  (5, 't5', 'Hackeado', 'open', 4, '2026-05-04 08:00Z');
