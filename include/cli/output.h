/*
 * Results on stdout: aligned tables and lines for people, one JSON object for machines. Names that
 * come from servers and stores are cleaned: control characters, bidirectional overrides and bytes
 * that are no UTF-8 never reach a terminal.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli/command.h"
#include "document/value.h"

enum { OUTPUT_MAX_BYTES = 64 * 1024 * 1024 };

/* Appends text with everything that drives a terminal replaced by "?"; wrong bytes too. */
void output_put_clean(const char *text, struct buf *out);

/* Writes the bytes to the world's stdout. */
MUST_CHECK bool output_write(const struct invocation *call, struct buf *text, struct error *err);
/* Prints the object. Does not take it. */
MUST_CHECK bool output_value(const struct invocation *call, const struct value *value,
                             struct error *err);
/* The failure of a command: text on stderr, or {"error": ...} on stdout. */
void output_error(const struct invocation *call, const struct error *failure);

/* Columns, aligned by what stands in them; the last one is not padded. */
struct text_column {
    const char *title;
    bool right;
};

struct text_table {
    const struct text_column *columns; /* borrowed */
    size_t column_count;
    char **cells; /* row after row */
    size_t cell_count;
};

void text_table_init(struct text_table *table, const struct text_column *columns, size_t count);
void text_table_release(struct text_table *table);
/* Copies one row and cleans it. */
MUST_CHECK bool text_table_add(struct text_table *table, const char *const *cells,
                               struct error *err);
void text_table_put(const struct text_table *table, struct buf *out);

/* A list: a table for people, {name: [...]} for machines. */
struct output_list {
    const char *name;
    bool by_name; /* {name: {...}}: add_value gives each item its name */
    const struct text_column *columns;
    size_t column_count;
    size_t count;
    const void *context; /* of the functions, which are called for 0 to count - 1 */
    bool (*add_value)(const void *context, size_t at, struct value *list, struct error *err);
    bool (*add_row)(const void *context, size_t at, struct text_table *table, struct error *err);
};

MUST_CHECK bool output_list(const struct invocation *call, const struct output_list *list,
                            struct error *err);

/* A list that is values already: root holds an array of flat objects under `name`. A column shows
 * the text under its key; what is null or not there is empty. */
struct object_column {
    struct text_column column;
    const char *key;
};
MUST_CHECK bool output_objects(const struct invocation *call, const struct value *root,
                               const char *name, const struct object_column *columns, size_t count,
                               struct error *err);

#endif
