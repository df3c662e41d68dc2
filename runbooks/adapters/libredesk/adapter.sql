-- Libredesk 2.2 and later (statuses with a category). Tags are rows of `conversation_tags`, whose id is the
-- mark. Setting: order_attribute, the custom attribute of conversation or contact with the order number.
GRANT USAGE ON SCHEMA public TO mainstay_owner;
GRANT SELECT ON public.conversations, public.conversation_statuses, public.conversation_priorities,
  public.conversation_messages, public.conversation_tags, public.tags, public.inboxes, public.teams TO mainstay_owner;
GRANT SELECT (id, type, created_at, first_name, last_name, email, phone_number_country_code, phone_number, country,
  custom_attributes) ON public.users TO mainstay_owner;  -- never password, api_key, api_secret
GRANT INSERT ON public.tags, public.conversation_tags, public.conversation_messages TO mainstay_owner;
GRANT DELETE ON public.conversation_tags TO mainstay_owner;
GRANT UPDATE (updated_at, last_message, last_message_sender, last_message_sender_id, last_message_at)
  ON public.conversations TO mainstay_owner;
GRANT USAGE ON public.tags_id_seq, public.conversation_tags_id_seq, public.conversation_messages_id_seq
  TO mainstay_owner;
SET ROLE mainstay_owner;

CREATE FUNCTION mainstay.key(timestamptz) RETURNS timestamptz IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
  $$ SELECT $1 $$;

CREATE VIEW mainstay.customers AS
SELECT k.id, NULLIF(btrim(concat_ws(' ', k.first_name, k.last_name)), '') AS name, NULLIF(k.email, '') AS email,
  CASE WHEN k.phone_number <> '' THEN concat(k.phone_number_country_code, k.phone_number) END AS phone,
  NULL::text AS locale, NULL::text AS time_zone, NULLIF(k.country, '') AS country, false AS is_vip, k.created_at
FROM public.users k WHERE k.type IN ('contact', 'visitor');

CREATE VIEW mainstay.tickets AS
SELECT c.id, c.reference_number AS ref, c.uuid::text AS api_ref, 0::bigint AS tenant, c.subject,
  s.name AS status, s.category <> 'resolved' AS is_open, p.name AS priority, t.name AS queue,
  NULLIF(btrim(concat_ws(' ', a.first_name, a.last_name)), '') AS assignee, i.channel::text AS channel,
  NULL::text AS locale, c.contact_id AS customer_id,
  NULLIF(btrim(concat_ws(' ', k.first_name, k.last_name)), '') AS customer_name,
  NULLIF(k.email, '') AS customer_email,
  CASE WHEN k.phone_number <> '' THEN concat(k.phone_number_country_code, k.phone_number) END AS customer_phone,
  COALESCE(c.custom_attributes ->> :'order_attribute', k.custom_attributes ->> :'order_attribute') AS order_no,
  c.created_at AS created_key, c.updated_at AS updated_key, c.created_at, c.updated_at
FROM public.conversations c
  JOIN public.conversation_statuses s ON s.id = c.status_id
  JOIN public.inboxes i ON i.id = c.inbox_id
  JOIN public.users k ON k.id = c.contact_id
  LEFT JOIN public.conversation_priorities p ON p.id = c.priority_id
  LEFT JOIN public.teams t ON t.id = c.assigned_team_id
  LEFT JOIN public.users a ON a.id = c.assigned_user_id;

CREATE VIEW mainstay.messages AS
SELECT m.id, m.conversation_id AS ticket_id, m.created_at AS created_key,
  CASE WHEN m.type = 'activity' THEN 'system' WHEN m.private THEN 'internal' WHEN m.type = 'incoming' THEN 'in'
    ELSE 'out' END AS direction,
  NOT m.private AND m.type <> 'activity' AS is_public, NULL::text AS subject, m.text_content AS body,
  'text/plain'::text AS content_type
FROM public.conversation_messages m;

CREATE VIEW mainstay.ticket_tags AS
SELECT g.conversation_id AS ticket_id, t.name AS tag, g.id AS mark
FROM public.conversation_tags g JOIN public.tags t ON t.id = g.tag_id;

CREATE FUNCTION mainstay.ticket_lock(p_ids bigint[]) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT id FROM public.conversations WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
$$;

-- As Libredesk does it: a private line of activity, which is the conversation's last message (but not its
-- last interaction). Status "sent": nothing here is ever picked up for sending.
CREATE FUNCTION mainstay.tag_note(p_ids bigint[], p_verb text, p_tag text, p_actor bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_line text;
BEGIN
  SELECT concat_ws(' ', NULLIF(btrim(concat_ws(' ', first_name, last_name)), ''), p_verb, 'tag', p_tag) INTO v_line
    FROM public.users WHERE id = p_actor;
  INSERT INTO public.conversation_messages (type, status, private, conversation_id, content_type, content,
      text_content, sender_id, sender_type, meta)
    SELECT 'activity', 'sent', true, x, 'text', v_line, v_line, p_actor, 'agent',
      jsonb_build_object('activity_type', 'tag_' || p_verb)
    FROM unnest(p_ids) x ORDER BY x;
  UPDATE public.conversations SET updated_at = now(), last_message = v_line, last_message_sender = 'agent',
      last_message_sender_id = p_actor, last_message_at = now()
    WHERE id = ANY (p_ids);
END $$;

CREATE FUNCTION mainstay.tag_add(p_tag text, p_ids bigint[], p_actor bigint)
RETURNS TABLE (ticket_id bigint, mark bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE v_ids bigint[]; v_marks bigint[];
BEGIN
  INSERT INTO public.tags (name) SELECT p_tag
    WHERE NOT EXISTS (SELECT 1 FROM public.tags WHERE name = p_tag) ON CONFLICT (name) DO NOTHING;
  PERFORM 1 FROM public.conversations WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  WITH added AS (
    INSERT INTO public.conversation_tags (conversation_id, tag_id)
    SELECT c.id, t.id FROM public.conversations c, public.tags t
    WHERE c.id = ANY (p_ids) AND t.name = p_tag ORDER BY c.id
    ON CONFLICT (conversation_id, tag_id) DO NOTHING RETURNING conversation_id, id)
  SELECT array_agg(conversation_id ORDER BY conversation_id), array_agg(id ORDER BY conversation_id)
    INTO v_ids, v_marks FROM added;
  PERFORM mainstay.tag_note(v_ids, 'added', p_tag, p_actor);
  RETURN QUERY SELECT * FROM unnest(v_ids, v_marks);
END $$;

CREATE FUNCTION mainstay.tag_remove(p_tag text, p_ids bigint[], p_marks bigint[], p_actor bigint) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_ids bigint[]; v_marks bigint[];
BEGIN
  PERFORM 1 FROM public.conversations WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  SELECT array_agg(x.id) INTO v_marks FROM unnest(p_ids, p_marks) w (id, mark), LATERAL (
      SELECT g.id FROM public.conversation_tags g JOIN public.tags t ON t.id = g.tag_id
      WHERE g.conversation_id = w.id AND t.name = p_tag OFFSET 0) x
    WHERE p_marks IS NULL OR x.id = w.mark;
  WITH removed AS (DELETE FROM public.conversation_tags WHERE id = ANY (v_marks) RETURNING conversation_id)
  SELECT array_agg(DISTINCT conversation_id) INTO v_ids FROM removed;
  PERFORM mainstay.tag_note(v_ids, 'removed', p_tag, p_actor);
  RETURN QUERY SELECT unnest(v_ids);
END $$;

REVOKE ALL ON FUNCTION mainstay.key(timestamptz), mainstay.ticket_lock(bigint[]),
  mainstay.tag_note(bigint[], text, text, bigint), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) FROM PUBLIC;
GRANT SELECT ON mainstay.tickets, mainstay.messages, mainstay.customers, mainstay.ticket_tags TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.key(timestamptz) TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.ticket_lock(bigint[]), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) TO mainstay_runner;
RESET ROLE;
SELECT mainstay.offer_orders(:'orders_table');
