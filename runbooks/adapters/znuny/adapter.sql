-- Znuny 6 (OTRS 6, OTOBO 10 and later). Times have no zone: they are in OTRSTimeZone. Znuny has no tags: they
-- are values of a ticket dynamic field of type Multiselect. Settings: tag_field, order_field (names of dynamic
-- fields; order_field '' = none), time_zone. Znuny reads dynamic fields from a cache for up to twelve hours:
-- the hook in the manifest empties it after a run has committed.
--
-- Marks. Whenever an agent changes the field Znuny deletes all its rows of the ticket and inserts them anew,
-- so their ids say nothing. What stays is the history: the mark is the last line of it, for this ticket and
-- field, after which the tag was not there before or may not have been: ours that added or removed it
-- (tag_writes remembers which), or one of Znuny's whose new value does not show the tag. Znuny cuts a line
-- of more than 200 characters; a tag that was cut away counts as touched, and undo leaves it and says so.
GRANT USAGE ON SCHEMA public TO mainstay_owner;
GRANT SELECT ON public.ticket, public.ticket_state, public.ticket_state_type, public.ticket_priority, public.queue,
  public.article, public.article_data_mime, public.article_sender_type, public.communication_channel,
  public.dynamic_field, public.dynamic_field_value, public.ticket_history, public.ticket_history_type,
  public.customer_preferences TO mainstay_owner;
GRANT SELECT (id, first_name, last_name) ON public.users TO mainstay_owner;              -- never pw
GRANT SELECT (id, login, email, first_name, last_name, phone, mobile, country, create_time)
  ON public.customer_user TO mainstay_owner;                                             -- never pw
GRANT INSERT, DELETE ON public.dynamic_field_value TO mainstay_owner;
GRANT INSERT ON public.ticket_history TO mainstay_owner;
GRANT UPDATE (change_time, change_by) ON public.ticket TO mainstay_owner;
GRANT UPDATE (config, change_time, change_by) ON public.dynamic_field TO mainstay_owner;
GRANT USAGE ON public.dynamic_field_value_id_seq, public.ticket_history_id_seq TO mainstay_owner;
SET ROLE mainstay_owner;

CREATE FUNCTION mainstay.key(timestamptz) RETURNS timestamp IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
  $$ SELECT $1 AT TIME ZONE :'time_zone' $$;

CREATE TABLE IF NOT EXISTS mainstay.tag_writes (history_id bigint PRIMARY KEY, tag text NOT NULL);

CREATE VIEW mainstay.customers AS
SELECT k.id, NULLIF(btrim(concat_ws(' ', k.first_name, k.last_name)), '') AS name, NULLIF(k.email, '')::text AS email,
  COALESCE(NULLIF(k.mobile, ''), NULLIF(k.phone, ''))::text AS phone,
  (SELECT NULLIF(lower(p.preferences_value), '') FROM public.customer_preferences p
    WHERE p.user_id = k.login AND p.preferences_key = 'UserLanguage' LIMIT 1)::text AS locale,
  NULL::text AS time_zone, NULLIF(k.country, '')::text AS country, false AS is_vip,
  k.create_time AT TIME ZONE :'time_zone' AS created_at
FROM public.customer_user k;

-- A customer of another directory (LDAP) has no row: the login is the address where it looks like one.
CREATE VIEW mainstay.tickets AS
SELECT t.id, t.tn::text AS ref, t.id::text AS api_ref, 0::bigint AS tenant, t.title::text AS subject,
  s.name::text AS status,
  y.name IN ('new', 'open', 'pending reminder', 'pending auto') AND t.archive_flag = 0 AS is_open,
  p.name::text AS priority, q.name::text AS queue,
  CASE WHEN t.user_id <> 1 THEN NULLIF(btrim(concat_ws(' ', u.first_name, u.last_name)), '') END AS assignee,
  (SELECT c.name FROM public.article a JOIN public.communication_channel c ON c.id = a.communication_channel_id
    WHERE a.ticket_id = t.id ORDER BY a.id LIMIT 1)::text AS channel,
  (SELECT NULLIF(lower(r.preferences_value), '') FROM public.customer_preferences r
    WHERE r.user_id = t.customer_user_id AND r.preferences_key = 'UserLanguage' LIMIT 1)::text AS locale,
  k.id AS customer_id, NULLIF(btrim(concat_ws(' ', k.first_name, k.last_name)), '') AS customer_name,
  COALESCE(NULLIF(k.email, ''), CASE WHEN t.customer_user_id LIKE '%@%' THEN t.customer_user_id END)::text AS customer_email,
  COALESCE(NULLIF(k.mobile, ''), NULLIF(k.phone, ''))::text AS customer_phone,
  (SELECT v.value_text FROM public.dynamic_field_value v
    WHERE v.object_id = t.id AND v.field_id = (SELECT d.id FROM public.dynamic_field d
      WHERE d.name = :'order_field' AND d.object_type = 'Ticket')
    ORDER BY v.id LIMIT 1)::text AS order_no,
  t.create_time AS created_key, t.change_time AS updated_key,
  t.create_time AT TIME ZONE :'time_zone' AS created_at, t.change_time AT TIME ZONE :'time_zone' AS updated_at
FROM public.ticket t
  JOIN public.ticket_state s ON s.id = t.ticket_state_id
  JOIN public.ticket_state_type y ON y.id = s.type_id
  JOIN public.ticket_priority p ON p.id = t.ticket_priority_id
  JOIN public.queue q ON q.id = t.queue_id
  JOIN public.users u ON u.id = t.user_id
  LEFT JOIN public.customer_user k ON k.login = t.customer_user_id;

CREATE VIEW mainstay.messages AS
SELECT a.id, a.ticket_id, a.create_time AS created_key,
  CASE WHEN a.is_visible_for_customer <> 1 THEN 'internal' WHEN s.name = 'customer' THEN 'in' WHEN s.name = 'agent' THEN 'out'
    ELSE 'system' END AS direction,
  a.is_visible_for_customer = 1 AS is_public, m.a_subject::text AS subject,
  CASE WHEN m.a_content_type LIKE 'text/html%' THEN mainstay.plain_text(m.a_body) ELSE m.a_body::text END AS body,
  split_part(m.a_content_type, ';', 1) AS content_type
FROM public.article a
  JOIN public.article_data_mime m ON m.article_id = a.id
  JOIN public.article_sender_type s ON s.id = a.article_sender_type_id;

CREATE VIEW mainstay.ticket_tags AS
SELECT v.object_id AS ticket_id, v.value_text::text AS tag, COALESCE((
    SELECT max(h.id) FROM public.ticket_history h
    WHERE h.ticket_id = v.object_id
      AND h.history_type_id = (SELECT id FROM public.ticket_history_type WHERE name = 'TicketDynamicFieldUpdate')
      AND starts_with(h.name, '%%FieldName%%' || :'tag_field' || '%%Value%%')
      AND COALESCE((SELECT w.tag = v.value_text FROM mainstay.tag_writes w WHERE w.history_id = h.id),
        v.value_text <> ALL (string_to_array(split_part(h.name, '%%', 5), ', ')))), 0) AS mark
FROM public.dynamic_field_value v
WHERE v.field_id = (SELECT d.id FROM public.dynamic_field d WHERE d.name = :'tag_field' AND d.object_type = 'Ticket')
  AND v.value_text <> '';

CREATE FUNCTION mainstay.ticket_lock(p_ids bigint[]) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT id FROM public.ticket WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
$$;

CREATE FUNCTION mainstay.tag_field() RETURNS public.dynamic_field
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_field public.dynamic_field;
BEGIN
  SELECT * INTO v_field FROM public.dynamic_field
    WHERE name = :'tag_field' AND object_type = 'Ticket' AND field_type = 'Multiselect' AND valid_id = 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Znuny has no valid ticket dynamic field "%" of type Multiselect', :'tag_field'
      USING ERRCODE = 'undefined_object', HINT = 'Make one under Admin, Dynamic Fields.';
  END IF;
  RETURN v_field;
END $$;

-- The values that a field may have are YAML in its configuration. A tag goes there, and into history, between
-- quotes of ours: so it must not need any of its own.
CREATE FUNCTION mainstay.tag_allow(p_field public.dynamic_field, p_tag text, p_actor bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_entry text := '(^|\n) +["'']?' || regexp_replace(p_tag, '([.:-])', '\\\1', 'g') || '["'']?: ';
  v_config text;
BEGIN
  IF p_tag !~ '^[[:alnum:]][[:alnum:]_.:-]*$' THEN
    RAISE EXCEPTION 'Znuny cannot have tag "%": letters, digits, "_", ".", ":" and "-" only', p_tag
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF p_field.config ~ v_entry THEN
    RETURN;
  END IF;
  SELECT config INTO v_config FROM public.dynamic_field WHERE id = p_field.id FOR NO KEY UPDATE;
  IF v_config !~ '(^|\n)PossibleValues:' THEN
    RAISE EXCEPTION 'the configuration of dynamic field "%" has no PossibleValues', p_field.name
      USING ERRCODE = 'data_exception';
  END IF;
  IF v_config !~ v_entry THEN
    UPDATE public.dynamic_field SET change_time = mainstay.key(now()), change_by = p_actor,
        config = regexp_replace(v_config, '(^|\n)PossibleValues:[^\n]*\n',
          format(E'\\1PossibleValues:\n  "%s": "%s"\n', p_tag, p_tag))
      WHERE id = p_field.id;
  END IF;
END $$;

-- Znuny's own line: field, new value, old value, cut as Znuny cuts them. Written before the values change.
CREATE FUNCTION mainstay.tag_history(p_field public.dynamic_field, p_tag text, p_ids bigint[], p_add boolean, p_actor bigint)
RETURNS TABLE (ticket_id bigint, history_id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE v_now timestamp(0) := mainstay.key(now());
BEGIN
  RETURN QUERY WITH was AS (
    SELECT x AS id, COALESCE(string_agg(v.value_text, ', ' ORDER BY v.id), '') AS old,
      CASE WHEN p_add THEN concat_ws(', ', string_agg(v.value_text, ', ' ORDER BY v.id), p_tag)
        ELSE COALESCE(string_agg(v.value_text, ', ' ORDER BY v.id) FILTER (WHERE v.value_text <> p_tag), '') END AS new
    FROM unnest(p_ids) x LEFT JOIN public.dynamic_field_value v ON v.object_id = x AND v.field_id = p_field.id
    GROUP BY x),
  cut AS (
    SELECT id, new, length(p_field.name || new || old) > 166 AS long,
      CASE WHEN length(p_field.name || new || old) > 166 AND length(old) > 55 THEN left(old, 50) || '[...]' ELSE old END AS old
    FROM was),
  line AS (
    INSERT INTO public.ticket_history (name, history_type_id, ticket_id, type_id, queue_id, owner_id, priority_id,
      state_id, create_time, create_by, change_time, change_by)
    SELECT left('%%FieldName%%' || p_field.name || '%%Value%%' || CASE
          WHEN c.long AND length(p_field.name || c.new || c.old) > 161
          THEN left(c.new, 161 - length(p_field.name || c.old)) || '[...]' ELSE c.new END
        || '%%OldValue%%' || c.old, 200),
      (SELECT id FROM public.ticket_history_type WHERE name = 'TicketDynamicFieldUpdate'), t.id,
      COALESCE(t.type_id, 1), t.queue_id, t.user_id, t.ticket_priority_id, t.ticket_state_id,
      v_now, p_actor, v_now, p_actor
    FROM cut c JOIN public.ticket t ON t.id = c.id ORDER BY t.id
    RETURNING ticket_history.ticket_id, ticket_history.id),
  written AS (INSERT INTO mainstay.tag_writes (history_id, tag) SELECT id, p_tag FROM line)
  SELECT line.ticket_id, line.id FROM line;
  UPDATE public.ticket SET change_time = v_now, change_by = p_actor WHERE id = ANY (p_ids);
END $$;

CREATE FUNCTION mainstay.tag_add(p_tag text, p_ids bigint[], p_actor bigint)
RETURNS TABLE (ticket_id bigint, mark bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE v_field public.dynamic_field := mainstay.tag_field(); v_ids bigint[]; v_marks bigint[];
BEGIN
  PERFORM mainstay.tag_allow(v_field, p_tag, p_actor);
  PERFORM 1 FROM public.ticket WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  SELECT array_agg(t.id ORDER BY t.id) INTO v_ids FROM public.ticket t
    WHERE t.id = ANY (p_ids) AND NOT EXISTS (SELECT 1 FROM public.dynamic_field_value v
      WHERE v.object_id = t.id AND v.field_id = v_field.id AND v.value_text = p_tag OFFSET 0);
  SELECT array_agg(h.history_id ORDER BY h.ticket_id) INTO v_marks
    FROM mainstay.tag_history(v_field, p_tag, v_ids, true, p_actor) h;
  INSERT INTO public.dynamic_field_value (field_id, object_id, value_text)
    SELECT v_field.id, x, p_tag FROM unnest(v_ids) x ORDER BY x;
  RETURN QUERY SELECT * FROM unnest(v_ids, v_marks);
END $$;

CREATE FUNCTION mainstay.tag_remove(p_tag text, p_ids bigint[], p_marks bigint[], p_actor bigint) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_field public.dynamic_field := mainstay.tag_field(); v_ids bigint[];
BEGIN
  PERFORM 1 FROM public.ticket WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  SELECT array_agg(DISTINCT g.ticket_id ORDER BY g.ticket_id) INTO v_ids
    FROM unnest(p_ids, p_marks) w (id, mark), LATERAL (
      SELECT t.ticket_id, CASE WHEN p_marks IS NOT NULL THEN t.mark END AS mark FROM mainstay.ticket_tags t
      WHERE t.ticket_id = w.id AND t.tag = p_tag OFFSET 0) g
    WHERE p_marks IS NULL OR g.mark = w.mark;
  PERFORM 1 FROM mainstay.tag_history(v_field, p_tag, v_ids, false, p_actor);
  DELETE FROM public.dynamic_field_value
    WHERE field_id = v_field.id AND object_id = ANY (v_ids) AND value_text = p_tag;
  RETURN QUERY SELECT unnest(v_ids);
END $$;

REVOKE ALL ON FUNCTION mainstay.key(timestamptz), mainstay.ticket_lock(bigint[]), mainstay.tag_field(),
  mainstay.tag_allow(public.dynamic_field, text, bigint),
  mainstay.tag_history(public.dynamic_field, text, bigint[], boolean, bigint),
  mainstay.tag_add(text, bigint[], bigint), mainstay.tag_remove(text, bigint[], bigint[], bigint) FROM PUBLIC;
GRANT SELECT ON mainstay.tickets, mainstay.messages, mainstay.customers, mainstay.ticket_tags TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.key(timestamptz) TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.ticket_lock(bigint[]), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) TO mainstay_runner;
RESET ROLE;
SELECT mainstay.offer_orders(:'orders_table');
