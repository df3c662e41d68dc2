-- The part of Zammad 7's schema that the adapter touches, with the types, defaults, keys and indexes that
-- matter, typed from facts about it; and the rows that every installation has.
CREATE TABLE users (id serial PRIMARY KEY, login varchar(255) NOT NULL UNIQUE, firstname varchar(100) DEFAULT '',
  lastname varchar(100) DEFAULT '', email varchar(255) DEFAULT '', phone varchar(100) DEFAULT '', mobile varchar(100) DEFAULT '',
  country varchar(100) DEFAULT '', vip boolean DEFAULT false, password varchar(120), preferences text,
  created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE TABLE groups (id serial PRIMARY KEY, name varchar(160) NOT NULL UNIQUE);
CREATE TABLE ticket_state_types (id serial PRIMARY KEY, name varchar(250) NOT NULL UNIQUE);
CREATE TABLE ticket_states (id serial PRIMARY KEY, state_type_id int NOT NULL REFERENCES ticket_state_types,
  name varchar(250) NOT NULL UNIQUE);
CREATE TABLE ticket_priorities (id serial PRIMARY KEY, name varchar(250) NOT NULL UNIQUE);
CREATE TABLE ticket_article_types (id serial PRIMARY KEY, name varchar(250) NOT NULL UNIQUE);
CREATE TABLE ticket_article_senders (id serial PRIMARY KEY, name varchar(250) NOT NULL UNIQUE);
CREATE TABLE tickets (id serial PRIMARY KEY, group_id int NOT NULL REFERENCES groups, priority_id int NOT NULL REFERENCES ticket_priorities,
  state_id int NOT NULL REFERENCES ticket_states, number varchar(60) NOT NULL, title varchar(250) NOT NULL,
  owner_id int NOT NULL REFERENCES users, customer_id int NOT NULL REFERENCES users, create_article_type_id int,
  order_number varchar(120), created_by_id int NOT NULL, updated_by_id int NOT NULL,
  created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE UNIQUE INDEX index_tickets_on_number ON tickets (number);
CREATE INDEX index_tickets_on_created_at ON tickets (created_at);
CREATE INDEX index_tickets_on_updated_at ON tickets (updated_at);
CREATE INDEX index_tickets_on_state_id ON tickets (state_id);
CREATE INDEX index_tickets_on_customer_id_and_state_id_and_created_at ON tickets (customer_id, state_id, created_at);
CREATE TABLE ticket_articles (id serial PRIMARY KEY, ticket_id int NOT NULL REFERENCES tickets, type_id int NOT NULL REFERENCES ticket_article_types,
  sender_id int NOT NULL REFERENCES ticket_article_senders, subject varchar(3000), content_type varchar(20) DEFAULT 'text/plain' NOT NULL,
  body text NOT NULL, internal boolean DEFAULT false NOT NULL, created_by_id int NOT NULL,
  created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE INDEX index_ticket_articles_on_ticket_id ON ticket_articles (ticket_id);
CREATE INDEX index_ticket_articles_on_created_at ON ticket_articles (created_at);
CREATE TABLE tag_objects (id serial PRIMARY KEY, name varchar(250) NOT NULL, created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE UNIQUE INDEX index_tag_objects_on_lower_name ON tag_objects (lower(name));
CREATE TABLE tag_items (id serial PRIMARY KEY, name varchar(250) NOT NULL, name_downcase varchar(250) NOT NULL,
  created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE INDEX index_tag_items_on_name_downcase ON tag_items (name_downcase);
CREATE TABLE tags (id serial PRIMARY KEY, tag_item_id int NOT NULL REFERENCES tag_items, tag_object_id int NOT NULL REFERENCES tag_objects,
  o_id int NOT NULL, created_by_id int NOT NULL REFERENCES users, created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE INDEX index_tags_on_o_id ON tags (o_id);
CREATE INDEX index_tags_on_tag_object_id ON tags (tag_object_id);
CREATE TABLE history_types (id serial PRIMARY KEY, name varchar(250) NOT NULL, created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE UNIQUE INDEX index_history_types_on_lower_name ON history_types (lower(name));
CREATE TABLE history_objects (id serial PRIMARY KEY, name varchar(250) NOT NULL, created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE UNIQUE INDEX index_history_objects_on_lower_name ON history_objects (lower(name));
CREATE TABLE history_attributes (id serial PRIMARY KEY, name varchar(250) NOT NULL, created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE UNIQUE INDEX index_history_attributes_on_lower_name ON history_attributes (lower(name));
CREATE TABLE histories (id serial PRIMARY KEY, history_type_id int NOT NULL REFERENCES history_types,
  history_object_id int NOT NULL REFERENCES history_objects, history_attribute_id int REFERENCES history_attributes,
  o_id int NOT NULL, value_from varchar(500), value_to varchar(500), created_by_id int NOT NULL REFERENCES users,
  created_at timestamp(3) NOT NULL, updated_at timestamp(3) NOT NULL);
CREATE INDEX index_histories_on_o_id ON histories (o_id);
CREATE INDEX index_histories_on_history_object_id ON histories (history_object_id);

INSERT INTO users (id, login, firstname, lastname, created_at, updated_at) VALUES (1, '-', '-', '', '2026-01-01', '2026-01-01');
INSERT INTO groups (name) VALUES ('Users');
INSERT INTO ticket_state_types (name) VALUES ('new'), ('open'), ('pending reminder'), ('pending action'), ('closed'), ('merged');
INSERT INTO ticket_states (state_type_id, name) SELECT id, name FROM ticket_state_types ORDER BY id;
INSERT INTO ticket_priorities (name) VALUES ('1 low'), ('2 normal'), ('3 high');
INSERT INTO ticket_article_types (name) VALUES ('email'), ('note');
INSERT INTO ticket_article_senders (name) VALUES ('Agent'), ('Customer'), ('System');
INSERT INTO history_objects (name, created_at, updated_at) VALUES ('Ticket', '2026-01-01', '2026-01-01');
