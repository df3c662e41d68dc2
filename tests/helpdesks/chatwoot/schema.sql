-- The part of Chatwoot 4's schema that the adapter touches, with the types, defaults, keys and indexes that
-- matter, typed from facts about it; and one account with one inbox.
CREATE EXTENSION pg_trgm;
CREATE TABLE accounts (id serial PRIMARY KEY, name varchar NOT NULL);
CREATE TABLE users (id serial PRIMARY KEY, name varchar NOT NULL, email varchar, encrypted_password varchar DEFAULT '' NOT NULL, tokens json);
CREATE TABLE teams (id bigserial PRIMARY KEY, name varchar NOT NULL, account_id bigint NOT NULL);
CREATE TABLE inboxes (id serial PRIMARY KEY, channel_id int NOT NULL, account_id int NOT NULL, name varchar NOT NULL, channel_type varchar);
CREATE TABLE contacts (id serial PRIMARY KEY, name varchar DEFAULT '', last_name varchar DEFAULT '', email varchar, phone_number varchar,
  account_id int NOT NULL, country_code varchar DEFAULT '', additional_attributes jsonb DEFAULT '{}', custom_attributes jsonb DEFAULT '{}',
  created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE UNIQUE INDEX uniq_email_per_account_contact ON contacts (email, account_id);
CREATE TABLE conversations (id serial PRIMARY KEY, account_id int NOT NULL, inbox_id int NOT NULL, status int DEFAULT 0 NOT NULL,
  assignee_id int, contact_id bigint, display_id int NOT NULL, team_id bigint, priority int, additional_attributes jsonb DEFAULT '{}',
  custom_attributes jsonb DEFAULT '{}', cached_label_list text, last_activity_at timestamp DEFAULT CURRENT_TIMESTAMP NOT NULL,
  uuid uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE UNIQUE INDEX index_conversations_on_account_id_and_display_id ON conversations (account_id, display_id);
CREATE INDEX index_conversations_on_contact_id ON conversations (contact_id);
CREATE INDEX index_conversations_on_status_and_account_id ON conversations (status, account_id);
CREATE INDEX index_conversations_on_status_and_priority ON conversations (status, priority);
CREATE TABLE messages (id serial PRIMARY KEY, content text, account_id int NOT NULL, inbox_id int NOT NULL, conversation_id int NOT NULL,
  message_type int NOT NULL, content_type int DEFAULT 0 NOT NULL, private boolean DEFAULT false NOT NULL, status int DEFAULT 0,
  sender_type varchar, sender_id bigint, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE INDEX index_messages_on_conversation_id ON messages (conversation_id);
CREATE INDEX index_messages_on_created_at ON messages (created_at);
CREATE INDEX index_messages_on_content ON messages USING gin (content gin_trgm_ops);
CREATE TABLE tags (id serial PRIMARY KEY, name varchar, taggings_count int DEFAULT 0);
CREATE UNIQUE INDEX index_tags_on_name ON tags (name);
CREATE TABLE taggings (id serial PRIMARY KEY, tag_id int, taggable_type varchar, taggable_id int, tagger_type varchar, tagger_id int,
  context varchar(128), created_at timestamp);
CREATE UNIQUE INDEX taggings_idx ON taggings (tag_id, taggable_id, taggable_type, context, tagger_id, tagger_type);
CREATE INDEX index_taggings_on_taggable_id_and_taggable_type_and_context ON taggings (taggable_id, taggable_type, context);
CREATE INDEX index_taggings_on_tag_id ON taggings (tag_id);
CREATE INDEX index_taggings_on_taggable_type ON taggings (taggable_type);
CREATE INDEX index_taggings_on_context ON taggings (context);
CREATE TABLE labels (id bigserial PRIMARY KEY, title varchar, description text, color varchar DEFAULT '#1f93ff' NOT NULL, show_on_sidebar boolean,
  account_id bigint, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE UNIQUE INDEX index_labels_on_title_and_account_id ON labels (title, account_id);

INSERT INTO accounts (name) VALUES ('Shop');
INSERT INTO inboxes (channel_id, account_id, name, channel_type) VALUES (1, 1, 'Support', 'Channel::Email');
