-- The part of Libredesk 2's schema that the adapter touches, with the types, defaults, keys and indexes that
-- matter, typed from facts about it; and the rows that every installation has.
CREATE EXTENSION pg_trgm;
CREATE TYPE channels AS ENUM ('email', 'livechat');
CREATE TYPE message_type AS ENUM ('incoming', 'outgoing', 'activity');
CREATE TYPE message_sender_type AS ENUM ('agent', 'contact');
CREATE TYPE message_status AS ENUM ('received', 'sent', 'failed', 'pending');
CREATE TYPE content_type AS ENUM ('text', 'html');
CREATE TYPE user_type AS ENUM ('agent', 'contact', 'visitor', 'ai_assistant');
CREATE TYPE conversation_status_category AS ENUM ('open', 'waiting', 'resolved');
CREATE TABLE inboxes (id serial PRIMARY KEY, channel channels NOT NULL, name text NOT NULL);
CREATE TABLE teams (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE users (id bigserial PRIMARY KEY, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
  type user_type NOT NULL, deleted_at timestamptz, email text, first_name text NOT NULL, last_name text,
  phone_number_country_code text, phone_number text, country text, password varchar(150), custom_attributes jsonb DEFAULT '{}' NOT NULL,
  external_user_id text, api_key text, api_secret text,
  CHECK (length(first_name) <= 140), CHECK (length(last_name) <= 140));
CREATE TABLE conversation_statuses (id serial PRIMARY KEY, name text NOT NULL UNIQUE, category conversation_status_category DEFAULT 'open' NOT NULL);
CREATE TABLE conversation_priorities (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE conversations (id bigserial PRIMARY KEY, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
  uuid uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE, reference_number text NOT NULL UNIQUE,
  contact_id bigint NOT NULL REFERENCES users ON DELETE CASCADE, assigned_user_id bigint REFERENCES users,
  assigned_team_id int REFERENCES teams, inbox_id int NOT NULL REFERENCES inboxes, status_id int NOT NULL REFERENCES conversation_statuses,
  priority_id int REFERENCES conversation_priorities, custom_attributes jsonb DEFAULT '{}' NOT NULL, subject text,
  last_message_at timestamptz, last_message text, last_message_sender message_sender_type, last_message_sender_id bigint REFERENCES users,
  last_interaction text, last_interaction_at timestamptz);
CREATE INDEX index_conversations_on_contact_id ON conversations (contact_id);
CREATE INDEX index_conversations_on_status_id ON conversations (status_id);
CREATE INDEX index_conversations_on_created_at ON conversations (created_at);
CREATE INDEX index_conversations_on_last_message_at ON conversations (last_message_at);
CREATE TABLE conversation_messages (id bigserial PRIMARY KEY, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
  uuid uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE, type message_type NOT NULL, status message_status NOT NULL,
  private bool DEFAULT false NOT NULL, conversation_id bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
  content_type content_type, content text, text_content text, source_id text, sender_id bigint NOT NULL REFERENCES users,
  sender_type message_sender_type NOT NULL, meta jsonb DEFAULT '{}');
CREATE INDEX index_trgm_conversation_messages_on_text_content ON conversation_messages USING gin (text_content gin_trgm_ops);
CREATE INDEX index_conversation_messages_on_conversation_id ON conversation_messages (conversation_id);
CREATE INDEX index_conversation_messages_on_created_at ON conversation_messages (created_at);
CREATE INDEX index_conversation_messages_on_status ON conversation_messages (status);
CREATE TABLE tags (id serial PRIMARY KEY, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
  name text NOT NULL UNIQUE CHECK (length(name) <= 140));
CREATE TABLE conversation_tags (id bigserial PRIMARY KEY, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
  tag_id int REFERENCES tags ON DELETE CASCADE, conversation_id bigint REFERENCES conversations ON DELETE CASCADE);
CREATE UNIQUE INDEX index_conversation_tags_on_conversation_id_and_tag_id ON conversation_tags (conversation_id, tag_id);

INSERT INTO users (id, type, first_name, last_name) VALUES (1, 'agent', 'System', '');
INSERT INTO inboxes (channel, name) VALUES ('email', 'Support');
INSERT INTO conversation_statuses (name, category) VALUES ('Open', 'open'), ('Snoozed', 'waiting'), ('Resolved', 'resolved'), ('Closed', 'resolved');
INSERT INTO conversation_priorities (name) VALUES ('Low'), ('Medium'), ('High');
