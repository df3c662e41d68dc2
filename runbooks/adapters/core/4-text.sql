-- Words for people and for `mentions`: what a message says, without its markup.
SET ROLE mainstay_owner;

-- HTML as its readers see it: scripts and styles left out, tags as spaces, the usual entities decoded
-- (&amp; last, so that "&amp;lt;" stays the text "&lt;"). Not a sanitizer: the result is for searching.
CREATE FUNCTION mainstay.plain_text(p_html text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
  SELECT replace(replace(replace(replace(replace(replace(regexp_replace(regexp_replace(p_html,
    '<(script|style)\M.*?</\1\s*>', ' ', 'gis'), '<[^>]*>', ' ', 'g'),
    '&nbsp;', ' '), '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&#39;', ''''), '&amp;', '&')
$$;
REVOKE ALL ON FUNCTION mainstay.plain_text(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mainstay.plain_text(text) TO mainstay_planner;
RESET ROLE;
