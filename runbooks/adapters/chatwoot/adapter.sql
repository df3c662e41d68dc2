-- Chatwoot 3.5 and later (cached_label_list). Times are UTC without zone; labels are rows of `taggings`,
-- whose id is the mark. Settings: order_attribute, the custom attribute of conversation or contact that
-- holds the order number; colon, how ":" is spelled in labels, because Chatwoot allows letters, digits,
-- "_" and "-" only: incident:carrier-outage is the label incident__carrier-outage.
GRANT USAGE ON SCHEMA public TO mainstay_owner;
GRANT SELECT ON public.conversations, public.contacts, public.inboxes, public.teams, public.messages,
  public.tags, public.taggings, public.labels TO mainstay_owner;
GRANT SELECT (id, name) ON public.users TO mainstay_owner;      -- never encrypted_password, tokens
GRANT INSERT ON public.tags, public.taggings, public.labels, public.messages TO mainstay_owner;
GRANT DELETE ON public.taggings TO mainstay_owner;
GRANT UPDATE (taggings_count) ON public.tags TO mainstay_owner;
GRANT UPDATE (cached_label_list, updated_at, last_activity_at) ON public.conversations TO mainstay_owner;
GRANT USAGE ON public.tags_id_seq, public.taggings_id_seq, public.labels_id_seq, public.messages_id_seq
  TO mainstay_owner;
SET ROLE mainstay_owner;

CREATE FUNCTION mainstay.key(timestamptz) RETURNS timestamp IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
  $$ SELECT $1 AT TIME ZONE 'UTC' $$;

CREATE VIEW mainstay.customers AS
SELECT k.id, NULLIF(btrim(concat_ws(' ', k.name, NULLIF(k.last_name, ''))), '') AS name,
  NULLIF(k.email, '')::text AS email, NULLIF(k.phone_number, '')::text AS phone,
  NULL::text AS locale, k.additional_attributes ->> 'time_zone' AS time_zone,
  NULLIF(k.country_code, '')::text AS country, false AS is_vip, k.created_at AT TIME ZONE 'UTC' AS created_at
FROM public.contacts k;

-- A conversation has a subject only where it began as a mail. The number that agents see (display_id) is
-- also what the API takes, within its account.
CREATE VIEW mainstay.tickets AS
SELECT c.id, c.display_id::text AS ref, c.display_id::text AS api_ref, c.account_id::bigint AS tenant,
  c.additional_attributes ->> 'mail_subject' AS subject,
  (ARRAY['open', 'resolved', 'pending', 'snoozed'])[c.status + 1] AS status, c.status IN (0, 2, 3) AS is_open,
  (ARRAY['low', 'medium', 'high', 'urgent'])[c.priority + 1] AS priority, m.name::text AS queue,
  u.name::text AS assignee, i.channel_type::text AS channel,
  c.additional_attributes ->> 'conversation_language' AS locale, c.contact_id AS customer_id,
  NULLIF(btrim(concat_ws(' ', k.name, NULLIF(k.last_name, ''))), '') AS customer_name,
  NULLIF(k.email, '')::text AS customer_email, NULLIF(k.phone_number, '')::text AS customer_phone,
  COALESCE(c.custom_attributes ->> :'order_attribute', k.custom_attributes ->> :'order_attribute') AS order_no,
  c.created_at AS created_key, c.updated_at AS updated_key,
  c.created_at AT TIME ZONE 'UTC' AS created_at, c.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM public.conversations c
  JOIN public.inboxes i ON i.id = c.inbox_id
  LEFT JOIN public.contacts k ON k.id = c.contact_id
  LEFT JOIN public.users u ON u.id = c.assignee_id
  LEFT JOIN public.teams m ON m.id = c.team_id;

CREATE VIEW mainstay.messages AS
SELECT m.id, m.conversation_id AS ticket_id, m.created_at AS created_key,
  CASE WHEN m.private THEN 'internal' ELSE (ARRAY['in', 'out', 'system', 'out'])[m.message_type + 1] END AS direction,
  NOT m.private AND m.message_type <> 2 AS is_public, NULL::text AS subject, m.content AS body,
  'text/plain'::text AS content_type
FROM public.messages m;

CREATE VIEW mainstay.ticket_tags AS
SELECT g.taggable_id AS ticket_id, replace(t.name, :'colon', ':') AS tag, g.id::bigint AS mark
FROM public.taggings g JOIN public.tags t ON t.id = g.tag_id
WHERE g.taggable_type = 'Conversation' AND g.context = 'labels';

CREATE FUNCTION mainstay.ticket_lock(p_ids bigint[]) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT id::bigint FROM public.conversations WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
$$;

-- How a tag is spelled as a label: lower case as the application makes it, ":" as the setting says.
CREATE FUNCTION mainstay.label(p_tag text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_label text := lower(replace(p_tag, ':', :'colon'));
BEGIN
  IF v_label !~ '^[[:alnum:]][[:alnum:]_:-]+$' OR replace(v_label, :'colon', ':') <> lower(p_tag) THEN
    RAISE EXCEPTION 'Chatwoot cannot have a label for tag "%"', p_tag USING ERRCODE = 'invalid_parameter_value',
      HINT = 'Labels are at least two letters, digits, "-" and "_"; ":" is written as setting colon says.';
  END IF;
  RETURN v_label;
END $$;

-- What the application keeps beside the taggings: the tag's counter, the text that the conversation's JSON
-- shows, a line of activity in the conversation, and the time of that line as its last activity.
CREATE FUNCTION mainstay.labels_changed(p_tag int, p_by int, p_ids bigint[], p_line text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_now timestamp := now() AT TIME ZONE 'UTC';
BEGIN
  INSERT INTO public.messages (content, account_id, inbox_id, conversation_id, message_type, content_type, private,
      status, created_at, updated_at)
    SELECT p_line, account_id, inbox_id, id, 2, 0, false, 0, v_now, v_now
    FROM public.conversations WHERE id = ANY (p_ids) ORDER BY id;
  UPDATE public.conversations c SET updated_at = v_now, last_activity_at = v_now, cached_label_list = COALESCE((
      SELECT string_agg(t.name, ', ' ORDER BY g.id) FROM public.taggings g JOIN public.tags t ON t.id = g.tag_id
      WHERE g.taggable_id = c.id AND g.taggable_type = 'Conversation' AND g.context = 'labels'), '')
    WHERE c.id = ANY (p_ids);
  UPDATE public.tags SET taggings_count = COALESCE(taggings_count, 0) + p_by WHERE id = p_tag;
END $$;

CREATE FUNCTION mainstay.tag_add(p_tag text, p_ids bigint[], p_actor bigint)
RETURNS TABLE (ticket_id bigint, mark bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_label text := mainstay.label(p_tag); v_tag int; v_ids bigint[]; v_marks bigint[];
  v_now timestamp := now() AT TIME ZONE 'UTC';
BEGIN
  INSERT INTO public.tags (name, taggings_count) SELECT v_label, 0
    WHERE NOT EXISTS (SELECT 1 FROM public.tags WHERE name = v_label) ON CONFLICT (name) DO NOTHING;
  SELECT id INTO STRICT v_tag FROM public.tags WHERE name = v_label;
  INSERT INTO public.labels (title, account_id, show_on_sidebar, created_at, updated_at)
    SELECT DISTINCT v_label, c.account_id, true, v_now, v_now FROM public.conversations c
    WHERE c.id = ANY (p_ids)
      AND NOT EXISTS (SELECT 1 FROM public.labels l WHERE l.title = v_label AND l.account_id = c.account_id)
    ON CONFLICT (title, account_id) DO NOTHING;
  -- The unique index of taggings spans two nullable columns that labels leave NULL: it guards nothing.
  PERFORM 1 FROM public.conversations WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  WITH added AS (
    INSERT INTO public.taggings (tag_id, taggable_type, taggable_id, context, created_at)
    SELECT v_tag, 'Conversation', c.id, 'labels', v_now FROM public.conversations c
    WHERE c.id = ANY (p_ids) AND NOT EXISTS (
      SELECT 1 FROM public.taggings g WHERE g.tag_id = v_tag AND g.taggable_id = c.id
        AND g.taggable_type = 'Conversation' AND g.context = 'labels' OFFSET 0)
    ORDER BY c.id RETURNING taggable_id, id)
  SELECT array_agg(taggable_id ORDER BY taggable_id), array_agg(id ORDER BY taggable_id)
    INTO v_ids, v_marks FROM added;
  IF v_ids IS NOT NULL THEN
    PERFORM mainstay.labels_changed(v_tag, cardinality(v_ids), v_ids,
      (SELECT name FROM public.users WHERE id = p_actor) || ' added ' || v_label);
  END IF;
  RETURN QUERY SELECT * FROM unnest(v_ids, v_marks);
END $$;

CREATE FUNCTION mainstay.tag_remove(p_tag text, p_ids bigint[], p_marks bigint[], p_actor bigint) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_label text := mainstay.label(p_tag); v_tag int; v_count int; v_ids bigint[]; v_marks bigint[];
BEGIN
  SELECT id INTO v_tag FROM public.tags WHERE name = v_label;
  PERFORM 1 FROM public.conversations WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  SELECT array_agg(x.id) INTO v_marks FROM unnest(p_ids, p_marks) w (id, mark), LATERAL (
      SELECT g.id FROM public.taggings g WHERE g.taggable_id = w.id AND g.tag_id = v_tag
        AND g.taggable_type = 'Conversation' AND g.context = 'labels' OFFSET 0) x
    WHERE p_marks IS NULL OR x.id = w.mark;
  WITH removed AS (DELETE FROM public.taggings WHERE id = ANY (v_marks) RETURNING taggable_id)
  SELECT array_agg(DISTINCT taggable_id), count(*) INTO v_ids, v_count FROM removed;
  IF v_ids IS NOT NULL THEN
    PERFORM mainstay.labels_changed(v_tag, -v_count, v_ids,
      (SELECT name FROM public.users WHERE id = p_actor) || ' removed ' || v_label);
  END IF;
  RETURN QUERY SELECT unnest(v_ids);
END $$;

REVOKE ALL ON FUNCTION mainstay.key(timestamptz), mainstay.ticket_lock(bigint[]), mainstay.label(text),
  mainstay.labels_changed(int, int, bigint[], text), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) FROM PUBLIC;
GRANT SELECT ON mainstay.tickets, mainstay.messages, mainstay.customers, mainstay.ticket_tags TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.key(timestamptz) TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.ticket_lock(bigint[]), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) TO mainstay_runner;
RESET ROLE;
SELECT mainstay.offer_orders(:'orders_table');
