-- Zammad 6 and 7. Times are UTC without zone; tags are rows of `tags`, whose id is the mark.
-- Settings: order_column, a column of `tickets` that the Object Manager made ('' = none).
GRANT USAGE ON SCHEMA public TO mainstay_owner;
GRANT SELECT ON public.tickets, public.ticket_states, public.ticket_state_types, public.ticket_priorities,
  public.groups, public.ticket_articles, public.ticket_article_types, public.ticket_article_senders,
  public.tags, public.tag_items, public.tag_objects, public.history_types, public.history_objects,
  public.history_attributes TO mainstay_owner;
GRANT SELECT (id, firstname, lastname, email, phone, mobile, country, vip, preferences, created_at)
  ON public.users TO mainstay_owner;                    -- never password
GRANT INSERT ON public.tags, public.tag_items, public.tag_objects, public.histories, public.history_types,
  public.history_attributes TO mainstay_owner;
GRANT DELETE ON public.tags TO mainstay_owner;
GRANT UPDATE (updated_at) ON public.tickets TO mainstay_owner;
GRANT USAGE ON public.tags_id_seq, public.tag_items_id_seq, public.tag_objects_id_seq, public.histories_id_seq,
  public.history_types_id_seq, public.history_attributes_id_seq TO mainstay_owner;
SET ROLE mainstay_owner;

CREATE FUNCTION mainstay.key(timestamptz) RETURNS timestamp IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
  $$ SELECT $1 AT TIME ZONE 'UTC' $$;

-- The locale is a line of YAML in the user's preferences.
CREATE VIEW mainstay.customers AS
SELECT u.id, NULLIF(btrim(concat_ws(' ', u.firstname, u.lastname)), '') AS name, NULLIF(u.email, '')::text AS email,
  COALESCE(NULLIF(u.mobile, ''), NULLIF(u.phone, ''))::text AS phone,
  lower(substring(u.preferences FROM '(?:^|\n):?locale: *"?([A-Za-z]{2}(?:-[A-Za-z]{2})?)')) AS locale,
  NULL::text AS time_zone, NULLIF(u.country, '')::text AS country, COALESCE(u.vip, false) AS is_vip,
  u.created_at AT TIME ZONE 'UTC' AS created_at
FROM public.users u WHERE EXISTS (SELECT 1 FROM public.tickets t WHERE t.customer_id = u.id);

-- order_no is a column with a name of the installation's own choice, so the view is made from a text.
DO $do$
DECLARE v_column text := :'order_column';
BEGIN
  EXECUTE format($view$
CREATE VIEW mainstay.tickets AS
SELECT t.id, t.number::text AS ref, t.id::text AS api_ref, 0::bigint AS tenant, t.title::text AS subject,
  s.name::text AS status, st.name IN ('new', 'open', 'pending reminder', 'pending action') AS is_open,
  p.name::text AS priority, g.name::text AS queue,
  CASE WHEN t.owner_id <> 1 THEN NULLIF(btrim(concat_ws(' ', o.firstname, o.lastname)), '') END AS assignee,
  a.name::text AS channel,
  lower(substring(c.preferences FROM '(?:^|\n):?locale: *"?([A-Za-z]{2}(?:-[A-Za-z]{2})?)')) AS locale,
  t.customer_id, NULLIF(btrim(concat_ws(' ', c.firstname, c.lastname)), '') AS customer_name,
  NULLIF(c.email, '')::text AS customer_email,
  COALESCE(NULLIF(c.mobile, ''), NULLIF(c.phone, ''))::text AS customer_phone, %s AS order_no,
  t.created_at AS created_key, t.updated_at AS updated_key,
  t.created_at AT TIME ZONE 'UTC' AS created_at, t.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM public.tickets t
  JOIN public.ticket_states s ON s.id = t.state_id
  JOIN public.ticket_state_types st ON st.id = s.state_type_id
  JOIN public.ticket_priorities p ON p.id = t.priority_id
  JOIN public.groups g ON g.id = t.group_id
  JOIN public.users o ON o.id = t.owner_id
  JOIN public.users c ON c.id = t.customer_id
  LEFT JOIN public.ticket_article_types a ON a.id = t.create_article_type_id
$view$, CASE WHEN v_column = '' THEN 'NULL::text' ELSE format('NULLIF(t.%I::text, '''')', v_column) END);
END $do$;

CREATE VIEW mainstay.messages AS
SELECT a.id, a.ticket_id, a.created_at AS created_key,
  CASE WHEN a.internal THEN 'internal' WHEN s.name = 'Customer' THEN 'in' WHEN s.name = 'Agent' THEN 'out'
    ELSE 'system' END AS direction,
  NOT a.internal AS is_public, a.subject::text,
  CASE WHEN a.content_type LIKE 'text/html%' THEN mainstay.plain_text(a.body) ELSE a.body END AS body,
  a.content_type::text
FROM public.ticket_articles a JOIN public.ticket_article_senders s ON s.id = a.sender_id;

CREATE VIEW mainstay.ticket_tags AS
SELECT g.o_id AS ticket_id, i.name::text AS tag, g.id::bigint AS mark
FROM public.tags g JOIN public.tag_items i ON i.id = g.tag_item_id
WHERE g.tag_object_id = (SELECT id FROM public.tag_objects WHERE lower(name) = 'ticket');

CREATE FUNCTION mainstay.ticket_lock(p_ids bigint[]) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT id::bigint FROM public.tickets WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
$$;

-- The dictionary's rows: no unique index guards tag_items, so one session at a time makes new ones.
CREATE FUNCTION mainstay.tag_item(p_tag text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_item int; v_now timestamp(3) := now() AT TIME ZONE 'UTC';
BEGIN
  SELECT id INTO v_item FROM public.tag_items WHERE name_downcase = lower(p_tag) ORDER BY id LIMIT 1;
  IF FOUND THEN
    RETURN v_item;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('mainstay.tag_item', 0));
  INSERT INTO public.tag_objects (name, created_at, updated_at) SELECT 'Ticket', v_now, v_now
    WHERE NOT EXISTS (SELECT 1 FROM public.tag_objects WHERE lower(name) = 'ticket');
  INSERT INTO public.history_types (name, created_at, updated_at) SELECT n, v_now, v_now
    FROM unnest(ARRAY['added', 'removed']) n
    WHERE NOT EXISTS (SELECT 1 FROM public.history_types WHERE lower(name) = n);
  INSERT INTO public.history_attributes (name, created_at, updated_at) SELECT 'tag', v_now, v_now
    WHERE NOT EXISTS (SELECT 1 FROM public.history_attributes WHERE lower(name) = 'tag');
  SELECT id INTO v_item FROM public.tag_items WHERE name_downcase = lower(p_tag) ORDER BY id LIMIT 1;
  IF NOT FOUND THEN
    INSERT INTO public.tag_items (name, name_downcase, created_at, updated_at)
      VALUES (p_tag, lower(p_tag), v_now, v_now) RETURNING id INTO v_item;
  END IF;
  RETURN v_item;
END $$;

-- As Zammad does it: a line of history whose value_to is the tag (on removal too), and the ticket touched.
CREATE FUNCTION mainstay.tag_history(p_ids bigint[], p_type text, p_tag text, p_actor bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_now timestamp(3) := now() AT TIME ZONE 'UTC';
BEGIN
  INSERT INTO public.histories (history_type_id, history_object_id, history_attribute_id, o_id, value_to,
      created_by_id, created_at, updated_at)
    SELECT y.id, o.id, a.id, x, p_tag, p_actor, v_now, v_now
    FROM public.history_types y, public.history_objects o, public.history_attributes a, unnest(p_ids) x
    WHERE lower(y.name) = p_type AND lower(o.name) = 'ticket' AND lower(a.name) = 'tag' ORDER BY x;
  UPDATE public.tickets SET updated_at = v_now WHERE id = ANY (p_ids);
END $$;

CREATE FUNCTION mainstay.tag_add(p_tag text, p_ids bigint[], p_actor bigint)
RETURNS TABLE (ticket_id bigint, mark bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE v_item int; v_ids bigint[]; v_marks bigint[]; v_now timestamp(3) := now() AT TIME ZONE 'UTC';
BEGIN
  v_item := mainstay.tag_item(p_tag);
  -- Its own statement: the next one then sees what a session that we waited for has committed.
  PERFORM 1 FROM public.tickets WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  WITH added AS (
    INSERT INTO public.tags (tag_item_id, tag_object_id, o_id, created_by_id, created_at, updated_at)
    SELECT v_item, o.id, t.id, p_actor, v_now, v_now
    FROM public.tickets t, public.tag_objects o
    WHERE t.id = ANY (p_ids) AND lower(o.name) = 'ticket' AND NOT EXISTS (
      SELECT 1 FROM public.tags g JOIN public.tag_items i ON i.id = g.tag_item_id
      WHERE g.o_id = t.id AND g.tag_object_id = o.id AND i.name_downcase = lower(p_tag) OFFSET 0)
    ORDER BY t.id RETURNING o_id, id)
  SELECT array_agg(o_id ORDER BY o_id), array_agg(id ORDER BY o_id) INTO v_ids, v_marks FROM added;
  PERFORM mainstay.tag_history(v_ids, 'added', (SELECT name FROM public.tag_items WHERE id = v_item), p_actor);
  RETURN QUERY SELECT * FROM unnest(v_ids, v_marks);
END $$;

CREATE FUNCTION mainstay.tag_remove(p_tag text, p_ids bigint[], p_marks bigint[], p_actor bigint) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_ids bigint[]; v_marks bigint[];
BEGIN
  PERFORM 1 FROM public.tickets WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  SELECT array_agg(x.id) INTO v_marks FROM unnest(p_ids, p_marks) w (id, mark), LATERAL (
      SELECT g.id FROM public.tags g
        JOIN public.tag_items i ON i.id = g.tag_item_id JOIN public.tag_objects o ON o.id = g.tag_object_id
      WHERE g.o_id = w.id AND lower(o.name) = 'ticket' AND i.name_downcase = lower(p_tag) OFFSET 0) x
    WHERE p_marks IS NULL OR x.id = w.mark;
  WITH removed AS (DELETE FROM public.tags WHERE id = ANY (v_marks) RETURNING o_id)
  SELECT array_agg(DISTINCT o_id) INTO v_ids FROM removed;
  PERFORM mainstay.tag_history(v_ids, 'removed', p_tag, p_actor);
  RETURN QUERY SELECT unnest(v_ids);
END $$;

REVOKE ALL ON FUNCTION mainstay.key(timestamptz), mainstay.ticket_lock(bigint[]), mainstay.tag_item(text),
  mainstay.tag_history(bigint[], text, text, bigint), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) FROM PUBLIC;
GRANT SELECT ON mainstay.tickets, mainstay.messages, mainstay.customers, mainstay.ticket_tags TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.key(timestamptz) TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.ticket_lock(bigint[]), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) TO mainstay_runner;
RESET ROLE;
SELECT mainstay.offer_orders(:'orders_table');
