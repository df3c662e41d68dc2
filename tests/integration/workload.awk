# An endless stream of SQL for one client of property.t, the same for the same seed.
#
#   awk -v kind=ledger|rows|ddl -v client=1 -v from=1 -v seed=42 -v major=15 -f workload.awk
#
# ledger: bank transfers, each with its number in the ledger; prints the number once committed.
# rows:   inserts, updates, deletes, long values, large objects, sequences, unlogged rows.
# ddl:    vacuum, indexes, tables, tablespaces and databases come and go.
function below(n) { return int(rand() * n) }

function one_of(list,  parts, n) {
    n = split(list, parts, " ")
    return parts[1 + below(n)]
}

function ledger(  a, b, amount) {
    a = 1 + below(200); b = 1 + below(200); amount = below(100)
    if (a > b) { amount = -amount; a += b; b = a - b; a -= b } # in order: no deadlocks
    printf "BEGIN; INSERT INTO ledger VALUES (%d, %d, repeat(md5('%d'), 1 + %d %% 5));", client, from, from, from
    printf " UPDATE accounts SET balance = balance - %d WHERE id = %d;", amount, a
    printf " UPDATE accounts SET balance = balance + %d WHERE id = %d; COMMIT; \\echo %d\n", amount, b, from
    from++
}

function rows(  what, id) {
    what = below(100); id = below(40000)
    if (what < 35)
        printf "INSERT INTO items SELECT g, md5(g::text || %d), nextval('item_number') FROM generate_series(%d, %d) AS g ON CONFLICT (id) DO UPDATE SET text = excluded.text;\n", below(1e6), id, id + below(200)
    else if (what < 60)
        printf "UPDATE items SET text = md5(text), number = nextval('item_number') WHERE id BETWEEN %d AND %d;\n", id, id + below(300)
    else if (what < 75)
        printf "DELETE FROM items WHERE id BETWEEN %d AND %d;\n", id, id + below(1000)
    else if (what < 82)
        printf "INSERT INTO documents SELECT g, (SELECT string_agg(md5((g * s * %d)::text), '') FROM generate_series(1, %d) AS s) FROM generate_series(%d, %d) AS g ON CONFLICT (id) DO UPDATE SET body = excluded.body;\n", 1 + below(1000), 50 + below(600), id % 300, id % 300 + below(5)
    else if (what < 86)
        printf "DELETE FROM documents WHERE id %% 7 = %d;\n", below(7)
    else if (what < 90)
        printf "SELECT lo_from_bytea(0, decode(repeat(md5('%d'), %d), 'hex'));\n", below(1e6), 1 + below(3000)
    else if (what < 92)
        printf "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid::bigint %% 5 = %d;\n", below(5)
    else if (what < 95)
        printf "INSERT INTO passing SELECT g, 'unlogged' FROM generate_series(1, %d) AS g;\n", below(500)
    else if (what < 96)
        print "TRUNCATE scratch;"
    else if (what < 98)
        printf "INSERT INTO scratch SELECT g, md5(g::text) FROM generate_series(1, %d) AS g;\n", below(5000)
    else
        printf "BEGIN; DELETE FROM items WHERE id %% %d = 0; ROLLBACK;\n", 2 + below(9)
}

function ddl(  what, n) {
    what = below(100); n = below(4)
    if (what < 12) printf "VACUUM %s;\n", one_of("items documents ledger accounts scratch")
    else if (what < 17) printf "VACUUM FREEZE %s;\n", one_of("items ledger accounts")
    else if (what < 25) printf "VACUUM FULL %s;\n", one_of("items documents accounts scratch ledger")
    else if (what < 33) printf "CREATE INDEX IF NOT EXISTS items_extra_%d ON items (%s);\n", n, one_of("text number id")
    else if (what < 38) printf "DROP INDEX IF EXISTS items_extra_%d;\n", n
    else if (what < 45) printf "REINDEX TABLE %s;\n", one_of("items documents accounts ledger")
    else if (what < 55) printf "CREATE TABLE IF NOT EXISTS come_and_go_%d AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, %d) AS g;\n", n, below(8000)
    else if (what < 62) printf "DROP TABLE IF EXISTS come_and_go_%d;\n", n
    else if (what < 65) print "TRUNCATE scratch;"
    else if (what < 75) printf "ALTER TABLE %s SET TABLESPACE %s;\n", one_of("items documents ledger scratch"), one_of("other pg_default")
    else if (what < 80) printf "ALTER INDEX %s SET TABLESPACE %s;\n", one_of("items_pkey ledger_pkey"), one_of("other pg_default")
    else if (what < 86) printf "CREATE DATABASE d%d TEMPLATE template0%s;\n", n, (major >= 15 ? " STRATEGY " one_of("wal_log file_copy") : "")
    else if (what < 91) printf "DROP DATABASE IF EXISTS d%d;\n", n
    else if (what < 94) print "CHECKPOINT;"
    else if (what < 97) print "SELECT pg_switch_wal();"
    else printf "CLUSTER items USING items_pkey;\n"
}

BEGIN {
    srand(seed)
    for (;;) {
        if (kind == "ledger") ledger()
        else if (kind == "rows") rows()
        else ddl()
    }
}
