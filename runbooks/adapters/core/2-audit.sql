-- What happened, who allowed it, who was asked: append-only, chained, with identities that nobody
-- can choose. session_user is the login, whatever SET ROLE says.
SET ROLE mainstay_owner;

CREATE TABLE mainstay.events (
  run_id text NOT NULL REFERENCES mainstay.runs,
  seq bigint NOT NULL,
  at timestamptz NOT NULL,
  actor name NOT NULL,
  host text NOT NULL,
  kind text NOT NULL,
  detail text NOT NULL,                 -- JSON, kept as the text that was hashed
  hash bytea NOT NULL,
  PRIMARY KEY (run_id, seq));

CREATE FUNCTION mainstay.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'mainstay.% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mainstay.events
  FOR EACH STATEMENT EXECUTE FUNCTION mainstay.refuse_change();

-- hash = SHA-256(previous hash || the fields as UTF-8 text, separated by U+001F); time in UTC with
-- microseconds. The run's row keeps count and head, so that a missing tail is found too.
CREATE FUNCTION mainstay.event_write(p_run text, p_host text, p_kind text, p_detail text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_seq bigint; v_head bytea; v_at timestamptz := clock_timestamp(); v_hash bytea;
BEGIN
  SELECT event_count + 1, event_head INTO v_seq, v_head FROM mainstay.runs WHERE id = p_run FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no run %', p_run USING ERRCODE = 'no_data_found';
  END IF;
  IF p_kind !~ '^[a-z_]{1,40}$' OR p_host ~ '[\x01-\x1f\x7f]' OR length(p_host) > 200 OR p_detail::json IS NULL THEN
    RAISE EXCEPTION 'an event cannot be written like this' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  v_hash := sha256(v_head || convert_to(concat_ws(E'\x1f', p_run, v_seq,
    to_char(v_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), session_user, p_host, p_kind, p_detail), 'UTF8'));
  INSERT INTO mainstay.events VALUES (p_run, v_seq, v_at, session_user, p_host, p_kind, p_detail, v_hash);
  UPDATE mainstay.runs SET event_count = v_seq, event_head = v_hash WHERE id = p_run;
  RETURN v_seq;
END $$;

-- For runners. What only the functions below may say, nobody else can.
CREATE FUNCTION mainstay.event_append(p_run text, p_host text, p_kind text, p_detail text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_kind IN ('approved', 'rejected', 'signal') THEN
    RAISE EXCEPTION 'an event "%" is written by its own function only', p_kind USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN mainstay.event_write(p_run, p_host, p_kind, p_detail);
END $$;

-- An approval is of the digest of a plan, for one step, by a login that did not request the run.
CREATE TABLE mainstay.approvals (
  run_id text NOT NULL REFERENCES mainstay.runs,
  step_id text NOT NULL,
  plan_digest text NOT NULL,
  approver name NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('approved', 'rejected')),
  comment text NOT NULL DEFAULT '',
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (run_id, step_id, approver));
CREATE TRIGGER approvals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mainstay.approvals
  FOR EACH STATEMENT EXECUTE FUNCTION mainstay.refuse_change();

-- Superusers and members of mainstay_owner are bound by this too: who they are is session_user.
CREATE FUNCTION mainstay.approve(p_run text, p_step text, p_digest text, p_verdict text, p_comment text, p_host text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE r mainstay.runs; s mainstay.run_steps;
BEGIN
  SELECT * INTO r FROM mainstay.runs WHERE id = p_run FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no run %', p_run USING ERRCODE = 'no_data_found';
  END IF;
  IF r.state NOT IN ('running', 'waiting', 'paused') THEN
    RAISE EXCEPTION 'run % is %: there is nothing to approve', p_run, r.state USING ERRCODE = 'check_violation';
  END IF;
  IF r.requester = session_user THEN
    RAISE EXCEPTION 'run % was requested by %, who cannot approve it', p_run, session_user USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF r.plan_digest IS DISTINCT FROM p_digest THEN
    RAISE EXCEPTION 'run % has plan %, not %', p_run, r.plan_digest, p_digest USING ERRCODE = 'check_violation';
  END IF;
  SELECT * INTO s FROM mainstay.run_steps WHERE run_id = p_run AND step_id = p_step AND uses = 'approval';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'run % has no approval step %', p_run, p_step USING ERRCODE = 'no_data_found';
  END IF;
  IF s.state IN ('done', 'failed', 'skipped') OR s.due_at <= clock_timestamp() THEN
    RAISE EXCEPTION 'step % of run % is no longer waiting for approval', p_step, p_run USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (SELECT FROM mainstay.approvals WHERE run_id = p_run AND step_id = p_step AND approver = session_user) THEN
    RAISE EXCEPTION '% has decided step % of run % already', session_user, p_step, p_run USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO mainstay.approvals (run_id, step_id, plan_digest, approver, verdict, comment)
    VALUES (p_run, p_step, p_digest, session_user, p_verdict, p_comment);
  PERFORM mainstay.event_write(p_run, p_host, p_verdict, json_build_object('step', p_step, 'digest', p_digest, 'comment', p_comment)::text);
END $$;

-- What somebody answered: the choice of a task, a signal that a wait step is waiting for. The first
-- one of a name that fits counts; later ones are only kept.
CREATE TABLE mainstay.signals (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text NOT NULL REFERENCES mainstay.runs,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  value text NOT NULL DEFAULT '' CHECK (length(value) <= 2000),
  actor name NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX signals_of_run ON mainstay.signals (run_id, name, id);
CREATE TRIGGER signals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mainstay.signals
  FOR EACH STATEMENT EXECUTE FUNCTION mainstay.refuse_change();

CREATE FUNCTION mainstay.signal(p_run text, p_name text, p_value text, p_host text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_state text;
BEGIN
  SELECT state INTO v_state FROM mainstay.runs WHERE id = p_run FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no run %', p_run USING ERRCODE = 'no_data_found';
  END IF;
  IF v_state NOT IN ('running', 'waiting', 'paused') THEN
    RAISE EXCEPTION 'run % is %: nothing waits for a signal', p_run, v_state USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO mainstay.signals (run_id, name, value, actor) VALUES (p_run, p_name, p_value, session_user);
  PERFORM mainstay.event_write(p_run, p_host, 'signal', json_build_object('name', p_name, 'value', p_value)::text);
END $$;

REVOKE ALL ON FUNCTION mainstay.event_write(text, text, text, text), mainstay.event_append(text, text, text, text),
  mainstay.signal(text, text, text, text), mainstay.approve(text, text, text, text, text, text),
  mainstay.refuse_change() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mainstay.event_append(text, text, text, text), mainstay.signal(text, text, text, text) TO mainstay_runner;
GRANT EXECUTE ON FUNCTION mainstay.approve(text, text, text, text, text, text), mainstay.signal(text, text, text, text) TO mainstay_approver;
GRANT SELECT ON mainstay.events, mainstay.approvals, mainstay.signals TO mainstay_planner;
RESET ROLE;
