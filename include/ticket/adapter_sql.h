/*
 * :'name' in an adapter's SQL becomes the setting's value as a quoted literal.
 *
 * The text is read as PostgreSQL reads it ("Lexical Structure"): nothing is replaced in strings,
 * quoted identifiers and comments. Bodies in dollar quotes are SQL, so that there it is, and a
 * literal never contains a dollar or a backslash as such: no value ends a body or a string.
 */
#ifndef TICKET_ADAPTER_SQL_H
#define TICKET_ADAPTER_SQL_H

#include "base/buf.h"
#include "base/error.h"

struct adapter_value {
    const char *name;
    const char *value;
};

/* Appends 'value', or E'...' where it has quotes, backslashes or dollars in it. */
void adapter_put_literal(const char *value, struct buf *out);

/* Appends the SQL with its settings; `file` is for messages. ERROR_INVALID names line and setting
 * when there is none of this name, and what is not closed. */
MUST_CHECK bool adapter_sql_bind(const char *sql, const char *file,
                                 const struct adapter_value *values, size_t count, struct buf *out,
                                 struct error *err);

#endif
