-- Redmine 5 and 6. Times are UTC without zone. Redmine has no tags: they are values of an issue custom field
-- in format "Key/value list" that takes several; the ids of its rows in custom_values, which Redmine keeps
-- while other values come and go, are the marks. Settings: tag_field, order_field (names; order_field '' = none).
GRANT USAGE ON SCHEMA public TO mainstay_owner;
GRANT SELECT ON public.issues, public.issue_statuses, public.enumerations, public.projects, public.journals,
  public.journal_details, public.custom_fields, public.custom_fields_projects, public.custom_fields_trackers,
  public.custom_field_enumerations, public.custom_values, public.email_addresses TO mainstay_owner;
GRANT SELECT (id, login, firstname, lastname, language, type, created_on) ON public.users
  TO mainstay_owner;                                    -- never hashed_password, salt
GRANT INSERT, DELETE ON public.custom_values TO mainstay_owner;
GRANT INSERT ON public.journals, public.journal_details, public.custom_field_enumerations TO mainstay_owner;
GRANT UPDATE (updated_on, lock_version) ON public.issues TO mainstay_owner;
GRANT USAGE ON public.custom_values_id_seq, public.journals_id_seq, public.journal_details_id_seq,
  public.custom_field_enumerations_id_seq TO mainstay_owner;
SET ROLE mainstay_owner;

CREATE FUNCTION mainstay.key(timestamptz) RETURNS timestamp IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
  $$ SELECT $1 AT TIME ZONE 'UTC' $$;

CREATE VIEW mainstay.customers AS
SELECT u.id, NULLIF(btrim(concat_ws(' ', u.firstname, u.lastname)), '') AS name, m.address::text AS email,
  NULL::text AS phone, NULLIF(u.language, '')::text AS locale, NULL::text AS time_zone, NULL::text AS country,
  false AS is_vip, u.created_on AT TIME ZONE 'UTC' AS created_at
FROM public.users u LEFT JOIN public.email_addresses m ON m.user_id = u.id AND m.is_default
WHERE EXISTS (SELECT 1 FROM public.issues i WHERE i.author_id = u.id);

-- The author is the customer. Issues of closed and archived projects cannot be edited and are left out.
CREATE VIEW mainstay.tickets AS
SELECT i.id, i.id::text AS ref, i.id::text AS api_ref, i.project_id::bigint AS tenant, i.subject::text,
  s.name::text AS status, NOT s.is_closed AS is_open, e.name::text AS priority, p.name::text AS queue,
  NULLIF(btrim(concat_ws(' ', a.firstname, a.lastname)), '') AS assignee, NULL::text AS channel,
  NULLIF(c.language, '')::text AS locale, i.author_id AS customer_id,
  NULLIF(btrim(concat_ws(' ', c.firstname, c.lastname)), '') AS customer_name, m.address::text AS customer_email,
  NULL::text AS customer_phone,
  (SELECT NULLIF(v.value, '') FROM public.custom_values v
    WHERE v.customized_type = 'Issue' AND v.customized_id = i.id AND v.custom_field_id = (
      SELECT f.id FROM public.custom_fields f WHERE f.name = :'order_field' AND f.type = 'IssueCustomField')
    ORDER BY v.id LIMIT 1) AS order_no,
  i.created_on AS created_key, i.updated_on AS updated_key,
  i.created_on AT TIME ZONE 'UTC' AS created_at, i.updated_on AT TIME ZONE 'UTC' AS updated_at
FROM public.issues i
  JOIN public.issue_statuses s ON s.id = i.status_id
  JOIN public.enumerations e ON e.id = i.priority_id
  JOIN public.projects p ON p.id = i.project_id AND p.status = 1
  JOIN public.users c ON c.id = i.author_id
  LEFT JOIN public.users a ON a.id = i.assigned_to_id
  LEFT JOIN public.email_addresses m ON m.user_id = c.id AND m.is_default;

-- The description is the first message, with the issue's id negated as its own.
CREATE VIEW mainstay.messages AS
SELECT -i.id AS id, i.id AS ticket_id, i.created_on AS created_key, 'in'::text AS direction,
  NOT i.is_private AS is_public, i.subject::text, i.description AS body, 'text/plain'::text AS content_type
FROM public.issues i
UNION ALL
SELECT j.id, j.journalized_id, j.created_on,
  CASE WHEN j.private_notes THEN 'internal' WHEN j.user_id = i.author_id THEN 'in' ELSE 'out' END,
  NOT j.private_notes, NULL, j.notes, 'text/plain'
FROM public.journals j JOIN public.issues i ON i.id = j.journalized_id
WHERE j.journalized_type = 'Issue' AND j.notes <> '';

CREATE VIEW mainstay.ticket_tags AS
SELECT v.customized_id AS ticket_id, e.name::text AS tag, v.id::bigint AS mark
FROM public.custom_values v
  JOIN public.custom_field_enumerations e ON e.custom_field_id = v.custom_field_id AND e.id::text = v.value
WHERE v.customized_type = 'Issue' AND v.custom_field_id = (SELECT f.id FROM public.custom_fields f
  WHERE f.name = :'tag_field' AND f.type = 'IssueCustomField' AND f.field_format = 'enumeration' AND f.multiple);

CREATE FUNCTION mainstay.ticket_lock(p_ids bigint[]) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT id::bigint FROM public.issues WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
$$;

CREATE FUNCTION mainstay.tag_field() RETURNS public.custom_fields
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_field public.custom_fields;
BEGIN
  SELECT * INTO v_field FROM public.custom_fields f
    WHERE f.name = :'tag_field' AND f.type = 'IssueCustomField' AND f.field_format = 'enumeration' AND f.multiple;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Redmine has no issue custom field "%" in format "Key/value list" that takes several values', :'tag_field'
      USING ERRCODE = 'undefined_object', HINT = 'Make one with "Multiple values", for the trackers and projects concerned.';
  END IF;
  RETURN v_field;
END $$;

-- The tag's entry in the field's list, as the text that custom_values holds; made where it is missing.
CREATE FUNCTION mainstay.tag_value(p_field int, p_tag text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_value text;
BEGIN
  SELECT id::text INTO v_value FROM public.custom_field_enumerations
    WHERE custom_field_id = p_field AND name = p_tag ORDER BY id LIMIT 1;
  IF FOUND THEN
    RETURN v_value;
  END IF;
  IF length(p_tag) > 60 THEN
    RAISE EXCEPTION 'Redmine cannot have tag "%": an entry of a list has at most 60 characters', p_tag
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('mainstay.tag_value', 0));
  SELECT id::text INTO v_value FROM public.custom_field_enumerations
    WHERE custom_field_id = p_field AND name = p_tag ORDER BY id LIMIT 1;
  IF NOT FOUND THEN
    INSERT INTO public.custom_field_enumerations (custom_field_id, name, active, position)
      SELECT p_field, p_tag, true, COALESCE(max(position), 0) + 1 FROM public.custom_field_enumerations
      WHERE custom_field_id = p_field RETURNING id::text INTO v_value;
  END IF;
  RETURN v_value;
END $$;

-- One journal entry for each issue, and the issue touched. lock_version makes the form that an agent has open
-- say that the issue changed, instead of taking the tag off again when it is saved.
CREATE FUNCTION mainstay.tag_history(p_field int, p_ids bigint[], p_old text, p_new text, p_actor bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_now timestamp := now() AT TIME ZONE 'UTC';
BEGIN
  WITH entry AS (
    INSERT INTO public.journals (journalized_id, journalized_type, user_id, notes, created_on, private_notes)
    SELECT x, 'Issue', p_actor, '', v_now, false FROM unnest(p_ids) x ORDER BY x RETURNING id)
  INSERT INTO public.journal_details (journal_id, property, prop_key, old_value, value)
    SELECT id, 'cf', p_field::text, p_old, p_new FROM entry ORDER BY id;
  UPDATE public.issues SET updated_on = v_now, lock_version = lock_version + 1 WHERE id = ANY (p_ids);
END $$;

CREATE FUNCTION mainstay.tag_add(p_tag text, p_ids bigint[], p_actor bigint)
RETURNS TABLE (ticket_id bigint, mark bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE v_field public.custom_fields := mainstay.tag_field(); v_value text; v_ids bigint[]; v_marks bigint[];
BEGIN
  v_value := mainstay.tag_value(v_field.id, p_tag);
  PERFORM 1 FROM public.issues WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  -- Only where the field is in use: for the issue's tracker, and for its project unless for all.
  WITH added AS (
    INSERT INTO public.custom_values (customized_type, customized_id, custom_field_id, value)
    SELECT 'Issue', i.id, v_field.id, v_value FROM public.issues i
    WHERE i.id = ANY (p_ids)
      AND EXISTS (SELECT 1 FROM public.custom_fields_trackers r
        WHERE r.custom_field_id = v_field.id AND r.tracker_id = i.tracker_id)
      AND (v_field.is_for_all OR EXISTS (SELECT 1 FROM public.custom_fields_projects r
        WHERE r.custom_field_id = v_field.id AND r.project_id = i.project_id))
      AND NOT EXISTS (SELECT 1 FROM public.custom_values v WHERE v.customized_type = 'Issue'
        AND v.customized_id = i.id AND v.custom_field_id = v_field.id AND v.value = v_value OFFSET 0)
    ORDER BY i.id RETURNING customized_id, id)
  SELECT array_agg(customized_id ORDER BY customized_id), array_agg(id ORDER BY customized_id)
    INTO v_ids, v_marks FROM added;
  -- Redmine keeps a blank row for a field without values, and only then.
  DELETE FROM public.custom_values WHERE customized_type = 'Issue' AND customized_id = ANY (v_ids)
    AND custom_field_id = v_field.id AND COALESCE(value, '') = '';
  PERFORM mainstay.tag_history(v_field.id, v_ids, NULL, v_value, p_actor);
  RETURN QUERY SELECT * FROM unnest(v_ids, v_marks);
END $$;

CREATE FUNCTION mainstay.tag_remove(p_tag text, p_ids bigint[], p_marks bigint[], p_actor bigint) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_field public.custom_fields := mainstay.tag_field(); v_value text; v_ids bigint[]; v_marks bigint[];
BEGIN
  SELECT id::text INTO v_value FROM public.custom_field_enumerations
    WHERE custom_field_id = v_field.id AND name = p_tag ORDER BY id LIMIT 1;
  PERFORM 1 FROM public.issues WHERE id = ANY (p_ids) ORDER BY id FOR NO KEY UPDATE;
  SELECT array_agg(x.id) INTO v_marks FROM unnest(p_ids, p_marks) w (id, mark), LATERAL (
      SELECT v.id FROM public.custom_values v WHERE v.customized_type = 'Issue' AND v.customized_id = w.id
        AND v.custom_field_id = v_field.id AND v.value = v_value OFFSET 0) x
    WHERE p_marks IS NULL OR x.id = w.mark;
  WITH removed AS (DELETE FROM public.custom_values WHERE id = ANY (v_marks) RETURNING customized_id)
  SELECT array_agg(DISTINCT customized_id) INTO v_ids FROM removed;
  INSERT INTO public.custom_values (customized_type, customized_id, custom_field_id, value)
    SELECT 'Issue', x, v_field.id, '' FROM unnest(v_ids) x WHERE NOT EXISTS (
      SELECT 1 FROM public.custom_values v
      WHERE v.customized_type = 'Issue' AND v.customized_id = x AND v.custom_field_id = v_field.id OFFSET 0);
  PERFORM mainstay.tag_history(v_field.id, v_ids, v_value, NULL, p_actor);
  RETURN QUERY SELECT unnest(v_ids);
END $$;

REVOKE ALL ON FUNCTION mainstay.key(timestamptz), mainstay.ticket_lock(bigint[]), mainstay.tag_field(),
  mainstay.tag_value(int, text), mainstay.tag_history(int, bigint[], text, text, bigint),
  mainstay.tag_add(text, bigint[], bigint), mainstay.tag_remove(text, bigint[], bigint[], bigint) FROM PUBLIC;
GRANT SELECT ON mainstay.tickets, mainstay.messages, mainstay.customers, mainstay.ticket_tags TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.key(timestamptz) TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.ticket_lock(bigint[]), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) TO mainstay_runner;
RESET ROLE;
SELECT mainstay.offer_orders(:'orders_table');
