-- Orders live in the shop. Where this database has them too (a copy, a foreign table), the setting orders_table
-- of a helpdesk's adapter names the table or view, with its schema, that has the columns of view `orders` in
-- runbooks/adapters/README.md; the adapter then has the capability.
SET ROLE mainstay_owner;

CREATE FUNCTION mainstay.offer_orders(p_table text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_table = '' THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO mainstay_owner',
    (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = p_table::regclass));
  EXECUTE format('GRANT SELECT ON %s TO mainstay_owner', p_table::regclass);
  EXECUTE format('CREATE VIEW mainstay.orders AS SELECT id, order_no, customer_id, carrier, tracking, state, label_state, '
    'shipped_at, last_scan_at, promised_at, placed_at, total_cents, currency, skus FROM %s', p_table::regclass);
  ALTER VIEW mainstay.orders OWNER TO mainstay_owner;
  GRANT SELECT ON mainstay.orders TO mainstay_planner;
END $$;
RESET ROLE;
