#include "cli/value_view.h"

const char *view_text(const struct value *object, const char *key)
{
    const char *text = "";
    struct error none;
    return value_get_text(object, key, &text, &none) ? text : "";
}

uint64_t view_number(const struct value *object, const char *key)
{
    uint64_t number = 0;
    struct error none;
    return value_get_u64(object, key, &number, &none) ? number : 0;
}

const struct value *view_object(const struct value *object, const char *key)
{
    const struct value *inner = NULL;
    struct error none;
    return value_get_object(object, key, &inner, &none) ? inner : NULL;
}

const struct value *view_list(const struct value *object, const char *key)
{
    const struct value *list = NULL;
    struct error none;
    return value_get_array(object, key, &list, &none) ? list : NULL;
}

const struct value *view_item(const struct value *list, size_t at)
{
    const struct value *item = NULL;
    struct error none;
    return value_at_object(list, at, &item, &none) ? item : NULL;
}
