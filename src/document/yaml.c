#include "document/yaml.h"

#include "base/cleanup.h"
#include "document/utf8.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

/* One event ahead of the tree that is being built. */
struct yaml_reader {
    struct fy_parser *parser;
    struct fy_event *event; /* NULL at the end */
    struct fy_diag *diag;
    const char *name;
};

void yaml_free(struct yaml_node *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == YAML_MAPPING) {
            free(node->pairs[i].key);
            yaml_free(node->pairs[i].value);
        } else {
            yaml_free(node->items[i]);
        }
    }
    free(node->items);
    free(node->pairs);
    free(node->text);
    free(node);
}

void yaml_cleanup(struct yaml_node **node)
{
    yaml_free(*node);
    *node = NULL;
}

const struct yaml_pair *yaml_find(const struct yaml_node *mapping, const char *key)
{
    if (mapping->kind != YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++) {
        if (strcmp(mapping->pairs[i].key, key) == 0)
            return &mapping->pairs[i];
    }
    return NULL;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    static const char *const names[] = {
        [YAML_SCALAR] = "a text", [YAML_SEQUENCE] = "a list", [YAML_MAPPING] = "a mapping"};
    return names[kind];
}

static void release_event(struct yaml_reader *reader)
{
    if (reader->event != NULL)
        fy_parser_event_free(reader->parser, reader->event);
    reader->event = NULL;
}

static void reader_cleanup(struct yaml_reader *reader)
{
    release_event(reader);
    if (reader->parser != NULL)
        fy_parser_destroy(reader->parser);
    if (reader->diag != NULL)
        fy_diag_destroy(reader->diag);
}

/* libfyaml's own complaint, as one line. */
static bool syntax_error(struct yaml_reader *reader, struct error *err)
{
    void *at = NULL;
    const struct fy_diag_error *problem = fy_diag_errors_iterate(reader->diag, &at);
    if (problem == NULL)
        return error_set(err, ERROR_INVALID, "%s: cannot be read as YAML", reader->name);
    size_t len = strcspn(problem->msg, "\n");
    return error_set(err, ERROR_INVALID, "%s:%d:%d: %.*s", reader->name, problem->line,
                     problem->column, (int)len, problem->msg);
}

/* Moves on; reader->event is NULL at the end of the stream. */
static bool advance(struct yaml_reader *reader, struct error *err)
{
    release_event(reader);
    reader->event = fy_parser_parse(reader->parser);
    if (reader->event == NULL && fy_parser_get_stream_error(reader->parser))
        return syntax_error(reader, err);
    return true;
}

/* libfyaml's mark of a quoted text lies behind the quote. */
static bool has_quote(struct fy_event *event)
{
    enum fy_node_style style = fy_event_get_node_style(event);
    return style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED;
}

static void position(struct fy_event *event, int *out_line, int *out_column)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    *out_line = mark == NULL ? 1 : mark->line + 1;
    *out_column = mark == NULL ? 1 : mark->column + 1;
    if (mark != NULL && mark->column > 0 && has_quote(event))
        (*out_column)--;
}

static bool refuse(struct yaml_reader *reader, const char *problem, struct error *err)
{
    int line;
    int column;
    position(reader->event, &line, &column);
    return error_set(err, ERROR_INVALID, "%s:%d:%d: %s", reader->name, line, column, problem);
}

static bool refuse_token(struct yaml_reader *reader, struct fy_token *token, const char *problem,
                         struct error *err)
{
    const struct fy_mark *mark = fy_token_start_mark(token);
    if (mark == NULL)
        return refuse(reader, problem, err);
    return error_set(err, ERROR_INVALID, "%s:%d:%d: %s", reader->name, mark->line + 1,
                     mark->column + 1, problem);
}

/* What would make a value depend on more than what is written there. */
static bool check_event(struct yaml_reader *reader, struct error *err)
{
    if (reader->event->type == FYET_ALIAS)
        return refuse(reader, "aliases (*name) are not allowed", err);
    struct fy_token *anchor = fy_event_get_anchor_token(reader->event);
    if (anchor != NULL)
        return refuse_token(reader, anchor, "anchors (&name) are not allowed", err);
    struct fy_token *tag = fy_event_get_tag_token(reader->event);
    if (tag != NULL)
        return refuse_token(reader, tag, "tags (!name) are not allowed", err);
    return true;
}

/* Gives a copy of a scalar's text. */
static bool scalar_text(struct yaml_reader *reader, char **out, struct error *err)
{
    size_t len = 0;
    struct fy_token *token = fy_event_get_token(reader->event);
    const char *text = token == NULL ? "" : fy_token_get_text(token, &len);
    if (text == NULL)
        return error_no_memory(err, "a YAML text");
    if (memchr(text, '\0', len) != NULL)
        return refuse(reader, "a text must not contain a zero byte", err);
    CLEANUP(free_pointer) char *copy = strndup(text, len);
    if (copy == NULL)
        return error_no_memory(err, "a YAML text");
    if (!utf8_is_valid(copy))
        return refuse(reader, "a text must be UTF-8", err);
    *out = TAKE(copy);
    return true;
}

static bool read_node(struct yaml_reader *reader, int depth, struct yaml_node **out,
                      struct error *err);

/* A value that is not there stands nowhere in the file: it gets the place of what it belongs to. */
static void place_nothing(struct yaml_node *node, int line, int column)
{
    if (node->kind != YAML_SCALAR || node->text[0] != '\0' || node->quoted)
        return;
    node->line = line;
    node->column = column;
}

static bool add_item(struct yaml_node *sequence, struct yaml_node *item, struct error *err)
{
    struct yaml_node **items = reallocarray(sequence->items, sequence->count + 1,
                                            sizeof(struct yaml_node *));
    if (items == NULL) {
        yaml_free(item);
        return error_no_memory(err, "a YAML list");
    }
    sequence->items = items;
    items[sequence->count++] = item;
    return true;
}

static bool read_items(struct yaml_reader *reader, int depth, struct yaml_node *sequence,
                       struct error *err)
{
    while (reader->event != NULL && reader->event->type != FYET_SEQUENCE_END) {
        struct yaml_node *item = NULL;
        if (!read_node(reader, depth, &item, err))
            return false;
        place_nothing(item, sequence->line, sequence->column);
        if (!add_item(sequence, item, err))
            return false;
    }
    return advance(reader, err);
}

/* Reads a key into a new last pair without a value. */
static bool read_key(struct yaml_reader *reader, struct yaml_node *mapping, struct error *err)
{
    CLEANUP(free_pointer) char *key = NULL;
    if (reader->event->type != FYET_SCALAR && reader->event->type != FYET_ALIAS)
        return refuse(reader, "a key must be a text", err);
    if (!check_event(reader, err) || !scalar_text(reader, &key, err))
        return false;
    if (yaml_find(mapping, key) != NULL) {
        (void)refuse(reader, "this key is there twice", err);
        return error_hint(err, "Remove one of the two \"%.100s\".", key);
    }
    struct yaml_pair *pairs = reallocarray(mapping->pairs, mapping->count + 1,
                                           sizeof(struct yaml_pair));
    if (pairs == NULL)
        return error_no_memory(err, "a YAML mapping");
    mapping->pairs = pairs;
    struct yaml_pair *pair = &pairs[mapping->count++];
    *pair = (struct yaml_pair){.key = TAKE(key)};
    position(reader->event, &pair->line, &pair->column);
    return advance(reader, err);
}

static bool read_pairs(struct yaml_reader *reader, int depth, struct yaml_node *mapping,
                       struct error *err)
{
    while (reader->event != NULL && reader->event->type != FYET_MAPPING_END) {
        struct yaml_node *value = NULL;
        if (!read_key(reader, mapping, err) || !read_node(reader, depth, &value, err))
            return false;
        struct yaml_pair *pair = &mapping->pairs[mapping->count - 1];
        place_nothing(value, pair->line, pair->column);
        pair->value = value;
    }
    return advance(reader, err);
}

static bool read_content(struct yaml_reader *reader, int depth, struct yaml_node *node,
                         struct error *err)
{
    switch (reader->event->type) {
    case FYET_SCALAR:
        node->kind = YAML_SCALAR;
        node->quoted = has_quote(reader->event);
        return scalar_text(reader, &node->text, err) && advance(reader, err);
    case FYET_SEQUENCE_START:
        node->kind = YAML_SEQUENCE;
        return advance(reader, err) && read_items(reader, depth + 1, node, err);
    case FYET_MAPPING_START:
        node->kind = YAML_MAPPING;
        return advance(reader, err) && read_pairs(reader, depth + 1, node, err);
    default:
        return refuse(reader, "a value is missing", err);
    }
}

static bool read_node(struct yaml_reader *reader, int depth, struct yaml_node **out,
                      struct error *err)
{
    if (reader->event == NULL)
        return syntax_error(reader, err);
    if (depth > YAML_MAX_DEPTH)
        return refuse(reader, "this is nested too deeply", err);
    if (!check_event(reader, err))
        return false;
    CLEANUP(yaml_cleanup) struct yaml_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return error_no_memory(err, "a YAML node");
    position(reader->event, &node->line, &node->column);
    if (!read_content(reader, depth, node, err))
        return false;
    *out = TAKE(node);
    return true;
}

/* A text with nothing in it but comments. */
static bool empty_mapping(struct yaml_node **out, struct error *err)
{
    struct yaml_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return error_no_memory(err, "a YAML node");
    *node = (struct yaml_node){.kind = YAML_MAPPING, .line = 1, .column = 1};
    *out = node;
    return true;
}

static bool skip(struct yaml_reader *reader, enum fy_event_type type, struct error *err)
{
    if (reader->event == NULL || reader->event->type != type)
        return syntax_error(reader, err);
    return advance(reader, err);
}

static bool at(const struct yaml_reader *reader, enum fy_event_type type)
{
    return reader->event != NULL && reader->event->type == type;
}

static bool read_stream(struct yaml_reader *reader, struct yaml_node **out, struct error *err)
{
    if (!advance(reader, err) || !skip(reader, FYET_STREAM_START, err))
        return false;
    if (reader->event == NULL || at(reader, FYET_STREAM_END))
        return empty_mapping(out, err);
    if (!skip(reader, FYET_DOCUMENT_START, err))
        return false;
    CLEANUP(yaml_cleanup) struct yaml_node *root = NULL;
    if (!read_node(reader, 0, &root, err) || !skip(reader, FYET_DOCUMENT_END, err))
        return false;
    if (at(reader, FYET_DOCUMENT_START))
        return refuse(reader, "a second document begins here, only one is allowed", err);
    *out = TAKE(root);
    return true;
}

/* Up front, because libfyaml passes over bytes that are no characters. */
static bool check_characters(const char *text, size_t len, const char *name, struct error *err)
{
    int line = 1;
    CLEANUP(free_pointer) char *copy = strndup(text, len);
    if (copy == NULL)
        return error_no_memory(err, "a YAML text");
    for (const char *next = copy; *next != '\0'; next += utf8_length(next)) {
        if (utf8_length(next) == 0)
            return error_set(err, ERROR_INVALID, "%s:%d: a byte is not UTF-8", name, line);
        line += *next == '\n';
    }
    return true;
}

bool yaml_parse(const char *text, size_t len, const char *name, struct yaml_node **out,
                struct error *err)
{
    CLEANUP(reader_cleanup) struct yaml_reader reader = {.name = name};
    struct fy_diag_cfg diag_options;
    if (len > YAML_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "%s: %zu bytes are more than the %d allowed", name,
                         len, YAML_MAX_BYTES);
    if (memchr(text, '\0', len) != NULL)
        return error_set(err, ERROR_INVALID, "%s: a zero byte is not allowed", name);
    if (!check_characters(text, len, name, err))
        return false;
    fy_diag_cfg_default(&diag_options);
    reader.diag = fy_diag_create(&diag_options);
    if (reader.diag == NULL)
        return error_no_memory(err, "a YAML parser");
    fy_diag_set_collect_errors(reader.diag, true);
    struct fy_parse_cfg options = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE, .diag = reader.diag};
    reader.parser = fy_parser_create(&options);
    if (reader.parser == NULL || fy_parser_set_string(reader.parser, text, len) != 0)
        return error_no_memory(err, "a YAML parser");
    return read_stream(&reader, out, err);
}
