/* What the files of the import share: the tables of kinds and columns, and how values are read. */
#ifndef TICKET_IMPORT_INTERNAL_H
#define TICKET_IMPORT_INTERNAL_H

#include "base/buf.h"
#include "ticket/import.h"

enum import_type {
    TYPE_TEXT,
    TYPE_TIME, /* RFC 3339, or "2026-08-30 10:00[:00]" in the zone of the options */
    TYPE_BOOL,
    TYPE_COUNT, /* a whole number */
    TYPE_MONEY, /* "19.99": in hundredths */
    TYPE_LIST,  /* a JSON array; in CSV separated by "|", "," or ";" */
    TYPE_WORDS, /* the same, separated by spaces too: tags */
    TYPE_TAG,
    TYPE_STATUS, /* the words that helpdesks have for the same thing: tables in import_convert.c */
    TYPE_PRIORITY,
    TYPE_DIRECTION,
    TYPE_ORDER_STATE,
    TYPE_LABEL_STATE,
};

enum import_use {
    USE_COLUMN,   /* a column of the table of the same name */
    USE_CUSTOMER, /* what customer_id is found by: external id, address, name */
    USE_TICKET,   /* what ticket_id is found by */
    USE_TAGS,
};

struct import_column {
    const char *name;
    enum import_type type;
    enum import_use use;
    bool required;
    const char *target;   /* the table's column, where that has another name */
    const char *standard; /* SQL, where the table wants a value; NULL: NULL will do */
    const char *aliases;  /* " id ticket_id ": normalised, with a space on either side of each */
};

enum { IMPORT_COLUMNS_MAX = 20 };

struct import_table {
    const char *name; /* "tickets" */
    const char *relation;
    struct import_column columns[IMPORT_COLUMNS_MAX];
};

const struct import_table *import_table(enum import_kind kind);
size_t import_column_count(const struct import_table *table);

/* The table's column that a column of ours goes to. */
const char *import_target(const struct import_column *column);

enum import_match { MATCH_COLUMN, MATCH_IGNORED, MATCH_UNKNOWN };

/* Which column of ours a column of the file is: by --map, by our names, by aliases. */
enum import_match import_match(const struct import_options *options, const char *source,
                               size_t *out_column);
/* ERROR_INVALID for MATCH_UNKNOWN, with the nearest name. */
bool import_unknown(const struct import_options *options, uint64_t line, const char *source,
                    struct error *err);

/* Between the elements of a JSON array: no text of a helpdesk has it. */
#define IMPORT_SEPARATOR '\x1f'

/* A value as it stands in the file, appended in the form that the server takes; false fills only
 * `why`. */
enum { IMPORT_WHY_SIZE = 160 };
bool import_convert(const struct import_options *options, const struct import_column *column,
                    const char *text, struct buf *out, char why[IMPORT_WHY_SIZE]);

/* The SQL type of a column in the temporary table. */
const char *import_sql_type(enum import_type type);

/* From the filled temporary table into the helpdesk's. `present` says which columns the file has.
 */
MUST_CHECK bool import_apply(struct connection *connection, const struct import_options *options,
                             const bool present[IMPORT_COLUMNS_MAX], struct import_counts *out,
                             struct error *err);

#endif
