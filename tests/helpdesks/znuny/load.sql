INSERT INTO users (id, login, pw, first_name, last_name, valid_id) VALUES (400, 'mainstay', 'secret', 'Mainstay', 'Bot', 1);
INSERT INTO customer_user (id, login, email, customer_id, first_name, last_name, phone, country, create_time)
  SELECT id, 'c' || id, COALESCE(email, ''), 'c' || id, first_name, last_name, phone, country, '2026-01-01' FROM fixture.customers;
INSERT INTO customer_preferences SELECT 'c' || id, 'UserLanguage', locale FROM fixture.customers WHERE locale IS NOT NULL;
INSERT INTO ticket (id, tn, title, queue_id, ticket_lock_id, type_id, user_id, ticket_priority_id, ticket_state_id, customer_id, customer_user_id,
    create_time, create_by, change_time, change_by)
  SELECT t.id, (90000 + t.id)::text, t.subject, 1, 1, 1, 1, 3, s.id, 'c' || t.customer, 'c' || t.customer,
    t.created_at AT TIME ZONE 'UTC', 1, t.created_at AT TIME ZONE 'UTC', 1
  FROM fixture.tickets t JOIN ticket_state s ON s.name =
    CASE t.state WHEN 'pending' THEN 'pending reminder' WHEN 'closed' THEN 'closed successful' ELSE t.state END;
INSERT INTO article (id, ticket_id, article_sender_type_id, communication_channel_id, is_visible_for_customer, create_time, create_by, change_time, change_by)
  SELECT m.id, m.ticket, CASE m.direction WHEN 'in' THEN 3 ELSE 1 END, CASE m.direction WHEN 'note' THEN 3 ELSE 1 END,
    CASE m.direction WHEN 'note' THEN 0 ELSE 1 END, t.created_at AT TIME ZONE 'UTC', 1, t.created_at AT TIME ZONE 'UTC', 1
  FROM fixture.messages m JOIN fixture.tickets t ON t.id = m.ticket;
INSERT INTO article_data_mime (article_id, a_subject, a_content_type, a_body)
  SELECT id, '', CASE WHEN html THEN 'text/html; charset=utf-8' ELSE 'text/plain; charset=utf-8' END, body FROM fixture.messages;
INSERT INTO dynamic_field_value (field_id, object_id, value_text) SELECT 1, ticket, tag FROM fixture.tags ORDER BY ticket, tag;
INSERT INTO dynamic_field_value (field_id, object_id, value_text) SELECT 2, id, order_no FROM fixture.tickets WHERE order_no IS NOT NULL;
