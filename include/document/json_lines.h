/*
 * JSON lines: one object on each line, read with flat memory. Empty lines are skipped, a byte order
 * mark too. What is wrong is an error with its line: "tickets.jsonl:12 is not valid JSON: ...".
 */
#ifndef DOCUMENT_JSON_LINES_H
#define DOCUMENT_JSON_LINES_H

#include "document/csv.h"
#include "document/value.h"

enum { JSON_LINE_MAX_BYTES = 16 * 1024 * 1024 };

struct json_lines;

/* `name` starts the messages; borrowed, as the context is. Gives *out. */
MUST_CHECK bool json_lines_new(csv_read_fn read, void *context, const char *name,
                               struct json_lines **out, struct error *err);
void json_lines_free(struct json_lines *lines); /* NULL is allowed */
void json_lines_cleanup(struct json_lines **lines);

/* The next object; NULL at the end. ERROR_INVALID. Gives *out (value_free). */
MUST_CHECK bool json_lines_next(struct json_lines *lines, struct value **out, struct error *err);
/* The line (from 1) of the last object. */
uint64_t json_lines_line(const struct json_lines *lines);

#endif
