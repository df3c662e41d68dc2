INSERT INTO users (id, login, firstname, lastname, created_at, updated_at)
  VALUES (400, 'mainstay', 'Mainstay', 'Bot', '2026-01-01', '2026-01-01');
INSERT INTO users (id, login, firstname, lastname, email, phone, country, preferences, created_at, updated_at)
  SELECT id, 'c' || id, first_name, last_name, COALESCE(email, ''), COALESCE(phone, ''), COALESCE(country, ''),
    E'---\nnotification_config: {}\n' || COALESCE('locale: ' || locale || E'\n', ''), '2026-01-01', '2026-01-01'
  FROM fixture.customers;
INSERT INTO tickets (id, group_id, priority_id, state_id, number, title, owner_id, customer_id, create_article_type_id,
    order_number, created_by_id, updated_by_id, created_at, updated_at)
  SELECT t.id, 1, 2, s.id, (90000 + t.id)::text, t.subject, 1, t.customer, 1, t.order_no, 1, 1,
    t.created_at AT TIME ZONE 'UTC', t.created_at AT TIME ZONE 'UTC'
  FROM fixture.tickets t JOIN ticket_states s ON s.name =
    CASE t.state WHEN 'pending' THEN 'pending reminder' ELSE t.state END;
INSERT INTO ticket_articles (id, ticket_id, type_id, sender_id, subject, content_type, body, internal, created_by_id, created_at, updated_at)
  SELECT m.id, m.ticket, CASE m.direction WHEN 'note' THEN 2 ELSE 1 END, CASE m.direction WHEN 'in' THEN 2 ELSE 1 END,
    '', CASE WHEN m.html THEN 'text/html' ELSE 'text/plain' END, m.body, m.direction = 'note', 1,
    t.created_at AT TIME ZONE 'UTC', t.created_at AT TIME ZONE 'UTC'
  FROM fixture.messages m JOIN fixture.tickets t ON t.id = m.ticket;
INSERT INTO tag_objects (name, created_at, updated_at) VALUES ('Ticket', '2026-01-01', '2026-01-01');
INSERT INTO tag_items (name, name_downcase, created_at, updated_at)
  SELECT DISTINCT tag, lower(tag), '2026-01-01'::timestamp, '2026-01-01'::timestamp FROM fixture.tags;
INSERT INTO tags (tag_item_id, tag_object_id, o_id, created_by_id, created_at, updated_at)
  SELECT i.id, 1, g.ticket, 1, '2026-01-01', '2026-01-01' FROM fixture.tags g JOIN tag_items i ON i.name = g.tag;
