INSERT INTO users (id, type, first_name, last_name, password) VALUES (400, 'agent', 'Mainstay', 'Bot', 'secret');
INSERT INTO users (id, type, first_name, last_name, email, phone_number, country)
  SELECT id, 'contact', first_name, last_name, email, phone, country FROM fixture.customers;
INSERT INTO conversations (id, created_at, updated_at, reference_number, contact_id, inbox_id, status_id, priority_id, custom_attributes, subject)
  SELECT t.id, t.created_at, t.created_at, (90000 + t.id)::text, t.customer, 1,
    CASE t.state WHEN 'open' THEN 1 WHEN 'pending' THEN 2 ELSE 4 END, 2,
    jsonb_strip_nulls(jsonb_build_object('order_number', t.order_no)), t.subject
  FROM fixture.tickets t;
INSERT INTO conversation_messages (id, created_at, type, status, private, conversation_id, content_type, content, text_content, sender_id, sender_type)
  SELECT m.id, t.created_at, (CASE m.direction WHEN 'in' THEN 'incoming' ELSE 'outgoing' END)::message_type,
    (CASE m.direction WHEN 'in' THEN 'received' ELSE 'sent' END)::message_status, m.direction = 'note', m.ticket,
    (CASE WHEN m.html THEN 'html' ELSE 'text' END)::content_type, m.body,
    m.plain,
    CASE m.direction WHEN 'in' THEN t.customer ELSE 400 END,
    (CASE m.direction WHEN 'in' THEN 'contact' ELSE 'agent' END)::message_sender_type
  FROM fixture.messages m JOIN fixture.tickets t ON t.id = m.ticket;
INSERT INTO tags (name) SELECT DISTINCT tag FROM fixture.tags;
INSERT INTO conversation_tags (tag_id, conversation_id) SELECT t.id, g.ticket FROM fixture.tags g JOIN tags t ON t.name = g.tag;
