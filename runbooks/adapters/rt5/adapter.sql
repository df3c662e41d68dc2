-- Request Tracker 5 (and the schema of 6.0). Times are UTC without zone, whole seconds. RT has no tags: they
-- are values of a ticket custom field that takes several ("Enter multiple values", MaxValues 0), whose rows'
-- ids are the marks. Settings: tag_field, order_field (names of custom fields; order_field '' = none),
-- closed (statuses that count as closed, separated by commas: lifecycles are not in the database).
GRANT USAGE ON SCHEMA public TO mainstay_owner;
GRANT SELECT ON public.tickets, public.queues, public.groups, public.groupmembers, public.transactions,
  public.attachments, public.customfields, public.customfieldvalues, public.objectcustomfields,
  public.objectcustomfieldvalues TO mainstay_owner;
GRANT SELECT (id, name, emailaddress, realname, lang, timezone, country, mobilephone, workphone, homephone, created)
  ON public.users TO mainstay_owner;                    -- never password, authtoken
GRANT INSERT ON public.objectcustomfieldvalues, public.transactions, public.customfieldvalues TO mainstay_owner;
GRANT UPDATE (disabled, lastupdated, lastupdatedby) ON public.objectcustomfieldvalues TO mainstay_owner;
GRANT UPDATE (lastupdated, lastupdatedby) ON public.tickets TO mainstay_owner;
GRANT USAGE ON public.objectcustomfieldvalues_id_s, public.transactions_id_seq, public.customfieldvalues_id_seq
  TO mainstay_owner;
SET ROLE mainstay_owner;

CREATE FUNCTION mainstay.key(timestamptz) RETURNS timestamp IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
  $$ SELECT $1 AT TIME ZONE 'UTC' $$;

-- On PostgreSQL RT stores every body with a letter beyond ASCII as quoted-printable (attachments as base64):
-- searching the raw column misses words, for soft line breaks split them. Mails are hostile: bytes that are
-- no UTF-8 are read as Latin-1, what cannot be decoded at all stays as it is.
CREATE FUNCTION mainstay.body_text(p_content text, p_encoding text) RETURNS text
IMMUTABLE LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_bytes bytea;
BEGIN
  IF p_encoding = 'quoted-printable' THEN
    SELECT decode(string_agg(CASE WHEN m[1] ~ '^=[0-9A-Fa-f]{2}$' THEN substr(m[1], 2)
        ELSE encode(convert_to(m[1], 'UTF8'), 'hex') END, '' ORDER BY n), 'hex') INTO v_bytes
      FROM regexp_matches(regexp_replace(p_content, E'=[ \t]*\r?\n', '', 'g'), '=[0-9A-Fa-f]{2}|[^=]+|=', 'g')
        WITH ORDINALITY r (m, n);
  ELSIF p_encoding = 'base64' THEN
    v_bytes := decode(p_content, 'base64');
  ELSE
    RETURN p_content;
  END IF;
  BEGIN
    RETURN convert_from(v_bytes, 'UTF8');
  EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN convert_from(decode(replace(encode(v_bytes, 'escape'), '\000', ' '), 'escape'), 'LATIN1');
  END;
EXCEPTION WHEN data_exception THEN
  RETURN p_content;
END $$;

CREATE VIEW mainstay.customers AS
SELECT u.id, COALESCE(NULLIF(u.realname, ''), u.name)::text AS name, NULLIF(u.emailaddress, '')::text AS email,
  COALESCE(NULLIF(u.mobilephone, ''), NULLIF(u.workphone, ''), NULLIF(u.homephone, ''))::text AS phone,
  lower(NULLIF(u.lang, ''))::text AS locale, NULLIF(u.timezone, '')::text AS time_zone,
  NULLIF(u.country, '')::text AS country, false AS is_vip, u.created AT TIME ZONE 'UTC' AS created_at
FROM public.users u WHERE lower(u.name) NOT IN ('rt_system', 'nobody', 'root');

-- The first requestor is the customer. Merged tickets (effectiveid) and reminders (type) are not tickets.
CREATE VIEW mainstay.tickets AS
SELECT t.id, t.id::text AS ref, t.id::text AS api_ref, 0::bigint AS tenant, t.subject::text, t.status::text,
  t.status <> ALL (string_to_array(:'closed', ',')) AS is_open, t.priority::text, q.name::text AS queue,
  CASE WHEN lower(o.name) <> 'nobody' THEN COALESCE(NULLIF(o.realname, ''), o.name)::text END AS assignee,
  NULL::text AS channel, lower(NULLIF(r.lang, ''))::text AS locale, r.id AS customer_id,
  COALESCE(NULLIF(r.realname, ''), r.name)::text AS customer_name, NULLIF(r.emailaddress, '')::text AS customer_email,
  COALESCE(NULLIF(r.mobilephone, ''), NULLIF(r.workphone, ''), NULLIF(r.homephone, ''))::text AS customer_phone,
  (SELECT v.content FROM public.objectcustomfieldvalues v
    WHERE v.customfield = (SELECT f.id FROM public.customfields f WHERE f.name = :'order_field'
        AND f.lookuptype = 'RT::Queue-RT::Ticket' AND f.disabled = 0 ORDER BY f.id LIMIT 1)
      AND v.objecttype = 'RT::Ticket' AND v.objectid = t.id AND v.disabled = 0
    ORDER BY v.id DESC LIMIT 1)::text AS order_no,
  t.created AS created_key, t.lastupdated AS updated_key,
  t.created AT TIME ZONE 'UTC' AS created_at, t.lastupdated AT TIME ZONE 'UTC' AS updated_at
FROM public.tickets t
  JOIN public.queues q ON q.id = t.queue
  LEFT JOIN public.users o ON o.id = t.owner
  LEFT JOIN LATERAL (
    SELECT u.id, u.name, u.realname, u.emailaddress, u.lang, u.mobilephone, u.workphone, u.homephone
    FROM public.groups g JOIN public.groupmembers m ON m.groupid = g.id JOIN public.users u ON u.id = m.memberid
    WHERE g.instance = t.id AND lower(g.domain) = 'rt::ticket-role' AND lower(g.name) = 'requestor'
    ORDER BY m.id LIMIT 1) r ON true
WHERE t.type = 'ticket' AND t.effectiveid = t.id;

CREATE VIEW mainstay.messages AS
SELECT a.id, x.objectid AS ticket_id, x.created AS created_key,
  CASE WHEN x.type = 'Comment' THEN 'internal' WHEN EXISTS (
      SELECT 1 FROM public.groups g JOIN public.groupmembers m ON m.groupid = g.id
      WHERE g.instance = x.objectid AND lower(g.domain) = 'rt::ticket-role' AND lower(g.name) = 'requestor'
        AND m.memberid = x.creator) THEN 'in' ELSE 'out' END AS direction,
  x.type <> 'Comment' AS is_public, a.subject::text,
  CASE WHEN a.contenttype = 'text/html' THEN mainstay.plain_text(mainstay.body_text(a.content, a.contentencoding))
    ELSE mainstay.body_text(a.content, a.contentencoding) END AS body, a.contenttype::text AS content_type
FROM public.transactions x JOIN public.attachments a ON a.transactionid = x.id
WHERE x.objecttype = 'RT::Ticket' AND x.type IN ('Create', 'Correspond', 'Comment')
  AND a.contenttype IN ('text/plain', 'text/html') AND COALESCE(a.filename, '') = '';

CREATE VIEW mainstay.ticket_tags AS
SELECT v.objectid AS ticket_id, v.content::text AS tag, v.id::bigint AS mark
FROM public.objectcustomfieldvalues v
WHERE v.customfield = (SELECT f.id FROM public.customfields f WHERE f.name = :'tag_field'
    AND f.lookuptype = 'RT::Queue-RT::Ticket' AND f.disabled = 0 AND f.maxvalues = 0 ORDER BY f.id LIMIT 1)
  AND v.objecttype = 'RT::Ticket' AND v.disabled = 0;

CREATE FUNCTION mainstay.ticket_lock(p_ids bigint[]) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT id::bigint FROM public.tickets WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
$$;

CREATE FUNCTION mainstay.tag_field() RETURNS public.customfields
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_field public.customfields;
BEGIN
  SELECT * INTO v_field FROM public.customfields f WHERE f.name = :'tag_field'
    AND f.lookuptype = 'RT::Queue-RT::Ticket' AND f.disabled = 0 AND f.maxvalues = 0 ORDER BY f.id LIMIT 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'RT has no ticket custom field "%" that takes several values', :'tag_field'
      USING ERRCODE = 'undefined_object', HINT = 'Make one of type "Enter multiple values" and apply it to the queues.';
  END IF;
  RETURN v_field;
END $$;

-- The lines of history that RT writes, and the ticket touched. p_add: the values are new, else disabled.
CREATE FUNCTION mainstay.tag_history(p_field int, p_ids bigint[], p_values bigint[], p_add boolean, p_actor bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_now timestamp := date_trunc('second', now() AT TIME ZONE 'UTC');
BEGIN
  INSERT INTO public.transactions (objecttype, objectid, type, field, referencetype, newreference, oldreference,
      creator, created)
    SELECT 'RT::Ticket', w.id, 'CustomField', p_field::text, 'RT::ObjectCustomFieldValue',
      CASE WHEN p_add THEN w.value END, CASE WHEN NOT p_add THEN w.value END, p_actor, v_now
    FROM unnest(p_ids, p_values) w (id, value) ORDER BY w.id;
  UPDATE public.tickets SET lastupdated = v_now, lastupdatedby = p_actor WHERE id = ANY (p_ids);
END $$;

CREATE FUNCTION mainstay.tag_add(p_tag text, p_ids bigint[], p_actor bigint)
RETURNS TABLE (ticket_id bigint, mark bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_field public.customfields := mainstay.tag_field(); v_ids bigint[]; v_marks bigint[];
  v_now timestamp := date_trunc('second', now() AT TIME ZONE 'UTC');
BEGIN
  IF v_field.type = 'Select' AND NOT EXISTS (
      SELECT 1 FROM public.customfieldvalues WHERE customfield = v_field.id AND name = p_tag) THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('mainstay.customfieldvalues', 0));
    INSERT INTO public.customfieldvalues (customfield, name, sortorder, creator, created, lastupdatedby, lastupdated)
      SELECT v_field.id, p_tag, 0, p_actor, v_now, p_actor, v_now WHERE NOT EXISTS (
        SELECT 1 FROM public.customfieldvalues WHERE customfield = v_field.id AND name = p_tag);
  END IF;
  PERFORM 1 FROM public.tickets WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  -- Only where the field is applied: to every queue (objectid 0) or to the ticket's own.
  WITH added AS (
    INSERT INTO public.objectcustomfieldvalues (customfield, objecttype, objectid, content, contentencoding, disabled,
      creator, created, lastupdatedby, lastupdated)
    SELECT v_field.id, 'RT::Ticket', t.id, p_tag, '', 0, p_actor, v_now, p_actor, v_now
    FROM public.tickets t
    WHERE t.id = ANY (p_ids)
      AND EXISTS (SELECT 1 FROM public.objectcustomfields o WHERE o.customfield = v_field.id AND o.objectid IN (0, t.queue))
      AND NOT EXISTS (SELECT 1 FROM public.objectcustomfieldvalues v WHERE v.customfield = v_field.id
        AND v.objecttype = 'RT::Ticket' AND v.objectid = t.id AND v.content = p_tag AND v.disabled = 0 OFFSET 0)
    ORDER BY t.id RETURNING objectid, id)
  SELECT array_agg(objectid ORDER BY objectid), array_agg(id ORDER BY objectid) INTO v_ids, v_marks FROM added;
  PERFORM mainstay.tag_history(v_field.id, v_ids, v_marks, true, p_actor);
  RETURN QUERY SELECT * FROM unnest(v_ids, v_marks);
END $$;

-- RT never deletes a value: it is disabled, and setting it again makes another row.
CREATE FUNCTION mainstay.tag_remove(p_tag text, p_ids bigint[], p_marks bigint[], p_actor bigint) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_field public.customfields := mainstay.tag_field(); v_ids bigint[]; v_marks bigint[]; v_values bigint[];
  v_now timestamp := date_trunc('second', now() AT TIME ZONE 'UTC');
BEGIN
  PERFORM 1 FROM public.tickets WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  SELECT array_agg(x.id) INTO v_marks FROM unnest(p_ids, p_marks) w (id, mark), LATERAL (
      SELECT v.id FROM public.objectcustomfieldvalues v WHERE v.customfield = v_field.id
        AND v.objecttype = 'RT::Ticket' AND v.objectid = w.id AND v.content = p_tag AND v.disabled = 0 OFFSET 0) x
    WHERE p_marks IS NULL OR x.id = w.mark;
  WITH removed AS (
    UPDATE public.objectcustomfieldvalues SET disabled = 1, lastupdated = v_now, lastupdatedby = p_actor
    WHERE id = ANY (v_marks) AND disabled = 0 RETURNING objectid, id)
  SELECT array_agg(objectid ORDER BY objectid), array_agg(id ORDER BY objectid) INTO v_ids, v_values FROM removed;
  PERFORM mainstay.tag_history(v_field.id, v_ids, v_values, false, p_actor);
  RETURN QUERY SELECT DISTINCT unnest(v_ids);
END $$;

REVOKE ALL ON FUNCTION mainstay.key(timestamptz), mainstay.ticket_lock(bigint[]), mainstay.body_text(text, text),
  mainstay.tag_field(), mainstay.tag_history(int, bigint[], bigint[], boolean, bigint),
  mainstay.tag_add(text, bigint[], bigint), mainstay.tag_remove(text, bigint[], bigint[], bigint) FROM PUBLIC;
GRANT SELECT ON mainstay.tickets, mainstay.messages, mainstay.customers, mainstay.ticket_tags TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.key(timestamptz), mainstay.body_text(text, text) TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.ticket_lock(bigint[]), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) TO mainstay_runner;
RESET ROLE;
SELECT mainstay.offer_orders(:'orders_table');
