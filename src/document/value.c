/* struct value is never defined: a pointer to it is a json_t pointer under another name. */
#include "document/value.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "document/utf8.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *node(struct value *value)
{
    return (json_t *)value;
}

static const json_t *const_node(const struct value *value)
{
    return (const json_t *)value;
}

static struct value *from_node(json_t *json)
{
    return (struct value *)json;
}

static struct value *new_value(json_t *json, struct error *err)
{
    if (json == NULL)
        (void)error_no_memory(err, "a JSON value");
    return from_node(json);
}

struct value *value_new_object(struct error *err)
{
    return new_value(json_object(), err);
}

struct value *value_new_array(struct error *err)
{
    return new_value(json_array(), err);
}

void value_free(struct value *value)
{
    json_decref(node(value));
}

void value_cleanup(struct value **value)
{
    value_free(*value);
    *value = NULL;
}

/* Gives a copy in which every wrong byte is U+FFFD. */
static char *to_utf8(const char *text)
{
    char *copy = malloc(3 * strlen(text) + 1);
    if (copy == NULL)
        return NULL;
    char *to = copy;
    for (const char *at = text; *at != '\0';) {
        size_t len = utf8_length(at);
        memcpy(to, len == 0 ? "\xef\xbf\xbd" : at, len == 0 ? 3 : len);
        to += len == 0 ? 3 : len;
        at += len == 0 ? 1 : len;
    }
    *to = '\0';
    return copy;
}

/* Gives the node of a text; where names it in the message. */
static json_t *text_node(const char *text, const char *where, struct error *err)
{
    if (!utf8_is_valid(text)) {
        (void)error_set(err, ERROR_INVALID, "cannot store %s as JSON: it is not UTF-8", where);
        return NULL;
    }
    return node(new_value(json_string_nocheck(text), err));
}

static json_t *u64_node(uint64_t number, struct error *err)
{
    char digits[24];
    if (number <= INT64_MAX)
        return node(new_value(json_integer((json_int_t)number), err));
    (void)snprintf(digits, sizeof digits, "%" PRIu64, number);
    return node(new_value(json_string(digits), err));
}

/* Takes child; NULL means that err is filled already. */
static bool set_node(struct value *object, const char *key, json_t *child, struct error *err)
{
    if (child == NULL)
        return false;
    if (json_object_set_new(node(object), key, child) != 0)
        return error_no_memory(err, "a JSON object");
    return true;
}

static bool append_node(struct value *array, json_t *child, struct error *err)
{
    if (child == NULL)
        return false;
    if (json_array_append_new(node(array), child) != 0)
        return error_no_memory(err, "a JSON array");
    return true;
}

bool value_set_text(struct value *object, const char *key, const char *text, struct error *err)
{
    return set_node(object, key, text_node(text, key, err), err);
}

bool value_set_text_lossy(struct value *object, const char *key, const char *text,
                          struct error *err)
{
    CLEANUP(free_pointer) char *clean = to_utf8(text);
    if (clean == NULL)
        return error_no_memory(err, "a JSON text");
    return value_set_text(object, key, clean, err);
}

bool value_set_u64(struct value *object, const char *key, uint64_t number, struct error *err)
{
    return set_node(object, key, u64_node(number, err), err);
}

bool value_set_i64(struct value *object, const char *key, int64_t number, struct error *err)
{
    return set_node(object, key, node(new_value(json_integer(number), err)), err);
}

bool value_set_bool(struct value *object, const char *key, bool flag, struct error *err)
{
    return set_node(object, key, json_boolean(flag), err);
}

bool value_set_null(struct value *object, const char *key, struct error *err)
{
    return set_node(object, key, json_null(), err);
}

bool value_set(struct value *object, const char *key, struct value *child, struct error *err)
{
    return set_node(object, key, node(child), err);
}

struct value *value_set_new_object(struct value *object, const char *key, struct error *err)
{
    struct value *child = value_new_object(err);
    return child != NULL && value_set(object, key, child, err) ? child : NULL;
}

struct value *value_set_new_array(struct value *object, const char *key, struct error *err)
{
    struct value *child = value_new_array(err);
    return child != NULL && value_set(object, key, child, err) ? child : NULL;
}

bool value_set_texts(struct value *object, const char *key, char *const *texts, size_t count,
                     struct error *err)
{
    struct value *list = value_set_new_array(object, key, err);
    for (size_t i = 0; list != NULL && i < count; i++)
        if (!value_append_text(list, texts[i], err))
            return false;
    return list != NULL;
}

bool value_append_text(struct value *array, const char *text, struct error *err)
{
    return append_node(array, text_node(text, "a text", err), err);
}

bool value_append_text_lossy(struct value *array, const char *text, struct error *err)
{
    CLEANUP(free_pointer) char *clean = to_utf8(text);
    if (clean == NULL)
        return error_no_memory(err, "a JSON text");
    return value_append_text(array, clean, err);
}

bool value_append_u64(struct value *array, uint64_t number, struct error *err)
{
    return append_node(array, u64_node(number, err), err);
}

bool value_append(struct value *array, struct value *child, struct error *err)
{
    return append_node(array, node(child), err);
}

struct value *value_append_new_object(struct value *array, struct error *err)
{
    struct value *child = value_new_object(err);
    return child != NULL && value_append(array, child, err) ? child : NULL;
}

struct value *value_append_new_array(struct value *array, struct error *err)
{
    struct value *child = value_new_array(err);
    return child != NULL && value_append(array, child, err) ? child : NULL;
}

static int print_part(const char *bytes, size_t len, void *context)
{
    struct buf *out = context;
    buf_put(out, bytes, len);
    return out->failed ? -1 : 0;
}

bool value_print(const struct value *value, bool pretty, struct buf *out, struct error *err)
{
    size_t flags = pretty ? JSON_INDENT(2) : JSON_COMPACT;
    int result = json_dump_callback(const_node(value), print_part, out, flags);
    if (pretty)
        buf_put_u8(out, '\n');
    if (!buf_check(out, "a JSON text", err))
        return false;
    return result == 0 ? true : error_no_memory(err, "a JSON text");
}

struct value *value_parse(const void *text, size_t len, size_t max_bytes, const char *what,
                          struct error *err)
{
    json_error_t problem;
    if (len > max_bytes) {
        (void)error_set(err, ERROR_INVALID, "%s has %zu bytes, more than the %zu allowed", what,
                        len, max_bytes);
        return NULL;
    }
    json_t *root = json_loadb(len == 0 ? "" : text, len, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL)
        (void)error_set(err, ERROR_INVALID, "%s is not valid JSON: line %d, column %d: %s", what,
                        problem.line, problem.column, problem.text);
    return from_node(root);
}

bool value_is_object(const struct value *value)
{
    return json_is_object(const_node(value));
}

bool value_is_array(const struct value *value)
{
    return json_is_array(const_node(value));
}

bool value_has(const struct value *object, const char *key)
{
    return json_object_get(const_node(object), key) != NULL;
}

static const char *type_name(const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a fraction";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

enum { PLACE_BYTES = 128 };

static bool wrong_type(const char *place, const json_t *json, const char *wanted, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s must be %s, not %s", place, wanted, type_name(json));
}

/* The member, or NULL with err filled. */
static const json_t *member(const struct value *object, const char *key, struct error *err)
{
    const json_t *found = json_object_get(const_node(object), key);
    if (found == NULL)
        (void)error_set(err, ERROR_INVALID, "key \"%s\" is missing", key);
    return found;
}

static const json_t *element(const struct value *array, size_t at, struct error *err)
{
    const json_t *found = json_array_get(const_node(array), at);
    if (found == NULL)
        (void)error_set(err, ERROR_INVALID, "element %zu is missing", at);
    return found;
}

static const char *key_place(const char *key, char out[PLACE_BYTES])
{
    (void)snprintf(out, PLACE_BYTES, "key \"%.100s\"", key);
    return out;
}

static const char *element_place(size_t at, char out[PLACE_BYTES])
{
    (void)snprintf(out, PLACE_BYTES, "element %zu", at);
    return out;
}

static bool read_text(const json_t *json, const char *place, const char **out, struct error *err)
{
    if (!json_is_string(json))
        return wrong_type(place, json, "a text", err);
    *out = json_string_value(json);
    return true;
}

static bool read_i64(const json_t *json, const char *place, int64_t *out, struct error *err)
{
    if (!json_is_integer(json))
        return wrong_type(place, json, "a number", err);
    *out = json_integer_value(json);
    return true;
}

static bool read_u64(const json_t *json, const char *place, uint64_t *out, struct error *err)
{
    int64_t number = 0;
    if (json_is_string(json)) {
        uint64_t large;
        if (!text_to_u64(json_string_value(json), &large) || large <= INT64_MAX)
            return wrong_type(place, json, "a number", err);
        *out = large;
        return true;
    }
    if (!read_i64(json, place, &number, err))
        return false;
    if (number < 0)
        return error_set(err, ERROR_INVALID, "%s must not be negative", place);
    *out = (uint64_t)number;
    return true;
}

static bool read_bool(const json_t *json, const char *place, bool *out, struct error *err)
{
    if (!json_is_boolean(json))
        return wrong_type(place, json, "true or false", err);
    *out = json_is_true(json);
    return true;
}

/* An object or an array, as `type` says. */
static bool read_child(const json_t *json, const char *place, json_type type,
                       const struct value **out, struct error *err)
{
    if (json_typeof(json) != type)
        return wrong_type(place, json, type == JSON_OBJECT ? "an object" : "an array", err);
    *out = (const struct value *)json;
    return true;
}

bool value_get_text(const struct value *object, const char *key, const char **out,
                    struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = member(object, key, err);
    return json != NULL && read_text(json, key_place(key, place), out, err);
}

bool value_get_u64(const struct value *object, const char *key, uint64_t *out, struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = member(object, key, err);
    return json != NULL && read_u64(json, key_place(key, place), out, err);
}

bool value_get_u32(const struct value *object, const char *key, uint32_t *out, struct error *err)
{
    uint64_t number;
    if (!value_get_u64(object, key, &number, err))
        return false;
    if (number > UINT32_MAX)
        return error_set(err, ERROR_INVALID, "key \"%s\" does not fit 32 bits", key);
    *out = (uint32_t)number;
    return true;
}

bool value_get_i64(const struct value *object, const char *key, int64_t *out, struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = member(object, key, err);
    return json != NULL && read_i64(json, key_place(key, place), out, err);
}

bool value_get_bool(const struct value *object, const char *key, bool *out, struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = member(object, key, err);
    return json != NULL && read_bool(json, key_place(key, place), out, err);
}

bool value_get_object(const struct value *object, const char *key, const struct value **out,
                      struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = member(object, key, err);
    return json != NULL && read_child(json, key_place(key, place), JSON_OBJECT, out, err);
}

bool value_get_array(const struct value *object, const char *key, const struct value **out,
                     struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = member(object, key, err);
    return json != NULL && read_child(json, key_place(key, place), JSON_ARRAY, out, err);
}

bool value_get_text_or(const struct value *object, const char *key, const char *otherwise,
                       const char **out, struct error *err)
{
    if (value_has(object, key))
        return value_get_text(object, key, out, err);
    *out = otherwise;
    return true;
}

bool value_get_u64_or(const struct value *object, const char *key, uint64_t otherwise,
                      uint64_t *out, struct error *err)
{
    if (value_has(object, key))
        return value_get_u64(object, key, out, err);
    *out = otherwise;
    return true;
}

bool value_get_i64_or(const struct value *object, const char *key, int64_t otherwise, int64_t *out,
                      struct error *err)
{
    if (value_has(object, key))
        return value_get_i64(object, key, out, err);
    *out = otherwise;
    return true;
}

bool value_get_bool_or(const struct value *object, const char *key, bool otherwise, bool *out,
                       struct error *err)
{
    if (value_has(object, key))
        return value_get_bool(object, key, out, err);
    *out = otherwise;
    return true;
}

bool value_find_object(const struct value *object, const char *key, const struct value **out,
                       struct error *err)
{
    if (value_has(object, key))
        return value_get_object(object, key, out, err);
    *out = NULL;
    return true;
}

bool value_find_array(const struct value *object, const char *key, const struct value **out,
                      struct error *err)
{
    if (value_has(object, key))
        return value_get_array(object, key, out, err);
    *out = NULL;
    return true;
}

size_t value_count(const struct value *array)
{
    return array == NULL ? 0 : json_array_size(const_node(array));
}

bool value_at_text(const struct value *array, size_t at, const char **out, struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = element(array, at, err);
    return json != NULL && read_text(json, element_place(at, place), out, err);
}

bool value_at_u64(const struct value *array, size_t at, uint64_t *out, struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = element(array, at, err);
    return json != NULL && read_u64(json, element_place(at, place), out, err);
}

bool value_at_object(const struct value *array, size_t at, const struct value **out,
                     struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = element(array, at, err);
    return json != NULL && read_child(json, element_place(at, place), JSON_OBJECT, out, err);
}

bool value_at_array(const struct value *array, size_t at, const struct value **out,
                    struct error *err)
{
    char place[PLACE_BYTES];
    const json_t *json = element(array, at, err);
    return json != NULL && read_child(json, element_place(at, place), JSON_ARRAY, out, err);
}

static bool is_among(const char *key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(key, names[i]) == 0)
            return true;
    }
    return false;
}

/* jansson's iterators change nothing but do not say const. */
static json_t *iterable(const struct value *object)
{
    union {
        const struct value *in;
        json_t *out;
    } same = {.in = object};
    return same.out;
}

bool value_check_keys(const struct value *object, const char *const *names, size_t count,
                      struct error *err)
{
    json_t *json = iterable(object);
    for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at)) {
        const char *key = json_object_iter_key(at);
        if (is_among(key, names, count))
            continue;
        (void)error_set(err, ERROR_INVALID, "key \"%s\" is unknown", key);
        const char *nearest = text_nearest(key, names, count);
        return nearest == NULL ? false : error_hint(err, "Did you mean \"%s\"?", nearest);
    }
    return true;
}

bool value_each(const struct value *object, value_member_fn visit, void *context, struct error *err)
{
    json_t *json = node((struct value *)(uintptr_t)object);
    for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at)) {
        if (!visit(context, json_object_iter_key(at), from_node(json_object_iter_value(at)), err))
            return false;
    }
    return true;
}

const struct value *value_at(const struct value *array, size_t at)
{
    return from_node(json_array_get(const_node(array), at));
}

bool value_is_null(const struct value *value)
{
    return json_is_null(const_node(value));
}

bool value_put_plain(const struct value *value, struct buf *out)
{
    const json_t *json = const_node(value);
    switch (json_typeof(json)) {
    case JSON_STRING:
        buf_put(out, json_string_value(json), json_string_length(json));
        return true;
    case JSON_INTEGER:
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        return true;
    case JSON_REAL:
        buf_printf(out, "%.15g", json_real_value(json));
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_printf(out, "%s", json_is_true(json) ? "true" : "false");
        return true;
    case JSON_NULL:
        return true;
    default:
        return false;
    }
}
