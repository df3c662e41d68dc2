INSERT INTO users (id, name, encrypted_password) VALUES (400, 'Mainstay Bot', 'secret');
INSERT INTO contacts (id, name, last_name, email, phone_number, account_id, country_code, created_at, updated_at)
  SELECT id, first_name, last_name, email, phone, 1, COALESCE(country, ''), '2026-01-01', '2026-01-01' FROM fixture.customers;
INSERT INTO conversations (id, account_id, inbox_id, status, contact_id, display_id, additional_attributes, custom_attributes,
    created_at, updated_at, last_activity_at, cached_label_list)
  SELECT t.id, 1, 1, CASE t.state WHEN 'open' THEN 0 WHEN 'pending' THEN 3 ELSE 1 END, t.customer, 90000 + t.id,
    jsonb_strip_nulls(jsonb_build_object('mail_subject', t.subject, 'conversation_language', c.locale)),
    jsonb_strip_nulls(jsonb_build_object('order_number', t.order_no)),
    t.created_at AT TIME ZONE 'UTC', t.created_at AT TIME ZONE 'UTC', t.created_at AT TIME ZONE 'UTC',
    (SELECT string_agg(replace(g.tag, ':', '__'), ', ' ORDER BY g.tag) FROM fixture.tags g WHERE g.ticket = t.id)
  FROM fixture.tickets t JOIN fixture.customers c ON c.id = t.customer;
-- Chatwoot keeps a mail's text: markup is gone before it is stored.
INSERT INTO messages (id, content, account_id, inbox_id, conversation_id, message_type, private, created_at, updated_at)
  SELECT m.id, m.plain, 1, 1, m.ticket, CASE m.direction WHEN 'in' THEN 0 ELSE 1 END, m.direction = 'note',
    t.created_at AT TIME ZONE 'UTC', t.created_at AT TIME ZONE 'UTC'
  FROM fixture.messages m JOIN fixture.tickets t ON t.id = m.ticket;
INSERT INTO tags (name, taggings_count) SELECT replace(tag, ':', '__'), count(*) FROM fixture.tags GROUP BY tag;
INSERT INTO labels (title, account_id, show_on_sidebar, created_at, updated_at) SELECT name, 1, true, '2026-01-01', '2026-01-01' FROM tags;
INSERT INTO taggings (tag_id, taggable_type, taggable_id, context, created_at)
  SELECT t.id, 'Conversation', g.ticket, 'labels', '2026-01-01' FROM fixture.tags g JOIN tags t ON t.name = replace(g.tag, ':', '__')
  ORDER BY g.tag;
