#include "runbook/id_list.h"

#include "postgres/query.h"
#include "runbook/plan.h"

#include <stdlib.h>

void id_list_release(struct id_list *list)
{
    free(list->items);
    *list = (struct id_list){0};
}

bool id_list_add(struct id_list *list, int64_t id, struct error *err)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 1024 : list->cap * 2;
        int64_t *items = reallocarray(list->items, cap, sizeof *items);
        if (items == NULL)
            return error_no_memory(err, "a list of ids");
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = id;
    return true;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

void id_list_sort(struct id_list *list)
{
    size_t kept = 0;
    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof *list->items, compare);
    for (size_t i = 1; i < list->count; i++)
        if (list->items[i] != list->items[kept])
            list->items[++kept] = list->items[i];
    list->count = kept + 1;
}

bool id_list_has(const struct id_list *list, int64_t id)
{
    return list->count > 0 &&
           bsearch(&id, list->items, list->count, sizeof *list->items, compare) != NULL;
}

static bool add_id(void *list, int64_t id, struct error *err)
{
    return id_list_add(list, id, err);
}

bool id_list_add_ranges(struct id_list *list, const char *text, struct error *err)
{
    return id_ranges_each(text, add_id, list, err);
}

void ids_put_array(const int64_t *ids, size_t count, struct buf *out)
{
    query_array_begin(out);
    for (size_t i = 0; i < count; i++)
        query_array_add_i64(out, ids[i]);
    query_array_end(out);
}
