#include "cli/output.h"

#include "base/text.h"
#include "document/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void output_put_clean(const char *text, struct buf *out)
{
    utf8_put_clean(text, "?", out);
}

bool output_write(const struct invocation *call, struct buf *text, struct error *err)
{
    FILE *out = call->world->out;
    if (!buf_check(text, "the output", err))
        return false;
    bool written = text->len == 0 || fwrite(text->data, 1, text->len, out) == text->len;
    if (!written || fflush(out) != 0)
        return error_set_errno(err, errno, "could not write the output");
    return true;
}

bool output_value(const struct invocation *call, const struct value *value, struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    bool done = value_print(value, true, &text, err) && output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static struct value *error_value(const struct error *failure, struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL)
        return NULL;
    struct value *inner = value_set_new_object(root, "error", err);
    if (inner == NULL || !value_set_text(inner, "kind", error_kind_name(failure->kind), err) ||
        !value_set_text_lossy(inner, "message", failure->text, err) ||
        !value_set_text_lossy(inner, "hint", failure->hint, err) ||
        !value_set_bool(inner, "retryable", failure->retryable, err))
        return NULL;
    return TAKE(root);
}

static void put_error_line(const char *prefix, const char *text, struct buf *out)
{
    buf_printf(out, "%s", prefix);
    output_put_clean(text, out);
    buf_printf(out, "\n");
}

void output_error(const struct invocation *call, const struct error *failure)
{
    struct error ignored;
    struct buf text;
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = error_value(failure, &ignored);
        if (root != NULL && output_value(call, root, &ignored))
            return;
    }
    buf_init(&text, 8192);
    put_error_line("mainstay: ", failure->text, &text);
    if (failure->hint[0] != '\0')
        put_error_line("hint: ", failure->hint, &text);
    if (text.len > 0 && fwrite(text.data, 1, text.len, call->world->err) == text.len)
        (void)fflush(call->world->err);
    buf_release(&text);
}

void text_table_init(struct text_table *table, const struct text_column *columns, size_t count)
{
    *table = (struct text_table){.columns = columns, .column_count = count};
}

void text_table_release(struct text_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct text_table){0};
}

static char *clean_copy(const char *text)
{
    struct buf clean;
    buf_init(&clean, strlen(text) + 1);
    output_put_clean(text, &clean);
    const char *result = buf_text(&clean);
    char *copy = result == NULL ? NULL : strdup(result);
    buf_release(&clean);
    return copy;
}

bool text_table_add(struct text_table *table, const char *const *cells, struct error *err)
{
    char **more = reallocarray(table->cells, table->cell_count + table->column_count,
                               sizeof(char *));
    if (more == NULL)
        return error_no_memory(err, "a table");
    table->cells = more;
    for (size_t i = 0; i < table->column_count; i++) {
        char *copy = clean_copy(cells[i]);
        if (copy == NULL)
            return error_no_memory(err, "a table");
        table->cells[table->cell_count++] = copy;
    }
    return true;
}

/* Characters, not bytes. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static size_t column_width(const struct text_table *table, size_t column)
{
    size_t width = width_of(table->columns[column].title);
    for (size_t i = column; i < table->cell_count; i += table->column_count) {
        size_t cell = width_of(table->cells[i]);
        width = cell > width ? cell : width;
    }
    return width;
}

static void put_spaces(size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        buf_put_u8(out, ' ');
}

static void put_cell(const struct text_table *table, size_t column, const char *text,
                     struct buf *out)
{
    bool last = column + 1 == table->column_count;
    size_t padding = column_width(table, column) - width_of(text);
    if (table->columns[column].right)
        put_spaces(padding, out);
    buf_printf(out, "%s", text);
    if (last) {
        buf_put_u8(out, '\n');
        return;
    }
    if (!table->columns[column].right)
        put_spaces(padding, out);
    put_spaces(2, out);
}

void text_table_put(const struct text_table *table, struct buf *out)
{
    for (size_t i = 0; i < table->column_count; i++)
        put_cell(table, i, table->columns[i].title, out);
    for (size_t row = 0; row < table->cell_count; row += table->column_count) {
        for (size_t i = 0; i < table->column_count; i++)
            put_cell(table, i, table->cells[row + i], out);
    }
}

static bool list_as_value(const struct invocation *call, const struct output_list *list,
                          struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL)
        return false;
    struct value *items = list->by_name ? value_set_new_object(root, list->name, err)
                                        : value_set_new_array(root, list->name, err);
    if (items == NULL)
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (!list->add_value(list->context, i, items, err))
            return false;
    }
    return output_value(call, root, err);
}

static bool list_as_table(const struct invocation *call, const struct output_list *list,
                          struct error *err)
{
    struct buf text;
    CLEANUP(text_table_release) struct text_table table;
    text_table_init(&table, list->columns, list->column_count);
    for (size_t i = 0; i < list->count; i++) {
        if (!list->add_row(list->context, i, &table, err))
            return false;
    }
    buf_init(&text, OUTPUT_MAX_BYTES);
    text_table_put(&table, &text);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

bool output_list(const struct invocation *call, const struct output_list *list, struct error *err)
{
    return call->json ? list_as_value(call, list, err) : list_as_table(call, list, err);
}

enum { OBJECT_COLUMNS_MAX = 16 };

static bool add_object(struct text_table *table, const struct value *object,
                       const struct object_column *columns, size_t count, struct error *err)
{
    const char *cells[OBJECT_COLUMNS_MAX];
    for (size_t i = 0; i < count; i++) {
        struct error absent;
        if (!value_get_text(object, columns[i].key, &cells[i], &absent))
            cells[i] = "";
    }
    return text_table_add(table, cells, err);
}

static bool put_objects(const struct value *list, const struct object_column *columns, size_t count,
                        struct buf *out, struct error *err)
{
    struct text_column titles[OBJECT_COLUMNS_MAX];
    CLEANUP(text_table_release) struct text_table table;
    for (size_t i = 0; i < count; i++)
        titles[i] = columns[i].column;
    text_table_init(&table, titles, count);
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *object;
        if (!value_at_object(list, i, &object, err) ||
            !add_object(&table, object, columns, count, err))
            return false;
    }
    text_table_put(&table, out);
    return true;
}

bool output_objects(const struct invocation *call, const struct value *root, const char *name,
                    const struct object_column *columns, size_t count, struct error *err)
{
    const struct value *list;
    assert(count <= OBJECT_COLUMNS_MAX);
    if (call->json)
        return output_value(call, root, err);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    return value_get_array(root, name, &list, err) &&
           put_objects(list, columns, count, &text, err) && output_write(call, &text, err);
}
