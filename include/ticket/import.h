/*
 * Fills the tables of the reference adapter (runbooks/adapters/reference/schema.sql) from exports
 * of another helpdesk: CSV with a header, or JSON lines. Rows are known by external_id, what the
 * other helpdesk calls them: a second import updates what has changed. One file is one transaction.
 *
 * Columns are found by our names and by those that the exports of common helpdesks have
 * (runbooks/adapters/README.md); a column that is not known is an error with the nearest name, so
 * that nothing is lost by a misspelling. Every value is checked before it is sent: errors name
 * file, line and column. Memory stays flat whatever the file's size.
 */
#ifndef TICKET_IMPORT_H
#define TICKET_IMPORT_H

#include "base/progress.h"
#include "base/time_zone.h"
#include "postgres/connection.h"

enum import_kind {
    IMPORT_CUSTOMERS,
    IMPORT_ORDERS,
    IMPORT_TICKETS,
    IMPORT_MESSAGES,
    IMPORT_TAGS, /* of tickets: only ever added */
};
enum { IMPORT_KIND_COUNT = IMPORT_TAGS + 1 };

/* "customers"; the kinds are in the order in which they have to be imported. */
const char *import_kind_name(enum import_kind kind);
MUST_CHECK bool import_kind_from_text(const char *text, enum import_kind *out);

/* A column of the file under another name of ours; an empty one: it is left out. */
struct import_mapping {
    const char *source;
    const char *column;
};

struct import_options {
    enum import_kind kind;
    const char *file; /* for messages */
    int fd;
    bool json_lines; /* else CSV */
    const struct import_mapping *mappings;
    size_t mapping_count;
    bool skip_unknown;            /* leave out columns that are not known */
    const struct time_zone *zone; /* of times without offset; NULL: they are refused */
    struct progress *progress;    /* bytes_done counts the file; NULL allowed */
};

struct import_counts {
    uint64_t read; /* records */
    uint64_t created;
    uint64_t updated; /* the others were as they are */
    uint64_t tags;    /* assignments that are new */
};

/* The session's login must be a member of helpdesk_import. */
MUST_CHECK bool import_file(struct connection *connection, const struct import_options *options,
                            struct import_counts *out, struct error *err);

#endif
