/*
 * CSV as RFC 4180 has it, read record by record with flat memory: fields separated by commas, in
 * double quotes where they hold commas, quotes (doubled) or line ends; LF or CRLF; a byte order
 * mark is skipped. Bytes are UTF-8 without NUL.
 *
 * What is wrong is an error with its line, never a guess: a quote inside an unquoted field, text
 * behind a closing quote, an open quote at the end, a record above CSV_RECORD_MAX_BYTES or with
 * more than CSV_FIELDS_MAX fields.
 */
#ifndef DOCUMENT_CSV_H
#define DOCUMENT_CSV_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSV_RECORD_MAX_BYTES = 16 * 1024 * 1024, CSV_FIELDS_MAX = 256 };

/* Up to `size` bytes into out; *out_got 0 is the end. */
typedef bool (*csv_read_fn)(void *context, void *out, size_t size, size_t *out_got,
                            struct error *err);

struct csv;

/* `what` starts the messages ("tickets.csv:12: ..."); borrowed, as the context is. Gives *out. */
MUST_CHECK bool csv_new(csv_read_fn read, void *context, const char *what, struct csv **out,
                        struct error *err);
void csv_free(struct csv *csv); /* NULL is allowed */
void csv_cleanup(struct csv **csv);

/* The next record: fields are borrowed until the next call; *out_fields is NULL at the end. Empty
 * lines are no records. ERROR_INVALID. */
MUST_CHECK bool csv_next(struct csv *csv, const char *const **out_fields, size_t *out_count,
                         struct error *err);
/* The line (from 1) at which the last record began. */
uint64_t csv_line(const struct csv *csv);

/* Appends a field, quoted where it must be. Texts that a spreadsheet would take for a formula (= +
 * -
 * @, tab, CR at the start) get a leading apostrophe. No separator. */
void csv_put_field(const char *text, struct buf *out);

#endif
