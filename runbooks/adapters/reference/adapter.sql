-- The contract on our own schema: schema.sql.
GRANT USAGE ON SCHEMA helpdesk TO mainstay_owner;
GRANT SELECT ON helpdesk.customers, helpdesk.tickets, helpdesk.messages, helpdesk.orders, helpdesk.tags,
  helpdesk.ticket_tags TO mainstay_owner;
GRANT INSERT ON helpdesk.tags, helpdesk.ticket_tags, helpdesk.ticket_history TO mainstay_owner;
GRANT DELETE ON helpdesk.ticket_tags TO mainstay_owner;
GRANT UPDATE (updated_at) ON helpdesk.tickets TO mainstay_owner; -- locks of rows need it too
SET ROLE mainstay_owner;

CREATE FUNCTION mainstay.key(timestamptz) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS $$ SELECT $1 $$;

CREATE VIEW mainstay.tickets AS
SELECT t.id, COALESCE(t.number, t.external_id) AS ref, t.external_id AS api_ref, 0::bigint AS tenant, t.subject,
  t.status, t.status IN ('new', 'open', 'pending', 'on_hold') AS is_open, t.priority, t.queue, t.assignee,
  t.channel, COALESCE(t.locale, c.locale) AS locale, t.customer_id, c.name AS customer_name,
  c.email AS customer_email, c.phone AS customer_phone, t.order_no, t.created_at AS created_key,
  t.updated_at AS updated_key, t.created_at, t.updated_at
FROM helpdesk.tickets t LEFT JOIN helpdesk.customers c ON c.id = t.customer_id;

CREATE VIEW mainstay.messages AS
SELECT m.id, m.ticket_id, m.created_at AS created_key, m.direction, m.is_public, m.subject, m.body, m.content_type
FROM helpdesk.messages m;

CREATE VIEW mainstay.customers AS
SELECT c.id, c.name, c.email, c.phone, c.locale, c.time_zone, c.country, c.is_vip, c.created_at
FROM helpdesk.customers c;

CREATE VIEW mainstay.ticket_tags AS
SELECT g.ticket_id, t.name AS tag, g.id AS mark
FROM helpdesk.ticket_tags g JOIN helpdesk.tags t ON t.id = g.tag_id;

CREATE VIEW mainstay.orders AS
SELECT o.id, o.order_no, o.customer_id, o.carrier, o.tracking, o.state, o.label_state, o.shipped_at,
  o.last_scan_at, o.promised_at, o.placed_at, o.total_cents, o.currency, o.skus
FROM helpdesk.orders o;

CREATE FUNCTION mainstay.ticket_lock(ids bigint[]) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.id FROM helpdesk.tickets t WHERE t.id = ANY (ids) ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
$$;

-- A tag does not touch the ticket: updated_at would reorder the queues of agents, thousands at once.
CREATE FUNCTION mainstay.tag_add(p_tag text, p_ids bigint[], p_actor bigint)
RETURNS TABLE (ticket_id bigint, mark bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE v_tag bigint;
BEGIN
  SELECT t.id INTO v_tag FROM helpdesk.tags t WHERE t.name = p_tag;
  IF NOT FOUND THEN
    -- One at a time until commit: two transactions that make two tags each would wait for each other.
    PERFORM pg_advisory_xact_lock(hashtextextended('helpdesk.tags', 0));
    INSERT INTO helpdesk.tags (name) VALUES (p_tag) ON CONFLICT (name) DO NOTHING;
    SELECT t.id INTO STRICT v_tag FROM helpdesk.tags t WHERE t.name = p_tag;
  END IF;
  RETURN QUERY
  WITH locked AS MATERIALIZED (
    SELECT t.id FROM helpdesk.tickets t WHERE t.id = ANY (p_ids) ORDER BY t.id FOR NO KEY UPDATE),
  added AS (
    INSERT INTO helpdesk.ticket_tags (ticket_id, tag_id, created_by) SELECT l.id, v_tag, p_actor FROM locked l
      ON CONFLICT (ticket_id, tag_id) DO NOTHING RETURNING ticket_id, id),
  history AS (
    INSERT INTO helpdesk.ticket_history (ticket_id, kind, detail, actor_id)
      SELECT a.ticket_id, 'tag_added', p_tag, p_actor FROM added a)
  SELECT a.ticket_id, a.id FROM added a;
END $$;

CREATE FUNCTION mainstay.tag_remove(p_tag text, p_ids bigint[], p_marks bigint[], p_actor bigint)
RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE v_tag bigint;
BEGIN
  IF cardinality(p_marks) <> cardinality(p_ids) THEN
    RAISE EXCEPTION '% tickets but % marks', cardinality(p_ids), cardinality(p_marks) USING ERRCODE = 'array_subscript_error';
  END IF;
  SELECT t.id INTO v_tag FROM helpdesk.tags t WHERE t.name = p_tag;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM 1 FROM helpdesk.tickets t WHERE t.id = ANY (p_ids) ORDER BY t.id FOR NO KEY UPDATE;
  RETURN QUERY
  WITH removed AS (
    DELETE FROM helpdesk.ticket_tags g USING unnest(p_ids, p_marks) AS u (ticket_id, mark)
      WHERE g.ticket_id = u.ticket_id AND g.tag_id = v_tag AND (p_marks IS NULL OR g.id = u.mark)
      RETURNING g.ticket_id),
  history AS (
    INSERT INTO helpdesk.ticket_history (ticket_id, kind, detail, actor_id)
      SELECT r.ticket_id, 'tag_removed', p_tag, p_actor FROM removed r)
  SELECT r.ticket_id FROM removed r;
END $$;

GRANT SELECT ON mainstay.tickets, mainstay.messages, mainstay.customers, mainstay.ticket_tags, mainstay.orders
  TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.key(timestamptz) TO mainstay_planner;
GRANT EXECUTE ON FUNCTION mainstay.ticket_lock(bigint[]), mainstay.tag_add(text, bigint[], bigint),
  mainstay.tag_remove(text, bigint[], bigint[], bigint) TO mainstay_runner;
RESET ROLE;
