-- A helpdesk's database, made up but of realistic shape: psql -v tickets=60000 -f helpdesk.sql
--
-- Everything follows from the ticket's number, so two runs give the same rows. Four messages for
-- each ticket; a message is a paragraph from a pool, names and numbers of its own, and a signature
-- block that does not compress, which together compress about 5:1 as real mail does.
\set ON_ERROR_STOP 1
\set QUIET 1
SET synchronous_commit = off;
CREATE SCHEMA helpdesk;
SET search_path = helpdesk;

CREATE TABLE customers (
    id bigint PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    phone text,
    locale text NOT NULL,
    created_at timestamptz NOT NULL);
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    number text NOT NULL,
    customer_id bigint NOT NULL,
    carrier text NOT NULL,
    tracking text NOT NULL,
    total_cents int NOT NULL,
    placed_at timestamptz NOT NULL);
CREATE TABLE tickets (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    order_id bigint,
    channel text NOT NULL,
    subject text NOT NULL,
    status text NOT NULL,
    priority text NOT NULL,
    assignee_id int,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL);
CREATE TABLE messages (
    id bigint PRIMARY KEY,
    ticket_id bigint NOT NULL,
    author text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL);
CREATE TABLE tags (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE ticket_tags (
    ticket_id bigint NOT NULL,
    tag_id int NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (ticket_id, tag_id));

-- An even, repeatable spread of i over 0..n-1; salt makes independent ones.
CREATE FUNCTION pick(i bigint, salt int, n bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS
    $$ SELECT (hashint8extended(i, salt) & 9007199254740991) % n $$;

CREATE TEMP TABLE word AS
SELECT row_number() OVER () - 1 AS i, w
FROM regexp_split_to_table(
    'hello thanks please sorry order parcel package carrier tracking number delivery delayed late
     missing lost damaged wrong size colour return refund exchange label invoice receipt card payment
     declined charged twice discount code expired account password login email address changed moved
     cancel subscription renewal gift voucher stock again when where still waiting since monday
     tuesday friday weekend morning evening hours days weeks neighbour porch depot customs duty
     courier driver signature photo attached broken screen cable lamp chair jacket shoes shirt small
     medium large blue black green warranty replacement repair manual setup app page error button
     website checkout basket the a we you I it is was has been not never already would could like
     to from for with without before after and but because your my our this that they said reply
     support team agent kind regards best contacted answered promised urgent today tomorrow',
    '\s+') AS w;
CREATE TEMP TABLE paragraph AS
SELECT p, string_agg(w, ' ' ORDER BY position) AS text
FROM generate_series(0, 399) AS p,
     generate_series(1, 30 + pick(p, 1, 90)::int) AS position,
     LATERAL (SELECT w FROM word WHERE i = pick(p * 1000 + position, 2, (SELECT count(*) FROM word))) AS chosen
GROUP BY p;
CREATE UNIQUE INDEX ON paragraph (p);
ANALYZE paragraph;

INSERT INTO customers
SELECT i, 'customer' || i || '@example.com', 'Customer ' || md5(i::text),
       '+1555' || lpad(i::text, 7, '0'), (ARRAY['en', 'en', 'fr', 'de', 'es'])[1 + i % 5],
       timestamptz '2024-01-01 UTC' + i * interval '1 minute'
FROM generate_series(1, :tickets / 3) AS i;

INSERT INTO orders
SELECT i, '#' || 100000 + i, 1 + pick(i, 3, :tickets / 3), (ARRAY['UPS', 'FedEx', 'USPS', 'DHL'])[1 + i % 4],
       '1Z' || upper(md5(i::text)), 500 + pick(i, 4, 20000), timestamptz '2024-02-01 UTC' + i * interval '50 s'
FROM generate_series(1, :tickets) AS i;

INSERT INTO tickets
SELECT i, 1 + pick(i, 3, :tickets / 3), i, (ARRAY['email', 'chat', 'phone', 'form'])[1 + i % 4],
       initcap(left(p.text, 50)),
       CASE WHEN i > :tickets * 0.97 THEN (ARRAY['new', 'open', 'pending'])[1 + i % 3] ELSE 'closed' END,
       (ARRAY['low', 'normal', 'normal', 'high', 'urgent'])[1 + i % 5], pick(i, 5, 40),
       timestamptz '2024-02-02 UTC' + i * interval '50 s', timestamptz '2024-02-04 UTC' + i * interval '50 s'
FROM generate_series(1, :tickets) AS i JOIN paragraph AS p ON p.p = pick(i, 6, 400);

INSERT INTO messages
SELECT i * 4 + n, i, CASE n % 2 WHEN 0 THEN 'customer' ELSE 'agent ' || i % 40 END,
       E'Order #' || 100000 + i || ', case ' || substr(md5((i * 4 + n)::text), 1, 12) || E'\n\n' || p.text || E'\n--\n'
           || encode(sha256((i * 4 + n)::text::bytea), 'base64')
           || CASE n WHEN 0 THEN '' ELSE E'\n\nYou wrote:\n> ' || before.text END,
       timestamptz '2024-02-02 UTC' + i * interval '50 s' + n * interval '9 hours'
FROM generate_series(1, :tickets) AS i, generate_series(0, 3) AS n, paragraph AS p, paragraph AS before
WHERE p.p = pick(i * 4 + n, 7, 400) AND before.p = pick(i * 4 + n - 1, 7, 400);

INSERT INTO tags
SELECT i, t FROM unnest(ARRAY['vip', 'wholesale', 'returning', 'refund', 'where-is-my-order', 'damaged',
    'promotion', 'subscription', 'bug', 'escalated', 'ups', 'fedex']) WITH ORDINALITY AS x(t, i);
INSERT INTO ticket_tags
SELECT i, 1 + i % 12, timestamptz '2024-02-05 UTC' + i * interval '50 s'
FROM generate_series(1, :tickets) AS i WHERE i % 3 = 0;

CREATE INDEX orders_number ON orders (number);
CREATE INDEX tickets_queue ON tickets (status, updated_at);
CREATE INDEX tickets_customer ON tickets (customer_id);
CREATE INDEX messages_ticket ON messages (ticket_id);
CREATE INDEX messages_created ON messages (created_at);
CREATE INDEX ticket_tags_tag ON ticket_tags (tag_id);
VACUUM ANALYZE;
CHECKPOINT;
