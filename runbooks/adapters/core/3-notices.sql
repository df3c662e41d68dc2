-- The outbox: one notice for each customer, template and run, rendered and stored before anything is
-- sent. Nothing here touches the helpdesk's own message tables.
SET ROLE mainstay_owner;

CREATE TABLE mainstay.notices (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text NOT NULL REFERENCES mainstay.runs,
  step_id text NOT NULL,
  template text NOT NULL,
  customer_key text NOT NULL,           -- "c:<customer id>", else "a:<address>", or "webhook:<name>/<n>"
  customer_id bigint,
  ticket_id bigint,                     -- the thread to answer in, where there is one
  api_ref text,
  orders text[] NOT NULL DEFAULT '{}',
  channel text NOT NULL CHECK (channel IN ('email', 'sms', 'webhook', 'helpdesk')),
  address text NOT NULL,                -- of a webhook its configured name, never its URL
  locale text NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('service', 'delay', 'safety', 'security', 'status')),
  subject text NOT NULL DEFAULT '',
  body_text text NOT NULL,
  body_html text,
  state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'held', 'sending', 'sent', 'retry',
    'suppressed', 'cancelled', 'expired', 'dead', 'unknown')),
  reason text,                          -- why suppressed, cancelled, dead
  priority int NOT NULL DEFAULT 100,    -- lower goes first
  not_before timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL,
  lease_owner text,
  lease_until timestamptz,
  fence bigint NOT NULL DEFAULT 0,
  message_id text NOT NULL UNIQUE,
  last_code int,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz,
  CHECK (expires_at > not_before),
  UNIQUE (run_id, template, customer_key));
CREATE INDEX notices_due ON mainstay.notices (channel, next_at, priority, id) WHERE state IN ('queued', 'retry');
CREATE INDEX notices_sending ON mainstay.notices (lease_until) WHERE state = 'sending';
-- "once per customer" looks across runs; webhooks are delivered in the order of their ids.
CREATE INDEX notices_of_customer ON mainstay.notices (customer_key, template, created_at);
CREATE INDEX notices_of_webhook ON mainstay.notices (address, run_id, id) WHERE channel = 'webhook';
ALTER TABLE mainstay.notices SET (autovacuum_vacuum_scale_factor = 0.01);

-- Whom not to write to, and why. NULL channel: all of them. Scope "service" still lets safety through.
CREATE TABLE mainstay.suppressions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_key text NOT NULL,
  channel text CHECK (channel IN ('email', 'sms', 'helpdesk')),
  reason text NOT NULL CHECK (reason IN ('unsubscribed', 'hard_bounce', 'complaint', 'legal_hold', 'test_account', 'other')),
  source text NOT NULL DEFAULT '',
  expires_at timestamptz,
  created_by name NOT NULL DEFAULT session_user,
  created_at timestamptz NOT NULL DEFAULT now());
CREATE UNIQUE INDEX suppressions_once ON mainstay.suppressions (customer_key, COALESCE(channel, ''), reason);

GRANT SELECT ON mainstay.notices, mainstay.suppressions TO mainstay_planner;
GRANT INSERT ON mainstay.notices, mainstay.suppressions TO mainstay_runner;
GRANT UPDATE (state, reason) ON mainstay.notices TO mainstay_runner;
GRANT UPDATE (source, expires_at), DELETE ON mainstay.suppressions TO mainstay_runner;
GRANT UPDATE (state, reason, attempts, next_at, lease_owner, lease_until, fence, last_code, last_error, sent_at)
  ON mainstay.notices TO mainstay_dispatcher;
RESET ROLE;
