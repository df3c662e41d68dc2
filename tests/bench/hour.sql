-- An hour at the helpdesk: psql -v tickets=800000 -v work=600 -f hour.sql
--
-- `work` new tickets with their messages, replies to recent ones, status changes on recent tickets
-- and a few old ones, tags anywhere.
\set ON_ERROR_STOP 1
\set QUIET 1
SET search_path = helpdesk;
SELECT max(id) AS last_ticket FROM tickets \gset
SELECT max(id) AS last_message FROM messages \gset

INSERT INTO tickets
SELECT :last_ticket + n, t.customer_id, t.order_id, t.channel, t.subject, 'new', 'normal', NULL, now(), now()
FROM generate_series(1, :work) AS n JOIN tickets AS t ON t.id = 1 + pick(n, 11, :tickets);
INSERT INTO messages
SELECT :last_message + n, :last_ticket - 5000 + pick(n, 12, 5000 + :work), 'customer',
       md5(n::text) || ' ' || m.body, now()
FROM generate_series(1, :work * 5 / 2) AS n JOIN messages AS m ON m.id = 4 + pick(n, 13, :tickets * 4);
UPDATE tickets SET status = 'open', updated_at = now()
WHERE id IN (SELECT :tickets - pick(n, 14, :tickets / 20) FROM generate_series(1, :work * 5 / 2) AS n);
UPDATE tickets SET status = 'closed', updated_at = now()
WHERE id IN (SELECT 1 + pick(n, 15, :tickets) FROM generate_series(1, :work / 2) AS n);
INSERT INTO ticket_tags
SELECT 1 + pick(n, 16, :tickets), 1 + n % 12, now() FROM generate_series(1, :work * 5 / 2) AS n
ON CONFLICT DO NOTHING;
CHECKPOINT;
