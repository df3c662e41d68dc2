-- Into the schema of Redmine's migrations, with its default data. Redmine leaves a blank value for a field
-- without values; the first message is the description.
INSERT INTO users (id, login, firstname, lastname, type, hashed_password, salt, created_on)
  VALUES (400, 'mainstay', 'Mainstay', 'Bot', 'User', 'secret', 'secret', '2026-01-01');
INSERT INTO users (id, login, firstname, lastname, language, type, hashed_password, created_on)
  SELECT id, 'c' || id, first_name, last_name, COALESCE(locale, ''), 'User', 'secret', '2026-01-01' FROM fixture.customers;
INSERT INTO email_addresses (user_id, address, is_default, created_on, updated_on)
  SELECT id, email, true, '2026-01-01', '2026-01-01' FROM fixture.customers WHERE email IS NOT NULL;
INSERT INTO projects (id, name, identifier, status, lft, rgt, created_on, updated_on) VALUES (1, 'Shop', 'shop', 1, 1, 2, '2026-01-01', '2026-01-01');
INSERT INTO projects_trackers (project_id, tracker_id) VALUES (1, 3);
INSERT INTO enabled_modules (project_id, name) VALUES (1, 'issue_tracking');
INSERT INTO issues (id, tracker_id, project_id, subject, description, status_id, priority_id, author_id, root_id, lft, rgt, created_on, updated_on)
  SELECT t.id, 3, 1, t.subject, COALESCE(m.plain, ''), CASE t.state WHEN 'open' THEN 1 WHEN 'pending' THEN 4 ELSE 5 END, 2, t.customer, t.id, 1, 2,
    t.created_at AT TIME ZONE 'UTC', t.created_at AT TIME ZONE 'UTC'
  FROM fixture.tickets t LEFT JOIN fixture.messages m ON m.ticket = t.id AND m.direction = 'in';
INSERT INTO journals (journalized_id, journalized_type, user_id, notes, private_notes, created_on)
  SELECT m.ticket, 'Issue', 400, m.plain, m.direction = 'note', t.created_at AT TIME ZONE 'UTC'
  FROM fixture.messages m JOIN fixture.tickets t ON t.id = m.ticket WHERE m.direction <> 'in';
INSERT INTO custom_fields (id, type, name, field_format, multiple, is_for_all, is_filter, position) VALUES
  (50, 'IssueCustomField', 'Tags', 'enumeration', true, true, true, 1), (51, 'IssueCustomField', 'Order', 'string', false, true, true, 2);
INSERT INTO custom_fields_trackers (custom_field_id, tracker_id) VALUES (50, 3), (51, 3);
INSERT INTO custom_field_enumerations (custom_field_id, name, position) SELECT 50, tag, row_number() OVER (ORDER BY tag) FROM (SELECT DISTINCT tag FROM fixture.tags) g;
INSERT INTO custom_values (customized_type, customized_id, custom_field_id, value)
  SELECT 'Issue', t.id, 50, COALESCE(e.id::text, '') FROM fixture.tickets t
    LEFT JOIN fixture.tags g ON g.ticket = t.id LEFT JOIN custom_field_enumerations e ON e.custom_field_id = 50 AND e.name = g.tag
  UNION ALL SELECT 'Issue', id, 51, COALESCE(order_no, '') FROM fixture.tickets;
