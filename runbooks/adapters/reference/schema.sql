-- A complete small helpdesk. It stands by itself: nothing here knows of schema "mainstay". Rows come
-- from `mainstay adapter import` (external_id is what the place they come from calls them) or from
-- an application. Whoever installs it owns it; members of helpdesk_import may fill it.
DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'helpdesk_import') THEN
    CREATE ROLE helpdesk_import NOLOGIN;
  END IF;
END $$;
CREATE SCHEMA helpdesk;

CREATE TABLE helpdesk.customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  external_id text NOT NULL UNIQUE,
  name text,
  email text,
  phone text,                           -- as written: +4930123456
  locale text,                          -- en, de-AT
  time_zone text,                       -- Europe/Berlin
  country text,                         -- DE
  is_vip boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX customers_email ON helpdesk.customers (lower(email));

CREATE TABLE helpdesk.tickets (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  external_id text NOT NULL UNIQUE,
  number text UNIQUE,                   -- what agents say, where that is not external_id
  subject text,
  status text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'open', 'pending', 'on_hold', 'solved', 'closed')),
  priority text CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
  queue text,
  assignee text,
  channel text,
  locale text,
  customer_id bigint REFERENCES helpdesk.customers,
  order_no text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 90);
CREATE INDEX tickets_open ON helpdesk.tickets (created_at) WHERE status IN ('new', 'open', 'pending', 'on_hold');
CREATE INDEX tickets_created ON helpdesk.tickets (created_at);
CREATE INDEX tickets_queue ON helpdesk.tickets (queue, status, updated_at);
CREATE INDEX tickets_customer ON helpdesk.tickets (customer_id, created_at);
CREATE INDEX tickets_order ON helpdesk.tickets (order_no) WHERE order_no IS NOT NULL;

CREATE TABLE helpdesk.messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  external_id text NOT NULL UNIQUE,
  ticket_id bigint NOT NULL REFERENCES helpdesk.tickets,
  direction text NOT NULL CHECK (direction IN ('in', 'out', 'internal', 'system')),
  is_public boolean NOT NULL DEFAULT true,
  subject text,
  body text NOT NULL DEFAULT '',
  content_type text NOT NULL DEFAULT 'text/plain',
  created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX messages_ticket ON helpdesk.messages (ticket_id, created_at);

CREATE TABLE helpdesk.orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  external_id text NOT NULL UNIQUE,
  order_no text NOT NULL UNIQUE,
  customer_id bigint REFERENCES helpdesk.customers,
  carrier text,                         -- ups, fedex, usps, dhl, ...
  tracking text,
  state text NOT NULL CHECK (state IN ('paid', 'labelled', 'in_transit', 'delivered', 'returned', 'cancelled')),
  label_state text CHECK (label_state IN ('none', 'created', 'failed')),
  shipped_at timestamptz,
  last_scan_at timestamptz,
  promised_at timestamptz,
  placed_at timestamptz NOT NULL DEFAULT now(),
  total_cents bigint,
  currency text,
  skus text[] NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX orders_customer ON helpdesk.orders (customer_id);
CREATE INDEX orders_carrier ON helpdesk.orders (carrier, promised_at) WHERE state IN ('paid', 'labelled', 'in_transit');
CREATE INDEX orders_skus ON helpdesk.orders USING gin (skus);

CREATE TABLE helpdesk.tags (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name = btrim(name) AND length(name) BETWEEN 1 AND 200 AND name !~ '[[:cntrl:]]'));

-- The id names this assignment: set again, it is another one.
CREATE TABLE helpdesk.ticket_tags (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ticket_id bigint NOT NULL REFERENCES helpdesk.tickets,
  tag_id bigint NOT NULL REFERENCES helpdesk.tags,
  created_by bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (ticket_id, tag_id));
CREATE INDEX ticket_tags_tag ON helpdesk.ticket_tags (tag_id, ticket_id);

CREATE TABLE helpdesk.ticket_history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ticket_id bigint NOT NULL REFERENCES helpdesk.tickets,
  kind text NOT NULL,                   -- tag_added, tag_removed, status, ...
  detail text NOT NULL DEFAULT '',      -- the tag, the new status
  actor_id bigint NOT NULL DEFAULT 0,
  at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ticket_history_ticket ON helpdesk.ticket_history (ticket_id, at);

GRANT USAGE ON SCHEMA helpdesk TO helpdesk_import;
GRANT SELECT, INSERT, UPDATE ON helpdesk.customers, helpdesk.tickets, helpdesk.messages, helpdesk.orders TO helpdesk_import;
GRANT SELECT, INSERT ON helpdesk.tags, helpdesk.ticket_history TO helpdesk_import;
GRANT SELECT, INSERT, DELETE ON helpdesk.ticket_tags TO helpdesk_import;
