-- Schema "mainstay" in the helpdesk's database: what is the same on every helpdesk. Adapters add the
-- views and the tag functions (runbooks/adapters/README.md); nothing of the helpdesk's own is changed.
--
-- Roles, all NOLOGIN; persons and pods get logins that are members of one or more of them:
--   mainstay_owner     owns everything here; holds the narrow grants on the helpdesk's tables
--   mainstay_planner   reads the views: lint, plan, status, report
--   mainstay_runner    also writes runs, targets, ledger and notices, and calls the tag functions
--   mainstay_approver  also approves; a login should not be runner and approver at once
--   mainstay_dispatcher sends what is in the outbox
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['mainstay_owner', 'mainstay_planner', 'mainstay_runner', 'mainstay_approver', 'mainstay_dispatcher'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = r) THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', r);
    END IF;
  END LOOP;
  IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    GRANT mainstay_owner TO CURRENT_USER; -- CREATEROLE alone may not SET ROLE
  END IF;
END $$;
-- What only a superuser can give. Without it runs work too: load() then sees our own sessions only,
-- and restore points are left to `mainstay restore-point create`; the run says so.
DO $$
BEGIN
  GRANT pg_read_all_stats TO mainstay_owner;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'mainstay_owner may not see the load of other sessions: runs cannot slow down for it';
END $$;
DO $$
BEGIN
  GRANT EXECUTE ON FUNCTION pg_catalog.pg_create_restore_point(text) TO mainstay_runner;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'mainstay_runner may not make restore points';
END $$;
GRANT mainstay_planner TO mainstay_runner, mainstay_approver, mainstay_dispatcher;
CREATE SCHEMA mainstay AUTHORIZATION mainstay_owner;
GRANT USAGE ON SCHEMA mainstay TO mainstay_planner;
SET ROLE mainstay_owner;
-- PUBLIC would include the planner: what an adapter forgets to revoke must not be open.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- What the adapter was installed with: core, adapter, adapter_version, actor, tag_field, ...
CREATE TABLE mainstay.settings (name text PRIMARY KEY, value text NOT NULL);
GRANT SELECT ON mainstay.settings TO mainstay_planner;

-- Which views and functions are the adapter's: the next installation makes them anew.
CREATE TABLE mainstay.adapter_objects (kind text, identity text, PRIMARY KEY (kind, identity));
CREATE FUNCTION mainstay.all_objects() RETURNS TABLE (kind text, identity text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'view', c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'mainstay'::regnamespace AND c.relkind = 'v'
  UNION ALL
  SELECT 'function', p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = 'mainstay'::regnamespace
$$;

-- A run of a runbook, or the undo of one. The row is the lease too: whoever raised `fence` last and
-- renews `lease_until` may write; every batch compares its fence in its own transaction.
CREATE TABLE mainstay.runs (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  kind text NOT NULL DEFAULT 'run' CHECK (kind IN ('run', 'undo')),
  undoes text REFERENCES mainstay.runs,
  runbook text NOT NULL,
  version text NOT NULL,
  runbook_digest text NOT NULL CHECK (runbook_digest ~ '^[0-9a-f]{64}$'),
  plan_digest text NOT NULL CHECK (plan_digest ~ '^[0-9a-f]{64}$'),
  source text NOT NULL,                 -- the runbook as planned: another machine resumes from here
  plan text NOT NULL,                   -- byte for byte, so that its digest can be checked again
  concurrency_group text NOT NULL,
  requester name NOT NULL DEFAULT session_user,
  state text NOT NULL DEFAULT 'running'
    CHECK (state IN ('running', 'waiting', 'paused', 'done', 'failed', 'cancelled')),
  wanted text CHECK (wanted IN ('pause', 'cancel')),
  reason text,                          -- why it waits, is paused, slowed down or failed
  fence bigint NOT NULL DEFAULT 0,
  holder text,
  lease_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  next_update_at timestamptz,           -- when people were promised to hear from us again
  breached_at timestamptz,              -- the promise whose breach was reported
  event_count bigint NOT NULL DEFAULT 0,
  event_head bytea NOT NULL DEFAULT '\x');
CREATE UNIQUE INDEX runs_one_live_of_group ON mainstay.runs (concurrency_group)
  WHERE state IN ('running', 'waiting', 'paused');

-- The frozen selections. seq follows id, so that rows are locked in one order.
CREATE TABLE mainstay.run_targets (
  run_id text NOT NULL REFERENCES mainstay.runs,
  selection text NOT NULL,
  seq bigint NOT NULL,
  id bigint NOT NULL,                   -- of a ticket, an order or a customer, as the selection says
  ticket_id bigint,                     -- the same where it is a ticket
  customer_id bigint,
  segment text NOT NULL DEFAULT '',
  PRIMARY KEY (run_id, selection, seq));

-- One row for each step of a run. The cursor moves in the transaction of the batch that it counts, and so
-- do the counts in result.
CREATE TABLE mainstay.run_steps (
  run_id text NOT NULL REFERENCES mainstay.runs,
  section text NOT NULL CHECK (section IN ('steps', 'recover', 'undo')),
  at int NOT NULL,
  step_id text NOT NULL,
  uses text NOT NULL,
  state text NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'running', 'waiting', 'done', 'skipped', 'failed')),
  cursor bigint NOT NULL DEFAULT 0,
  result jsonb NOT NULL DEFAULT '{}',
  started_at timestamptz,
  due_at timestamptz,                   -- what it waits for must have come by then
  finished_at timestamptz,
  PRIMARY KEY (run_id, section, at),
  UNIQUE (run_id, step_id));

-- What batches really took: for the estimate of the next plan, and for the report.
CREATE TABLE mainstay.run_batches (
  run_id text NOT NULL REFERENCES mainstay.runs,
  step_id text NOT NULL,
  seq bigint NOT NULL,
  targets int NOT NULL,
  changed int NOT NULL,
  held int NOT NULL,
  duration_us bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (run_id, step_id, seq));

-- The ledger: every tag that a run really added or removed, and nothing else. `mark` names the
-- assignment itself (ticket_tags.mark), so that undo never removes one that somebody made later.
CREATE TABLE mainstay.changes (
  run_id text NOT NULL REFERENCES mainstay.runs,
  step_id text NOT NULL,
  ticket_id bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('tag+', 'tag-')),
  value text NOT NULL,
  mark bigint,
  at timestamptz NOT NULL DEFAULT now(),
  undone_by text REFERENCES mainstay.runs,
  PRIMARY KEY (run_id, step_id, kind, value, ticket_id));

-- Targets that did not go the ordinary way: held (row locked by somebody, tried again later), gone,
-- changed (premise no longer true, or the notice comes out differently), suppressed (since the plan),
-- conflict (undo leaves it alone). They count tickets, or customers for a notice.
CREATE TABLE mainstay.run_exceptions (
  run_id text NOT NULL REFERENCES mainstay.runs,
  step_id text NOT NULL,
  id bigint NOT NULL,
  of text NOT NULL DEFAULT 'ticket' CHECK (of IN ('ticket', 'customer')),
  what text NOT NULL CHECK (what IN ('held', 'gone', 'changed', 'suppressed', 'conflict')),
  detail text NOT NULL DEFAULT '',
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run_id, step_id, id));

GRANT SELECT ON mainstay.runs, mainstay.run_targets, mainstay.run_steps, mainstay.run_batches,
  mainstay.changes, mainstay.run_exceptions TO mainstay_planner;
-- Not requester, event_count, event_head: who asked for a run is who is logged in.
GRANT INSERT (id, kind, undoes, runbook, version, runbook_digest, plan_digest, source, plan, concurrency_group,
  state, reason, fence, holder, lease_until, next_update_at) ON mainstay.runs TO mainstay_runner;
GRANT INSERT ON mainstay.run_targets, mainstay.run_steps, mainstay.run_batches, mainstay.changes,
  mainstay.run_exceptions TO mainstay_runner;
GRANT UPDATE (state, wanted, reason, fence, holder, lease_until, finished_at, next_update_at, breached_at)
  ON mainstay.runs TO mainstay_runner;
GRANT UPDATE (state, cursor, result, started_at, due_at, finished_at) ON mainstay.run_steps TO mainstay_runner;
GRANT UPDATE (undone_by) ON mainstay.changes TO mainstay_runner;
GRANT UPDATE (what, detail, at), DELETE ON mainstay.run_exceptions TO mainstay_runner;

-- How busy the server is, as numbers only: no statements, no names. sees_all is false where the owner
-- may not look at other sessions; then active and replica_lag_us mean nothing.
CREATE FUNCTION mainstay.load(OUT active bigint, OUT lock_waits bigint, OUT replica_lag_us bigint, OUT sees_all boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT (SELECT count(*) FROM pg_stat_activity
           WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()),
         (SELECT count(*) FROM pg_locks WHERE NOT granted),
         (SELECT COALESCE(max(extract(epoch FROM replay_lag) * 1000000), 0)::bigint FROM pg_stat_replication
           WHERE replay_lsn IS NOT NULL), -- a receiver of WAL that replays nothing lags for ever
         pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
$$;
REVOKE ALL ON FUNCTION mainstay.load() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mainstay.load() TO mainstay_runner;
RESET ROLE;
