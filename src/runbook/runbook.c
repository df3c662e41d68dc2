#include "runbook/runbook.h"

#include "base/text.h"
#include "runbook_shape.h"

#include <stdlib.h>
#include <string.h>

static void release_object(const struct shape *shape, char *base);

static void free_text(char **text)
{
    free(*text);
    *text = NULL;
}

static void free_texts(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list){0};
}

static void release_array(const struct key *key, char *base)
{
    char **array = (void *)(base + key->offset);
    size_t *count = (void *)(base + key->count_offset);
    for (size_t i = 0; i < *count; i++) {
        char *element = *array + i * key->shape->size;
        if (key->type == KEY_MAP)
            free_text((void *)(element + key->shape->name_offset));
        release_object(key->shape, element);
    }
    free_text(array);
    *count = 0;
}

static void release_key(const struct key *key, char *base)
{
    char *field = base + key->offset;
    struct runbook_guard *guard = (void *)base;
    switch (key->type) {
    case KEY_TEXT:
        free_text((void *)field);
        break;
    case KEY_TEXTS:
    case KEY_PAIRS:
        free_texts((void *)field);
        break;
    case KEY_GUARD:
        free_text(&guard->selection);
        free_text(&guard->op);
        free_text(&guard->limit);
        break;
    case KEY_OBJECT:
        release_object(key->shape, field);
        break;
    case KEY_OBJECTS:
    case KEY_MAP:
        release_array(key, base);
        break;
    case KEY_CONST:
    case KEY_ENUM:
    case KEY_BOOL:
    case KEY_COUNT:
    case KEY_DURATION:
        break;
    }
}

/* Rows may share a field: what is freed is NULL afterwards. */
static void release_object(const struct shape *shape, char *base)
{
    for (size_t i = 0; i < shape->key_count; i++)
        release_key(&shape->keys[i], base);
    if (shape->value != NULL)
        release_key(shape->value, base);
    if (shape->rest != NULL)
        release_key(shape->rest, base);
}

void runbook_free(struct runbook *runbook)
{
    if (runbook == NULL)
        return;
    release_object(&shape_runbook, (char *)runbook);
    free(runbook->file);
    free(runbook->source);
    free(runbook);
}

void runbook_cleanup(struct runbook **runbook)
{
    runbook_free(*runbook);
    *runbook = NULL;
}

const struct runbook_selection *runbook_selection(const struct runbook *runbook, const char *name)
{
    for (size_t i = 0; i < runbook->selection_count; i++)
        if (strcmp(runbook->selections[i].name, name) == 0)
            return &runbook->selections[i];
    return NULL;
}

const struct runbook_template *runbook_template(const struct runbook *runbook, const char *name)
{
    for (size_t i = 0; i < runbook->template_count; i++)
        if (strcmp(runbook->templates[i].name, name) == 0)
            return &runbook->templates[i];
    return NULL;
}

const struct runbook_param *runbook_param(const struct runbook *runbook, const char *name)
{
    for (size_t i = 0; i < runbook->param_count; i++)
        if (strcmp(runbook->params[i].name, name) == 0)
            return &runbook->params[i];
    return NULL;
}

const struct runbook_step *runbook_step_at(const struct runbook *runbook, size_t at)
{
    if (at < runbook->step_count)
        return &runbook->steps[at];
    at -= runbook->step_count;
    return at < runbook->recover_count ? &runbook->recover[at] : NULL;
}

bool runbook_duration(const char *text, int64_t *out_us)
{
    static const struct {
        char unit[3];
        int64_t factor;
    } units[] = {{"ms", 1000},
                 {"s", 1000000},
                 {"m", 60000000},
                 {"h", INT64_C(3600000000)},
                 {"d", INT64_C(86400000000)}};
    char digits[16];
    size_t len = strspn(text, "0123456789");
    uint64_t value;
    if (len == 0 || len >= sizeof digits)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (!text_to_u64(digits, &value))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + len, units[i].unit) != 0)
            continue;
        if (value > (uint64_t)(INT64_MAX / units[i].factor))
            return false;
        *out_us = (int64_t)value * units[i].factor;
        return true;
    }
    return false;
}
