-- The part of Znuny 6.5's schema that the adapter touches, with the types, keys and indexes that matter, typed
-- from facts about it; and the rows that every installation has, with the dynamic fields of this one.
CREATE TABLE users (id serial PRIMARY KEY, login varchar(200) NOT NULL UNIQUE, pw varchar(128) NOT NULL,
  first_name varchar(100) NOT NULL, last_name varchar(100) NOT NULL, valid_id smallint NOT NULL);
CREATE TABLE queue (id serial PRIMARY KEY, name varchar(200) NOT NULL UNIQUE);
CREATE TABLE ticket_priority (id serial PRIMARY KEY, name varchar(200) NOT NULL UNIQUE);
CREATE TABLE ticket_state_type (id serial PRIMARY KEY, name varchar(200) NOT NULL UNIQUE);
CREATE TABLE ticket_state (id serial PRIMARY KEY, name varchar(200) NOT NULL UNIQUE, type_id smallint NOT NULL);
CREATE TABLE ticket_history_type (id serial PRIMARY KEY, name varchar(200) NOT NULL UNIQUE);
CREATE TABLE article_sender_type (id serial PRIMARY KEY, name varchar(200) NOT NULL UNIQUE);
CREATE TABLE communication_channel (id bigserial PRIMARY KEY, name varchar(200) NOT NULL UNIQUE);
CREATE TABLE ticket (id bigserial PRIMARY KEY, tn varchar(50) NOT NULL UNIQUE, title varchar(255), queue_id int NOT NULL,
  ticket_lock_id smallint NOT NULL, type_id smallint, user_id int NOT NULL, ticket_priority_id smallint NOT NULL,
  ticket_state_id smallint NOT NULL, customer_id varchar(150), customer_user_id varchar(250), archive_flag smallint DEFAULT 0 NOT NULL,
  create_time timestamp(0) NOT NULL, create_by int NOT NULL, change_time timestamp(0) NOT NULL, change_by int NOT NULL);
CREATE INDEX ticket_create_time ON ticket (create_time);
CREATE INDEX ticket_customer_user_id ON ticket (customer_user_id);
CREATE INDEX ticket_archive_flag ON ticket (archive_flag);
CREATE INDEX ticket_ticket_state_id ON ticket (ticket_state_id);
CREATE TABLE ticket_history (id bigserial PRIMARY KEY, name varchar(200) NOT NULL, history_type_id smallint NOT NULL, ticket_id bigint NOT NULL,
  article_id bigint, type_id smallint NOT NULL, queue_id int NOT NULL, owner_id int NOT NULL, priority_id smallint NOT NULL,
  state_id smallint NOT NULL, create_time timestamp(0) NOT NULL, create_by int NOT NULL, change_time timestamp(0) NOT NULL, change_by int NOT NULL);
CREATE INDEX ticket_history_ticket_id ON ticket_history (ticket_id);
CREATE INDEX ticket_history_history_type_id ON ticket_history (history_type_id);
CREATE TABLE article (id bigserial PRIMARY KEY, ticket_id bigint NOT NULL, article_sender_type_id smallint NOT NULL,
  communication_channel_id bigint NOT NULL, is_visible_for_customer smallint NOT NULL,
  create_time timestamp(0) NOT NULL, create_by int NOT NULL, change_time timestamp(0) NOT NULL, change_by int NOT NULL);
CREATE INDEX article_ticket_id ON article (ticket_id);
CREATE TABLE article_data_mime (id bigserial PRIMARY KEY, article_id bigint NOT NULL, a_subject varchar(3800), a_content_type varchar(250), a_body varchar);
CREATE INDEX article_data_mime_article_id ON article_data_mime (article_id);
CREATE TABLE customer_user (id serial PRIMARY KEY, login varchar(200) NOT NULL UNIQUE, email varchar(150) NOT NULL, customer_id varchar(150) NOT NULL,
  pw varchar(128), first_name varchar(100) NOT NULL, last_name varchar(100) NOT NULL, phone varchar(150), mobile varchar(150), country varchar(200),
  create_time timestamp(0) NOT NULL);
CREATE TABLE customer_preferences (user_id varchar(250) NOT NULL, preferences_key varchar(150) NOT NULL, preferences_value varchar(250));
CREATE INDEX customer_preferences_user_id ON customer_preferences (user_id);
CREATE TABLE dynamic_field (id serial PRIMARY KEY, internal_field smallint DEFAULT 0 NOT NULL, name varchar(200) NOT NULL UNIQUE, label varchar(200) NOT NULL,
  field_order int NOT NULL, field_type varchar(200) NOT NULL, object_type varchar(100) NOT NULL, config text, valid_id smallint NOT NULL,
  create_time timestamp(0) NOT NULL, create_by int NOT NULL, change_time timestamp(0) NOT NULL, change_by int NOT NULL);
CREATE TABLE dynamic_field_value (id serial PRIMARY KEY, field_id int NOT NULL, object_id bigint NOT NULL, value_text varchar(3800),
  value_date timestamp(0), value_int bigint);
CREATE INDEX dynamic_field_value_field_values ON dynamic_field_value (object_id, field_id);
CREATE INDEX dynamic_field_value_search_text ON dynamic_field_value (field_id, left(value_text, 150));

INSERT INTO users (login, pw, first_name, last_name, valid_id) VALUES ('root@localhost', 'secret', 'Admin', 'OTRS', 1);
INSERT INTO queue (name) VALUES ('Raw');
INSERT INTO ticket_priority (name) VALUES ('1 very low'), ('2 low'), ('3 normal');
INSERT INTO ticket_state_type (name) VALUES ('new'), ('open'), ('closed'), ('pending reminder'), ('pending auto'), ('removed'), ('merged');
INSERT INTO ticket_state (name, type_id) VALUES ('new', 1), ('closed successful', 3), ('open', 2), ('pending reminder', 4), ('merged', 7);
INSERT INTO ticket_history_type (name) VALUES ('NewTicket'), ('TicketDynamicFieldUpdate');
INSERT INTO article_sender_type (name) VALUES ('agent'), ('system'), ('customer');
INSERT INTO communication_channel (name) VALUES ('Email'), ('Phone'), ('Internal');
INSERT INTO dynamic_field (name, label, field_order, field_type, object_type, config, valid_id, create_time, create_by, change_time, change_by) VALUES
  ('Tags', 'Tags', 1, 'Multiselect', 'Ticket', E'---\nDefaultValue: []\nPossibleNone: 1\nPossibleValues:\n  vip: vip\nTranslatableValues: 0\n', 1, '2026-01-01', 1, '2026-01-01', 1),
  ('OrderNumber', 'Order', 2, 'Text', 'Ticket', E'---\nDefaultValue: ''''\n', 1, '2026-01-01', 1, '2026-01-01', 1);
