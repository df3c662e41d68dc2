/* Walks the YAML along the tables of runbook_shape.h and fills the structs. */
#include "runbook/runbook.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "codec/digest.h"
#include "document/utf8.h"
#include "document/yaml.h"
#include "runbook_loading.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_GROUPS = 4 };

static bool read_object(struct loading *loading, const struct shape *shape,
                        const struct yaml_node *node, char *base, struct error *err);

static bool no_memory(struct error *err)
{
    return error_no_memory(err, "a runbook");
}

/* ---- problems and places ---- */

struct runbook_problem *loading_refuse(struct loading *loading, const void *field,
                                       const char *format, ...)
{
    char text[512];
    va_list args;
    const struct place *place = NULL;
    for (size_t i = 0; place == NULL && i < loading->place_count; i++)
        if (loading->places[i].field == field)
            place = &loading->places[i];
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return problems_add(loading->problems, false, place == NULL ? 0 : place->line,
                        place == NULL ? 0 : place->column, "%s", text);
}

static bool add_place(struct loading *loading, const struct key *key, const void *field,
                      const void *object, const struct yaml_node *node, struct error *err)
{
    if (loading->place_count == loading->place_cap) {
        size_t cap = loading->place_cap == 0 ? 256 : loading->place_cap * 2;
        struct place *places = reallocarray(loading->places, cap, sizeof *places);
        if (places == NULL)
            return no_memory(err);
        loading->places = places;
        loading->place_cap = cap;
    }
    loading->places[loading->place_count++] = (struct place){
        .field = field, .key = key, .object = object, .line = node->line, .column = node->column};
    return true;
}

static struct runbook_problem *refuse_node(struct loading *loading, const struct yaml_node *node,
                                           const char *format, ...) FORMAT(3, 4);

static struct runbook_problem *refuse_node(struct loading *loading, const struct yaml_node *node,
                                           const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return problems_add(loading->problems, false, node->line, node->column, "%s", text);
}

static bool is_kind(struct loading *loading, const struct key *key, const struct yaml_node *node,
                    enum yaml_kind kind)
{
    if (node->kind == kind)
        return true;
    refuse_node(loading, node, "\"%s\" must be %s, not %s", key->name, yaml_kind_name(kind),
                yaml_kind_name(node->kind));
    return false;
}

static size_t name_count(const char *const *names)
{
    size_t count = 0;
    while (names[count] != NULL)
        count++;
    return count;
}

/* "It can be tickets, orders or customers." */
static void hint_names(struct runbook_problem *problem, const char *word, const char *const *names)
{
    char text[256] = "It can be ";
    size_t count = name_count(names);
    size_t len = strlen(text);
    for (size_t i = 0; i < count && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", names[i],
                                i + 1 == count   ? "."
                                : i + 2 == count ? " or "
                                                 : ", ");
    problem_hint_nearest(problem, word, names, count, text);
}

/* ---- texts ---- */

static bool set_text(char **field, const char *text, struct error *err)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return no_memory(err);
    free(*field);
    *field = copy;
    return true;
}

/* Says what is wrong with a text, if anything. */
static bool check_text(struct loading *loading, const struct key *key, const struct yaml_node *node)
{
    const struct text_form_row *form = text_form(key->form);
    bool message = key->scope == SCOPE_MESSAGE;
    if (node->kind != YAML_SCALAR) {
        refuse_node(loading, node, "\"%s\" must be %s, not %s", key->name, form->what,
                    yaml_kind_name(node->kind));
    } else if (node->text[0] == '\0' && !(key->form == FORM_VALUE && node->quoted)) {
        refuse_node(loading, node, "\"%s\" is empty", key->name);
    } else if (strlen(node->text) > form->max_bytes) {
        refuse_node(loading, node, "\"%s\" can have %zu bytes, not %zu", key->name, form->max_bytes,
                    strlen(node->text));
    } else if (!form->lines && strchr(node->text, '\n') != NULL) {
        refuse_node(loading, node, "\"%s\" must be one line", key->name);
    } else if (text_has_hidden(node->text, form->lines, message)) {
        refuse_node(loading, node,
                    "\"%s\" has a control character, or one that turns the direction of text",
                    key->name);
    } else if (!loading_fits(loading, key->form, node->text)) {
        refuse_node(loading, node, "\"%s\" must be %s, not \"%.80s\"", key->name, form->what,
                    node->text);
    } else {
        return true;
    }
    return false;
}

/* Says it when the text is not among the names; true without names. */
static bool check_names(struct loading *loading, const struct key *key,
                        const struct yaml_node *node, size_t *out_at)
{
    for (size_t i = 0; key->names != NULL && key->names[i] != NULL; i++) {
        if (strcmp(key->names[i], node->text) == 0) {
            *out_at = i;
            return true;
        }
    }
    if (key->names != NULL)
        hint_names(refuse_node(loading, node, "\"%s\" cannot be \"%.80s\"", key->name, node->text),
                   node->text, key->names);
    *out_at = 0;
    return key->names == NULL;
}

static bool read_text(struct loading *loading, const struct key *key, const struct yaml_node *node,
                      char *base, struct error *err)
{
    size_t at;
    char **field = (void *)(base + key->offset);
    if (!check_text(loading, key, node) || !check_names(loading, key, node, &at))
        return true;
    return set_text(field, node->text, err) && add_place(loading, key, field, base, node, err);
}

static bool is_repeated(const struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

static bool has_room(struct loading *loading, const struct key *key, const struct yaml_node *node)
{
    if (node->count == 0)
        refuse_node(loading, node, "\"%s\" is empty", key->name);
    else if (node->count > RUNBOOK_MAX_ELEMENTS)
        refuse_node(loading, node, "\"%s\" can have %d elements, not %zu", key->name,
                    RUNBOOK_MAX_ELEMENTS, node->count);
    return node->count > 0 && node->count <= RUNBOOK_MAX_ELEMENTS;
}

static bool read_texts(struct loading *loading, const struct key *key, const struct yaml_node *node,
                       char *base, struct error *err)
{
    size_t at;
    struct text_list *list = (void *)(base + key->offset);
    if (!is_kind(loading, key, node, YAML_SEQUENCE) || !has_room(loading, key, node))
        return true;
    *list = (struct text_list){.items = calloc(node->count, sizeof *list->items)};
    if (list->items == NULL)
        return no_memory(err);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        if (!check_text(loading, key, item) || !check_names(loading, key, item, &at))
            continue;
        if (is_repeated(list, item->text)) {
            refuse_node(loading, item, "\"%.80s\" is there twice", item->text);
            continue;
        }
        char **field = &list->items[list->count];
        if (!set_text(field, item->text, err))
            return false;
        list->count++;
        if (!add_place(loading, key, field, base, item, err))
            return false;
    }
    return true;
}

/* The value of one of KEY_PAIRS: a text, or the elements of a list joined by commas. */
static bool put_pair_value(struct loading *loading, const struct key *key,
                           const struct yaml_node *node, struct buf *out)
{
    if (node->kind == YAML_MAPPING) {
        refuse_node(loading, node, "a value must be a text or a list of texts");
        return false;
    }
    if (node->kind == YAML_SCALAR) {
        buf_printf(out, "%s", node->text);
        return check_text(loading, key, node);
    }
    for (size_t i = 0; i < node->count; i++) {
        if (!check_text(loading, key, node->items[i]))
            return false;
        buf_printf(out, "%s%s", i == 0 ? "" : ",", node->items[i]->text);
    }
    return true;
}

static bool read_pairs(struct loading *loading, const struct key *key, const struct yaml_node *node,
                       char *base, struct error *err)
{
    struct text_list *list = (void *)(base + key->offset);
    if (!is_kind(loading, key, node, YAML_MAPPING) || !has_room(loading, key, node))
        return true;
    *list = (struct text_list){.items = calloc(node->count, sizeof *list->items)};
    if (list->items == NULL)
        return no_memory(err);
    for (size_t i = 0; i < node->count; i++) {
        CLEANUP(buf_release) struct buf pair;
        buf_init(&pair, YAML_MAX_BYTES);
        buf_printf(&pair, "%s=", node->pairs[i].key);
        if (!put_pair_value(loading, key, node->pairs[i].value, &pair))
            continue;
        if (buf_text(&pair) == NULL || !set_text(&list->items[list->count], buf_text(&pair), err))
            return no_memory(err);
        list->count++;
    }
    return add_place(loading, key, list, base, node, err);
}

/* ---- numbers and choices ---- */

static bool read_const(struct loading *loading, const struct key *key, const struct yaml_node *node,
                       char *base, struct error *err)
{
    size_t at;
    (void)base;
    (void)err;
    if (is_kind(loading, key, node, YAML_SCALAR))
        (void)check_names(loading, key, node, &at);
    return true;
}

static bool read_enum(struct loading *loading, const struct key *key, const struct yaml_node *node,
                      char *base, struct error *err)
{
    size_t at;
    if (!is_kind(loading, key, node, YAML_SCALAR) || !check_names(loading, key, node, &at))
        return true;
    unsigned value = (unsigned)at;
    memcpy(base + key->offset, &value, sizeof value);
    return add_place(loading, key, base + key->offset, base, node, err);
}

static bool read_bool(struct loading *loading, const struct key *key, const struct yaml_node *node,
                      char *base, struct error *err)
{
    (void)err;
    if (!is_kind(loading, key, node, YAML_SCALAR))
        return true;
    bool *field = (void *)(base + key->offset);
    *field = strcmp(node->text, "true") == 0;
    if (!*field && strcmp(node->text, "false") != 0)
        refuse_node(loading, node, "\"%s\" must be true or false, not \"%.80s\"", key->name,
                    node->text);
    return true;
}

/* "1 to 10000", "at least 1m" */
static const char *allowed_range(const struct key *key, char out[TEXT_SIZE * 2 + 16])
{
    char low[TEXT_SIZE];
    char high[TEXT_SIZE];
    if (key->type == KEY_COUNT) {
        (void)snprintf(low, sizeof low, "%" PRId64, key->min);
        (void)snprintf(high, sizeof high, "%" PRId64, key->max);
    } else {
        (void)text_duration_us(key->min, low);
        (void)text_duration_us(key->max, high);
    }
    if (key->max == 0)
        (void)snprintf(out, TEXT_SIZE * 2 + 16, "at least %s", low);
    else
        (void)snprintf(out, TEXT_SIZE * 2 + 16, "%s to %s", low, high);
    return out;
}

static bool parse_amount(const struct key *key, const char *text, int64_t *out)
{
    return key->type == KEY_DURATION ? runbook_duration(text, out) : text_to_i64(text, out);
}

static bool read_amount(struct loading *loading, const struct key *key,
                        const struct yaml_node *node, char *base, struct error *err)
{
    char range[TEXT_SIZE * 2 + 16];
    int64_t value;
    if (!is_kind(loading, key, node, YAML_SCALAR))
        return true;
    if (!parse_amount(key, node->text, &value)) {
        refuse_node(loading, node, "\"%s\" must be %s, not \"%.80s\"", key->name,
                    key->type == KEY_COUNT ? "a number" : "a duration like 90s, 20m, 24h or 14d",
                    node->text);
        return true;
    }
    if (value < key->min || (key->max != 0 && value > key->max)) {
        refuse_node(loading, node, "\"%s\" must be %s, not %.40s", key->name,
                    allowed_range(key, range), node->text);
        return true;
    }
    value *= key->scale == 0 ? 1 : key->scale;
    memcpy(base + key->offset, &value, sizeof value);
    return add_place(loading, key, base + key->offset, base, node, err);
}

static bool set_match(char **field, const char *text, const regmatch_t *match, struct error *err)
{
    CLEANUP(free_pointer)
    char *copy = strndup(text + match->rm_so, (size_t)(match->rm_eo - match->rm_so));
    return copy == NULL ? no_memory(err) : set_text(field, copy, err);
}

static bool read_guard(struct loading *loading, const struct key *key, const struct yaml_node *node,
                       char *base, struct error *err)
{
    regex_t regex;
    regmatch_t groups[GUARD_GROUPS];
    struct runbook_guard *guard = (void *)base;
    if (!check_text(loading, key, node))
        return true;
    if (regcomp(&regex, GUARD_PATTERN, REG_EXTENDED) != 0)
        return no_memory(err);
    bool fits = regexec(&regex, node->text, GUARD_GROUPS, groups, 0) == 0;
    regfree(&regex);
    if (!fits) {
        problem_hint(refuse_node(loading, node, "\"when\" cannot be \"%.80s\"", node->text),
                     "It is like count(affected) < 5 or count(affected) > limits.max_tickets.");
        return true;
    }
    const char *number = node->text + groups[3].rm_so;
    bool is_number = text_to_u64(number, &guard->number);
    return set_match(&guard->selection, node->text, &groups[1], err) &&
           set_match(&guard->op, node->text, &groups[2], err) &&
           set_text(&guard->limit, is_number ? "" : strchr(number, '.') + 1, err) &&
           add_place(loading, key, &guard->selection, base, node, err);
}

/* ---- structs ---- */

/* The defaults of the table; afterwards no text is NULL that may not be. */
static bool init_object(const struct shape *shape, char *base, struct error *err);

static bool init_key(const struct key *key, char *base, struct error *err)
{
    int64_t amount;
    struct runbook_guard *guard = (void *)base;
    switch (key->type) {
    case KEY_TEXT:
        return key->may_be_null || set_text((void *)(base + key->offset), "", err);
    case KEY_GUARD:
        return set_text(&guard->selection, "", err) && set_text(&guard->op, "", err) &&
               set_text(&guard->limit, "", err);
    case KEY_COUNT:
    case KEY_DURATION:
        if (key->standard == NULL || !parse_amount(key, key->standard, &amount))
            return true;
        amount *= key->scale == 0 ? 1 : key->scale;
        memcpy(base + key->offset, &amount, sizeof amount);
        return true;
    case KEY_OBJECT:
        return init_object(key->shape, base + key->offset, err);
    default: /* zero is right */
        return true;
    }
}

static bool init_object(const struct shape *shape, char *base, struct error *err)
{
    for (size_t i = 0; i < shape->key_count; i++)
        if (!init_key(&shape->keys[i], base, err))
            return false;
    return shape->value == NULL || init_key(shape->value, base, err);
}

/* Gives zeroed, initialised elements; they are counted when they are filled. */
static bool new_elements(const struct key *key, size_t count, char *base, char **out,
                         struct error *err)
{
    char **array = (void *)(base + key->offset);
    if (*array == NULL)
        *array = calloc(count, key->shape->size);
    if (*array == NULL)
        return no_memory(err);
    *out = *array;
    return true;
}

static bool next_element(const struct key *key, char *base, char **out, struct error *err)
{
    size_t *count = (void *)(base + key->count_offset);
    char **array = (void *)(base + key->offset);
    *out = *array + (*count)++ * key->shape->size;
    return init_object(key->shape, *out, err);
}

static bool read_nested(struct loading *loading, const struct key *key,
                        const struct yaml_node *node, char *base, struct error *err)
{
    return !is_kind(loading, key, node, YAML_MAPPING) ||
           read_object(loading, key->shape, node, base + key->offset, err);
}

static bool read_objects(struct loading *loading, const struct key *key,
                         const struct yaml_node *node, char *base, struct error *err)
{
    char *element;
    if (!is_kind(loading, key, node, YAML_SEQUENCE) || !has_room(loading, key, node))
        return true;
    if (!new_elements(key, node->count, base, &element, err))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        if (node->items[i]->kind != YAML_MAPPING) {
            refuse_node(loading, node->items[i], "%s must be a mapping, not %s", key->shape->what,
                        yaml_kind_name(node->items[i]->kind));
            continue;
        }
        if (!next_element(key, base, &element, err) ||
            !read_object(loading, key->shape, node->items[i], element, err))
            return false;
    }
    return true;
}

static bool read_key(struct loading *loading, const struct key *key, const struct yaml_node *node,
                     char *base, struct error *err);

/* One name of a KEY_MAP with its value. */
static bool read_member(struct loading *loading, const struct key *key,
                        const struct yaml_pair *pair, char *base, struct error *err)
{
    char *element;
    const struct shape *shape = key->shape;
    if (!loading_fits(loading, shape->name, pair->key) ||
        strlen(pair->key) > text_form(shape->name)->max_bytes) {
        problems_add(loading->problems, false, pair->line, pair->column,
                     "\"%.80s\" cannot be the name of %s: it must be %s", pair->key, shape->what,
                     text_form(shape->name)->what);
        return true;
    }
    if (!next_element(key, base, &element, err) ||
        !set_text((void *)(element + shape->name_offset), pair->key, err))
        return false;
    struct yaml_node at = {.line = pair->line, .column = pair->column};
    if (!add_place(loading, key, element + shape->name_offset, element, &at, err))
        return false;
    if (shape->value != NULL)
        return read_key(loading, shape->value, pair->value, element, err);
    if (pair->value->kind != YAML_MAPPING) {
        refuse_node(loading, pair->value, "%s must be a mapping, not %s", shape->what,
                    yaml_kind_name(pair->value->kind));
        return true;
    }
    if (!read_object(loading, shape, pair->value, element, err))
        return false;
    memcpy(element + shape->line_offset, &pair->line, sizeof pair->line);
    return true;
}

static bool read_map(struct loading *loading, const struct key *key, const struct yaml_node *node,
                     char *base, struct error *err)
{
    char *first;
    if (!is_kind(loading, key, node, YAML_MAPPING) || !has_room(loading, key, node))
        return true;
    if (!new_elements(key, node->count, base, &first, err))
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (!read_member(loading, key, &node->pairs[i], base, err))
            return false;
    return true;
}

typedef bool (*read_fn)(struct loading *loading, const struct key *key,
                        const struct yaml_node *node, char *base, struct error *err);

static bool read_key(struct loading *loading, const struct key *key, const struct yaml_node *node,
                     char *base, struct error *err)
{
    static const read_fn readers[] = {
        [KEY_CONST] = read_const,   [KEY_TEXT] = read_text,       [KEY_ENUM] = read_enum,
        [KEY_BOOL] = read_bool,     [KEY_COUNT] = read_amount,    [KEY_DURATION] = read_amount,
        [KEY_TEXTS] = read_texts,   [KEY_PAIRS] = read_pairs,     [KEY_GUARD] = read_guard,
        [KEY_OBJECT] = read_nested, [KEY_OBJECTS] = read_objects, [KEY_MAP] = read_map,
    };
    return readers[key->type](loading, key, node, base, err);
}

/* The bit of the kind that a mapping says it is of; all bits when its shape has no kinds. 0, and a
 * problem, when it does not say one. */
static unsigned kind_of(struct loading *loading, const struct shape *shape,
                        const struct yaml_node *node)
{
    if (shape->kind_key == NULL)
        return UINT32_MAX;
    const struct yaml_pair *pair = yaml_find(node, shape->kind_key);
    for (size_t i = 0; pair != NULL && shape->kinds[i] != NULL; i++)
        if (pair->value->kind == YAML_SCALAR && strcmp(pair->value->text, shape->kinds[i]) == 0)
            return 1U << i;
    if (pair == NULL)
        hint_names(refuse_node(loading, node, "%s has no \"%s\"", shape->what, shape->kind_key), "",
                   shape->kinds);
    else
        hint_names(refuse_node(loading, pair->value, "\"%s\" cannot be \"%.80s\"", shape->kind_key,
                               pair->value->kind == YAML_SCALAR ? pair->value->text : ""),
                   pair->value->kind == YAML_SCALAR ? pair->value->text : "", shape->kinds);
    return 0;
}

static bool key_is_of(const struct key *key, unsigned kind)
{
    return key->kinds == 0 || (key->kinds & kind) != 0;
}

static const struct key *find_key(const struct shape *shape, const char *name, unsigned kind)
{
    for (size_t i = 0; i < shape->key_count; i++)
        if (key_is_of(&shape->keys[i], kind) && strcmp(shape->keys[i].name, name) == 0)
            return &shape->keys[i];
    return NULL;
}

/* "a step that uses notice" */
static const char *kind_name(const struct shape *shape, unsigned kind, char out[80])
{
    if (shape->kind_key == NULL)
        (void)snprintf(out, 80, "%s", shape->what);
    else
        (void)snprintf(out, 80, "%s that %s %s", shape->what, shape->kind_key,
                       shape->kinds[__builtin_ctz(kind)]);
    return out;
}

static void refuse_key(struct loading *loading, const struct shape *shape, unsigned kind,
                       const struct yaml_pair *pair)
{
    char what[80];
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < shape->key_count && count < ARRAY_LEN(names); i++)
        if (key_is_of(&shape->keys[i], kind))
            names[count++] = shape->keys[i].name;
    struct runbook_problem *problem = problems_add(loading->problems, false, pair->line,
                                                   pair->column, "unknown key \"%.80s\" in %s",
                                                   pair->key, kind_name(shape, kind, what));
    problem_hint_nearest(problem, pair->key, names, count,
                         "`mainstay runbook schema` has them all.");
}

static bool read_pair(struct loading *loading, const struct shape *shape, unsigned kind,
                      const struct yaml_pair *pair, char *base, struct error *err)
{
    const struct key *key = find_key(shape, pair->key, kind);
    if (key != NULL)
        return read_key(loading, key, pair->value, base, err);
    if (shape->rest != NULL && loading_fits(loading, shape->rest->shape->name, pair->key))
        return read_member(loading, shape->rest, pair, base, err);
    refuse_key(loading, shape, kind, pair);
    return true;
}

static void check_required(struct loading *loading, const struct shape *shape, unsigned kind,
                           const struct yaml_node *node, const char *base)
{
    char what[80];
    for (size_t i = 0; i < shape->key_count; i++) {
        const struct key *key = &shape->keys[i];
        if (key->required && key_is_of(key, kind) && yaml_find(node, key->name) == NULL)
            refuse_node(loading, node, "%s has no \"%s\"", kind_name(shape, kind, what), key->name);
    }
    const size_t *rest_count = shape->rest == NULL
                                   ? NULL
                                   : (const void *)(base + shape->rest->count_offset);
    if (rest_count != NULL && *rest_count == 0)
        refuse_node(loading, node, "%s has no text in any language", shape->what);
}

/* The node is a mapping. */
static bool read_object(struct loading *loading, const struct shape *shape,
                        const struct yaml_node *node, char *base, struct error *err)
{
    char *first;
    unsigned kind = kind_of(loading, shape, node);
    if (shape->line_offset != SIZE_MAX)
        memcpy(base + shape->line_offset, &node->line, sizeof node->line);
    if (kind == 0)
        return true;
    if (shape->rest != NULL &&
        !new_elements(shape->rest, node->count == 0 ? 1 : node->count, base, &first, err))
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (!read_pair(loading, shape, kind, &node->pairs[i], base, err))
            return false;
    check_required(loading, shape, kind, node, base);
    return true;
}

/* ---- the whole ---- */

/* What the file leaves out and everybody may rely on. */
static bool complete(struct runbook *runbook, struct error *err)
{
    for (size_t i = 0; i < runbook->selection_count; i++) {
        struct runbook_selection *selection = &runbook->selections[i];
        if (selection->segment_count > 0)
            continue;
        if (selection->segments == NULL)
            selection->segments = calloc(1, sizeof *selection->segments);
        if (selection->segments == NULL)
            return no_memory(err);
        selection->segment_count = 1;
        selection->segments[0].line = selection->line;
        if (!set_text(&selection->segments[0].name, "all", err) ||
            !set_text(&selection->segments[0].where, "", err))
            return false;
    }
    return runbook->concurrency_group[0] != '\0' ||
           set_text(&runbook->concurrency_group, runbook->name, err);
}

static bool new_runbook(const char *text, size_t len, const char *file, struct runbook **out,
                        struct error *err)
{
    uint8_t digest[SHA256_BYTES];
    CLEANUP(runbook_cleanup) struct runbook *runbook = calloc(1, sizeof *runbook);
    if (runbook == NULL)
        return no_memory(err);
    runbook->file = strdup(file);
    runbook->source = strndup(text, len);
    if (runbook->file == NULL || runbook->source == NULL)
        return no_memory(err);
    digest_sha256(text, len, digest);
    text_hex(digest, sizeof digest, runbook->digest);
    if (!init_object(&shape_runbook, (char *)runbook, err))
        return false;
    *out = TAKE(runbook);
    return true;
}

static void release_loading(struct loading *loading)
{
    for (size_t i = 0; i < FORM_COUNT; i++)
        if (loading->compiled[i])
            regfree(&loading->patterns[i]);
    free(loading->places);
}

static bool load_node(struct loading *loading, const struct yaml_node *root, struct error *err)
{
    if (root->kind != YAML_MAPPING) {
        refuse_node(loading, root, "a runbook must be a mapping, not %s",
                    yaml_kind_name(root->kind));
        return true;
    }
    if (!read_object(loading, &shape_runbook, root, (char *)loading->runbook, err) ||
        !complete(loading->runbook, err) || !runbook_check_places(loading, err))
        return false;
    /* What the parts promise each other can only be judged where the parts are right. */
    return loading->problems->error_count > 0 || runbook_check_content(loading, err);
}

/* libfyaml's complaint has the place in front, as all of them have. */
static void add_syntax_problem(struct runbook_problems *problems, const char *file,
                               const struct error *failure)
{
    int line = 0;
    int column = 0;
    int used = 0;
    const char *text = failure->text;
    if (text_starts_with(text, file))
        text += strlen(file);
    if (sscanf(text, ":%d:%d: %n", &line, &column, &used) < 2 || used == 0)
        (void)sscanf(text, ":%d: %n", &line, &used); /* a byte that is not UTF-8 has no column */
    text += used > 0 ? used : (int)strspn(text, ": ");
    problem_hint(problems_add(problems, false, line, column, "%s", text), "%.250s", failure->hint);
}

bool runbook_load_all(const char *text, size_t len, const char *file,
                      struct runbook_problems *problems, struct runbook **out, struct error *err)
{
    CLEANUP(yaml_cleanup) struct yaml_node *root = NULL;
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    CLEANUP(release_loading) struct loading loading = {.problems = problems};
    *out = NULL;
    if (!yaml_parse(text, len, file, &root, err)) {
        if (err->kind != ERROR_INVALID)
            return false;
        add_syntax_problem(problems, file, err);
        return true;
    }
    if (!new_runbook(text, len, file, &runbook, err))
        return false;
    loading.runbook = runbook;
    if (!load_node(&loading, root, err))
        return false;
    problems_sort(problems);
    if (problems->error_count == 0)
        *out = TAKE(runbook);
    return true;
}

static bool first_problem(const char *file, const struct runbook_problems *problems,
                          struct error *err)
{
    const struct runbook_problem *first = &problems->items[0];
    (void)error_set(err, ERROR_INVALID, "%s:%d:%d: %s", file, first->line, first->column,
                    first->text);
    if (problems->error_count > 1)
        return error_hint(err, "%s%sThere are %zu problems; `mainstay runbook lint` lists them.",
                          first->hint, first->hint[0] == '\0' ? "" : " ", problems->error_count);
    return first->hint[0] == '\0' ? false : error_hint(err, "%s", first->hint);
}

bool runbook_load(const char *text, size_t len, const char *file, struct runbook **out,
                  struct error *err)
{
    struct runbook *runbook;
    CLEANUP(free_pointer) struct runbook_problems *problems = calloc(1, sizeof *problems);
    if (problems == NULL)
        return no_memory(err);
    if (!runbook_load_all(text, len, file, problems, &runbook, err))
        return false;
    if (runbook == NULL)
        return first_problem(file, problems, err);
    *out = runbook;
    return true;
}
