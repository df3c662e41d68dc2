/* Ids in memory: eight bytes each, whatever their number. */
#ifndef RUNBOOK_ID_LIST_H
#define RUNBOOK_ID_LIST_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct id_list {
    int64_t *items;
    size_t count;
    size_t cap;
};

void id_list_release(struct id_list *list); /* a zeroed one is fine */
MUST_CHECK bool id_list_add(struct id_list *list, int64_t id, struct error *err);
/* Ascending, each once. */
void id_list_sort(struct id_list *list);
/* Of a sorted list. */
bool id_list_has(const struct id_list *list, int64_t id);
/* Adds those of a plan ("1-3,7"). */
MUST_CHECK bool id_list_add_ranges(struct id_list *list, const char *text, struct error *err);

/* Appends {1,2,3}: an array parameter. */
void ids_put_array(const int64_t *ids, size_t count, struct buf *out);

#endif
