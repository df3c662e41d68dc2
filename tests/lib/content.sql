-- What a database holds, in lines that do not depend on the order of rows.
SET search_path = pg_catalog;
SELECT format('SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ONLY %s AS t',
              'table ' || c.oid::regclass, c.oid::regclass)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_|^information_schema$'
ORDER BY 1 \gexec
SELECT format('SELECT %L, last_value, is_called FROM %s', 'sequence ' || c.oid::regclass, c.oid::regclass)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_|^information_schema$'
ORDER BY 1 \gexec
SELECT 'column', c.oid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped
      AND n.nspname !~ '^pg_|^information_schema$'
ORDER BY 2::text, 3;
SELECT 'index', indexdef, coalesce(tablespace, '') FROM pg_indexes
WHERE schemaname !~ '^pg_|^information_schema$' ORDER BY 2;
SELECT 'large objects', count(*), coalesce(sum(hashtextextended(loid::text || pageno || encode(data, 'hex'), 0)::numeric), 0)
FROM pg_largeobject;
