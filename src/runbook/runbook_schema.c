#include "runbook/runbook_schema.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "runbook_loading.h"

#include <string.h>

#define DURATION_PATTERN "^[0-9]{1,15}(ms|s|m|h|d)$"

static bool put_object(const struct shape *shape, unsigned kind, struct value *out,
                       struct error *err);
static bool put_key(const struct key *key, struct value *out, struct error *err);

static bool put_names(const char *const *names, struct value *out, struct error *err)
{
    struct value *list = value_set_new_array(out, "enum", err);
    for (size_t i = 0; list != NULL && names[i] != NULL; i++)
        if (!value_append_text(list, names[i], err))
            return false;
    return list != NULL;
}

/* {"type": ["string", "number", "boolean"]}: what YAML takes for a number is a text to us. */
static bool put_any_scalar(struct value *out, struct error *err)
{
    struct value *types = value_set_new_array(out, "type", err);
    return types != NULL && value_append_text(types, "string", err) &&
           value_append_text(types, "number", err) && value_append_text(types, "boolean", err);
}

static bool put_one_line(struct value *out, struct error *err)
{
    struct value *refused = value_set_new_object(out, "not", err);
    return refused != NULL && value_set_text(refused, "pattern", "\n", err);
}

static bool put_text(const struct key *key, struct value *out, struct error *err)
{
    const struct text_form_row *form = text_form(key->form);
    if (key->names != NULL)
        return put_names(key->names, out, err);
    if (key->form == FORM_VALUE)
        return put_any_scalar(out, err);
    if (!value_set_text(out, "type", "string", err) || !value_set_u64(out, "minLength", 1, err) ||
        !value_set_u64(out, "maxLength", form->max_bytes, err))
        return false;
    if (form->pattern != NULL)
        return value_set_text(out, "pattern", form->pattern, err);
    return form->lines || put_one_line(out, err);
}

static bool put_count(const struct key *key, struct value *out, struct error *err)
{
    int64_t standard;
    if (!value_set_text(out, "type", "integer", err) ||
        !value_set_i64(out, "minimum", key->min, err) ||
        (key->max != 0 && !value_set_i64(out, "maximum", key->max, err)))
        return false;
    return key->standard == NULL || !text_to_i64(key->standard, &standard) ||
           value_set_i64(out, "default", standard, err);
}

static bool put_pattern(const char *pattern, struct value *out, struct error *err)
{
    return value_set_text(out, "type", "string", err) &&
           value_set_text(out, "pattern", pattern, err);
}

/* Gives the object for the elements of an array, or NULL. */
static struct value *put_array(struct value *out, struct error *err)
{
    if (!value_set_text(out, "type", "array", err) || !value_set_u64(out, "minItems", 1, err) ||
        !value_set_u64(out, "maxItems", RUNBOOK_MAX_ELEMENTS, err))
        return NULL;
    return value_set_new_object(out, "items", err);
}

static bool put_texts(const struct key *key, struct value *out, struct error *err)
{
    struct value *items = put_array(out, err);
    return items != NULL && put_text(key, items, err) &&
           value_set_bool(out, "uniqueItems", true, err);
}

static bool put_pairs(struct value *out, struct error *err)
{
    if (!value_set_text(out, "type", "object", err) || !value_set_u64(out, "minProperties", 1, err))
        return false;
    struct value *values = value_set_new_object(out, "additionalProperties", err);
    struct value *choices = values == NULL ? NULL : value_set_new_array(values, "anyOf", err);
    struct value *scalar = choices == NULL ? NULL : value_append_new_object(choices, err);
    struct value *list = scalar == NULL ? NULL : value_append_new_object(choices, err);
    struct value *items = list == NULL ? NULL : put_array(list, err);
    return items != NULL && put_any_scalar(scalar, err) && put_any_scalar(items, err);
}

static bool put_reference(const struct shape *shape, struct value *out, struct error *err)
{
    CLEANUP(free_pointer) char *path = text_format("#/definitions/%s", shape->what + strlen("a "));
    return path == NULL ? error_no_memory(err, "the schema")
                        : value_set_text(out, "$ref", path, err);
}

static bool put_element(const struct shape *shape, struct value *out, struct error *err)
{
    if (shape->kind_key != NULL)
        return put_reference(shape, out, err);
    return shape->value != NULL ? put_key(shape->value, out, err)
                                : put_object(shape, UINT32_MAX, out, err);
}

static bool put_map(const struct key *key, struct value *out, struct error *err)
{
    if (!value_set_text(out, "type", "object", err) ||
        !value_set_u64(out, "minProperties", 1, err) ||
        !value_set_u64(out, "maxProperties", RUNBOOK_MAX_ELEMENTS, err) ||
        !value_set_bool(out, "additionalProperties", false, err))
        return false;
    struct value *patterns = value_set_new_object(out, "patternProperties", err);
    struct value *element = patterns == NULL
                                ? NULL
                                : value_set_new_object(patterns,
                                                       text_form(key->shape->name)->pattern, err);
    return element != NULL && put_element(key->shape, element, err);
}

static bool put_objects(const struct key *key, struct value *out, struct error *err)
{
    struct value *items = put_array(out, err);
    return items != NULL && put_element(key->shape, items, err);
}

static bool put_type(const struct key *key, struct value *out, struct error *err)
{
    switch (key->type) {
    case KEY_CONST:
        return value_set_text(out, "const", key->names[0], err);
    case KEY_TEXT:
        return put_text(key, out, err);
    case KEY_ENUM:
        return put_names(key->names, out, err) &&
               (key->standard == NULL || value_set_text(out, "default", key->standard, err));
    case KEY_BOOL:
        return value_set_text(out, "type", "boolean", err) &&
               value_set_bool(out, "default", false, err);
    case KEY_COUNT:
        return put_count(key, out, err);
    case KEY_DURATION:
        return put_pattern(DURATION_PATTERN, out, err) &&
               (key->standard == NULL || value_set_text(out, "default", key->standard, err));
    case KEY_TEXTS:
        return put_texts(key, out, err);
    case KEY_PAIRS:
        return put_pairs(out, err);
    case KEY_GUARD:
        return put_pattern(GUARD_PATTERN, out, err);
    case KEY_OBJECT:
        return put_object(key->shape, UINT32_MAX, out, err);
    case KEY_OBJECTS:
        return put_objects(key, out, err);
    case KEY_MAP:
        break;
    }
    return put_map(key, out, err);
}

static bool put_key(const struct key *key, struct value *out, struct error *err)
{
    return value_set_text(out, "description", key->help, err) && put_type(key, out, err);
}

static bool key_is_of(const struct key *key, unsigned kind)
{
    return key->kinds == 0 || (key->kinds & kind) != 0;
}

static bool put_required(const struct shape *shape, unsigned kind, struct value *out,
                         struct error *err)
{
    struct value *list = NULL;
    for (size_t i = 0; i < shape->key_count; i++) {
        const struct key *key = &shape->keys[i];
        if (!key->required || !key_is_of(key, kind))
            continue;
        if (list == NULL)
            list = value_set_new_array(out, "required", err);
        if (list == NULL || !value_append_text(list, key->name, err))
            return false;
    }
    return true;
}

/* Keys that are in no row: their names have a pattern, and one of them must be there. */
static bool put_rest(const struct shape *shape, struct value *out, struct error *err)
{
    const struct shape *rest = shape->rest->shape;
    struct value *patterns = value_set_new_object(out, "patternProperties", err);
    struct value *element = patterns == NULL ? NULL
                                             : value_set_new_object(
                                                   patterns, text_form(rest->name)->pattern, err);
    if (element == NULL || !value_set_text(element, "description", shape->rest->help, err) ||
        !put_element(rest, element, err))
        return false;
    struct value *refused = value_set_new_object(out, "not", err);
    struct value *names = refused == NULL ? NULL
                                          : value_set_new_object(refused, "propertyNames", err);
    struct value *list = names == NULL ? NULL : value_set_new_array(names, "enum", err);
    for (size_t i = 0; list != NULL && i < shape->key_count; i++)
        if (!value_append_text(list, shape->keys[i].name, err))
            return false;
    return list != NULL;
}

static bool put_object(const struct shape *shape, unsigned kind, struct value *out,
                       struct error *err)
{
    if (!value_set_text(out, "type", "object", err) || !put_required(shape, kind, out, err))
        return false;
    struct value *properties = value_set_new_object(out, "properties", err);
    for (size_t i = 0; properties != NULL && i < shape->key_count; i++) {
        const struct key *key = &shape->keys[i];
        if (!key_is_of(key, kind))
            continue;
        struct value *property = value_set_new_object(properties, key->name, err);
        if (property == NULL || !put_key(key, property, err))
            return false;
    }
    return properties != NULL && value_set_bool(out, "additionalProperties", false, err) &&
           (shape->rest == NULL || put_rest(shape, out, err));
}

/* {"if": {"properties": {"uses": {"const": "tag"}}}, "then": {what a tag step is}} */
static bool put_kind(const struct shape *shape, size_t at, struct value *out, struct error *err)
{
    struct value *condition = value_set_new_object(out, "if", err);
    struct value *properties = condition == NULL
                                   ? NULL
                                   : value_set_new_object(condition, "properties", err);
    struct value *kind = properties == NULL
                             ? NULL
                             : value_set_new_object(properties, shape->kind_key, err);
    if (kind == NULL || !value_set_text(kind, "const", shape->kinds[at], err))
        return false;
    struct value *then = value_set_new_object(out, "then", err);
    return then != NULL && value_set_text(then, "description", shape->kind_helps[at], err) &&
           put_object(shape, 1U << at, then, err);
}

static bool put_kinds(const struct shape *shape, struct value *out, struct error *err)
{
    struct value *required = value_set_new_array(out, "required", err);
    if (required == NULL || !value_append_text(required, shape->kind_key, err))
        return false;
    struct value *properties = value_set_new_object(out, "properties", err);
    struct value *kind = properties == NULL
                             ? NULL
                             : value_set_new_object(properties, shape->kind_key, err);
    if (kind == NULL || !put_names(shape->kinds, kind, err))
        return false;
    struct value *all = value_set_new_array(out, "allOf", err);
    for (size_t i = 0; all != NULL && shape->kinds[i] != NULL; i++) {
        struct value *one = value_append_new_object(all, err);
        if (one == NULL || !put_kind(shape, i, one, err))
            return false;
    }
    return all != NULL;
}

struct value *runbook_schema(struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL ||
        !value_set_text(root, "$schema", "http://json-schema.org/draft-07/schema#", err) ||
        !value_set_text(root, "title", "Mainstay runbook, mainstay/v1", err) ||
        !put_object(&shape_runbook, UINT32_MAX, root, err))
        return NULL;
    struct value *definitions = value_set_new_object(root, "definitions", err);
    struct value *step = definitions == NULL
                             ? NULL
                             : value_set_new_object(definitions, shape_step.what + strlen("a "),
                                                    err);
    if (step == NULL || !put_kinds(&shape_step, step, err))
        return NULL;
    return TAKE(root);
}
