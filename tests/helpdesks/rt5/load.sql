-- Into the schema that rt-setup-database made. Users and groups are principals too, with the same ids.
INSERT INTO principals (id, principaltype, disabled) SELECT id, 'User', 0 FROM fixture.customers UNION ALL SELECT 400, 'User', 0;
INSERT INTO users (id, name, realname, password, created) VALUES (400, 'mainstay', 'Mainstay Bot', 'secret', '2026-01-01');
INSERT INTO users (id, name, realname, emailaddress, mobilephone, lang, country, password, created)
  SELECT id, 'c' || id, concat_ws(' ', first_name, last_name), email, phone, locale, country, 'secret', '2026-01-01' FROM fixture.customers;
INSERT INTO tickets (id, effectiveid, ismerged, queue, type, owner, subject, status, lastupdatedby, lastupdated, creator, created)
  SELECT id, CASE state WHEN 'merged' THEN 1001 ELSE id END, CASE state WHEN 'merged' THEN 1 END, 1, 'ticket', 6, subject,
    CASE state WHEN 'open' THEN 'open' WHEN 'pending' THEN 'stalled' WHEN 'merged' THEN 'open' ELSE 'resolved' END,
    1, created_at AT TIME ZONE 'UTC', customer, created_at AT TIME ZONE 'UTC'
  FROM fixture.tickets;
INSERT INTO principals (id, principaltype, disabled) SELECT 1000000 + id, 'Group', 0 FROM fixture.tickets;
INSERT INTO groups (id, name, domain, instance, created) SELECT 1000000 + id, 'Requestor', 'RT::Ticket-Role', id, '2026-01-01' FROM fixture.tickets;
INSERT INTO groupmembers (groupid, memberid) SELECT 1000000 + id, customer FROM fixture.tickets;
INSERT INTO cachedgroupmembers (groupid, memberid, via, immediateparentid, disabled)
  SELECT 1000000 + id, customer, 0, 1000000 + id, 0 FROM fixture.tickets;
INSERT INTO transactions (id, objecttype, objectid, type, creator, created)
  SELECT m.id, 'RT::Ticket', m.ticket,
    CASE WHEN m.direction = 'note' THEN 'Comment' WHEN m.id = min(m.id) OVER (PARTITION BY m.ticket) THEN 'Create' ELSE 'Correspond' END,
    CASE m.direction WHEN 'in' THEN t.customer ELSE 400 END, t.created_at AT TIME ZONE 'UTC'
  FROM fixture.messages m JOIN fixture.tickets t ON t.id = m.ticket;

-- As RT's mail gateway encodes: bytes beyond ASCII and "=" as =XX, lines of at most 75 characters.
CREATE FUNCTION fixture.quoted_printable(p_text text) RETURNS text LANGUAGE sql AS $$
  SELECT regexp_replace(string_agg(CASE WHEN b BETWEEN 32 AND 126 AND b <> 61 THEN chr(b) ELSE '=' || upper(lpad(to_hex(b), 2, '0')) END, '' ORDER BY n),
    '((?:=[0-9A-F]{2}|[^=]){73})(?=.)', E'\\1=\n', 'g')
  FROM (SELECT n, get_byte(convert_to(p_text, 'UTF8'), n) b FROM generate_series(0, octet_length(convert_to(p_text, 'UTF8')) - 1) n) x $$;
INSERT INTO attachments (transactionid, subject, contenttype, contentencoding, content, creator, created)
  SELECT m.id, t.subject, CASE WHEN m.html THEN 'text/html' ELSE 'text/plain' END, NULLIF(m.encoding, ''),
    CASE m.encoding WHEN 'quoted-printable' THEN fixture.quoted_printable(m.body)
      WHEN 'base64' THEN encode(convert_to(m.body, 'UTF8'), 'base64') ELSE m.body END, 1, t.created_at AT TIME ZONE 'UTC'
  FROM fixture.messages m JOIN fixture.tickets t ON t.id = m.ticket;
INSERT INTO customfields (id, name, type, maxvalues, lookuptype, description, created, lastupdated) VALUES
  (50, 'Tags', 'Freeform', 0, 'RT::Queue-RT::Ticket', '', '2026-01-01', '2026-01-01'),
  (51, 'Order', 'Freeform', 1, 'RT::Queue-RT::Ticket', '', '2026-01-01', '2026-01-01');
INSERT INTO objectcustomfields (customfield, objectid, created, lastupdated)
  VALUES (50, 0, '2026-01-01', '2026-01-01'), (51, 0, '2026-01-01', '2026-01-01');
INSERT INTO objectcustomfieldvalues (customfield, objecttype, objectid, content, contentencoding, creator, created, lastupdatedby, lastupdated)
  SELECT 50, 'RT::Ticket', ticket, tag, '', 1, '2026-01-01'::timestamp, 1, '2026-01-01'::timestamp FROM fixture.tags
  UNION ALL SELECT 51, 'RT::Ticket', id, order_no, '', 1, '2026-01-01', 1, '2026-01-01' FROM fixture.tickets WHERE order_no IS NOT NULL;
