-- The one description of the tickets that every helpdesk in these tests has. NAME/load.sql writes it into that
-- helpdesk's own tables, ids included, so that the same question has the same answer everywhere.
--
-- The question (selection.sql): open, created since 2026-08-29 08:00 UTC, not tagged incident:*, naming the
-- carrier "ups" as a word. psql variable: noise, how many tickets that are not meant are around them.
CREATE SCHEMA fixture;

CREATE TABLE fixture.customers (id int PRIMARY KEY, first_name text, last_name text, email text, phone text,
  locale text, country text);
INSERT INTO fixture.customers VALUES
  (501, 'Ada', 'Müller', 'ada@example.com', '+4930111', 'de', 'DE'),
  (502, 'Bob', 'O''Neil', 'bob@example.com', NULL, 'en', 'US'),
  (503, 'Chloé', 'Dupont', NULL, '+33144', 'fr', 'FR'),
  (504, 'Dan', '"; DROP TABLE users; --', 'dan@example.com', NULL, NULL, NULL);
INSERT INTO fixture.customers
  SELECT 600 + n, 'Noise', 'Customer ' || n, 'noise' || n || '@example.com', NULL, 'en', NULL FROM generate_series(1, 200) n;

-- state: open, pending, closed, merged. expected: why the selection takes the ticket (NULL: it must not).
CREATE TABLE fixture.tickets (id int PRIMARY KEY, customer int NOT NULL, state text NOT NULL, created_at timestamptz NOT NULL,
  subject text NOT NULL, order_no text, expected text);
INSERT INTO fixture.tickets VALUES
  (1001, 501, 'open', '2026-08-30 07:00Z', 'UPS lost my parcel', 'A-1001', 'subject'),
  (1002, 502, 'open', '2026-08-30 07:01Z', 'Where is it?', 'A-1002', 'first message, other case'),
  (1003, 501, 'open', '2026-08-30 07:02Z', 'Delivery', NULL, 'second message, from an agent'),
  (1004, 501, 'open', '2026-08-30 07:03Z', 'Sendung', NULL, 'the word is split by a soft line break in RT'),
  (1005, 503, 'open', '2026-08-30 07:04Z', 'Colis', NULL, 'marked up in HTML, base64 in RT'),
  (1006, 502, 'open', '2026-08-30 07:05Z', 'Link', NULL, NULL),
  (1007, 502, 'open', '2026-08-30 07:06Z', 'upstairs neighbour', NULL, NULL),
  (1008, 502, 'closed', '2026-08-30 07:07Z', 'UPS, solved', NULL, NULL),
  (1009, 502, 'open', '2026-07-01 07:00Z', 'UPS, old', NULL, NULL),
  (1010, 502, 'open', '2026-08-30 07:08Z', 'UPS, in another incident', NULL, NULL),
  (1011, 502, 'open', '2026-08-30 07:09Z', 'UPS, tagged by a person before', NULL, 'already tagged'),
  (1012, 502, 'open', '2026-08-30 07:10Z', 'UPS, of a good customer', NULL, 'another tag'),
  (1013, 502, 'open', '2026-08-30 07:11Z', 'Note', NULL, 'a note that customers do not see'),
  (1014, 502, 'pending', '2026-08-30 07:12Z', 'UPS, we wait for you', NULL, 'pending is open'),
  (1015, 502, 'merged', '2026-08-30 07:13Z', 'UPS, merged', NULL, NULL),
  (1016, 502, 'open', '2026-08-29 08:00Z', 'UPS, first second', NULL, 'the first second belongs to it'),
  (1017, 502, 'open', '2026-08-29 07:59:59Z', 'UPS, one second early', NULL, NULL),
  (1018, 504, 'open', '2026-08-30 07:14Z', E'UPS ''; DROP TABLE tickets; -- {{ params.x }} %s \\ $$ \U0001F4E6', NULL, 'hostile subject'),
  (1019, 504, 'open', '2026-08-30 07:15Z', 'Odd', NULL, 'hostile message'),
  (1020, 503, 'open', '2026-08-30 07:16Z', 'UPS, customer without address', NULL, 'no address');
INSERT INTO fixture.tickets
  SELECT 10000 + n, 601 + n % 200, CASE WHEN n % 3 = 0 THEN 'open' ELSE 'closed' END,
    '2026-08-30 08:00Z'::timestamptz - n * interval '11 minutes', 'Question ' || n, NULL, NULL
  FROM generate_series(1, :noise) n;

-- direction: in, out, note. encoding is RT's: '', quoted-printable, base64. plain is what is left where a
-- helpdesk takes the markup off before it stores a message.
CREATE TABLE fixture.messages (id int PRIMARY KEY, ticket int NOT NULL, direction text NOT NULL, html boolean NOT NULL,
  encoding text NOT NULL, body text NOT NULL,
  plain text GENERATED ALWAYS AS (CASE WHEN html THEN regexp_replace(replace(replace(regexp_replace(body, '<style>.*</style>', ''),
    '&nbsp;', ' '), '&amp;', '&'), '<[^>]*>', '', 'g') ELSE body END) STORED);
INSERT INTO fixture.messages VALUES
  (5001, 1001, 'in', false, '', 'It was promised for Monday.'),
  (5002, 1002, 'in', false, '', 'ups says it is on its way. Is it?'),
  (5003, 1003, 'in', false, '', 'Any news?'),
  (5004, 1003, 'out', false, '', 'We have asked UPS.'),
  (5005, 1004, 'in', false, 'quoted-printable', 'Für unsere Sendung heißt es seit Tagen nur noch dass sie irgendwo bei UPS liegt und niemand weiß, wo.'),
  (5006, 1005, 'in', true, 'base64', '<p>Où est mon colis ? <b>UPS</b>&nbsp;ne répond pas &amp; moi non plus.</p>'),
  (5007, 1006, 'in', true, '', '<p>See <a href="https://ups.example/track">this page</a>.</p><style>.ups { color: red }</style>'),
  (5008, 1007, 'in', false, '', 'Please ring upstairs, backups are there.'),
  (5009, 1008, 'in', false, '', 'UPS came.'),
  (5010, 1013, 'note', false, '', 'Third call about UPS today.'),
  (5011, 1019, 'in', false, '', E'100% "quoted" \\ $1 $$; %%Value%%ups\u200B UPS \U0001F69A'),
  (5012, 1018, 'in', false, '', 'x');
INSERT INTO fixture.messages
  SELECT 100000 + n * 10 + m, 10000 + n, CASE WHEN m = 1 THEN 'in' ELSE 'out' END, false, '',
    'Message ' || m || ' of ' || n || repeat(' about dhl and nothing else,', 20)
  FROM generate_series(1, :noise) n, generate_series(1, 3) m;

CREATE TABLE fixture.tags (ticket int NOT NULL, tag text NOT NULL, PRIMARY KEY (ticket, tag));
INSERT INTO fixture.tags VALUES (1010, 'incident:older'), (1011, 'carrier:ups'), (1012, 'vip'), (1011, 'vip');
INSERT INTO fixture.tags SELECT 10000 + n, 'vip' FROM generate_series(1, :noise) n WHERE n % 10 = 0;
