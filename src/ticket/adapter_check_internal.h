/* The parts of adapter_check: each adds results and changes nothing that is not rolled back. */
#ifndef TICKET_ADAPTER_CHECK_INTERNAL_H
#define TICKET_ADAPTER_CHECK_INTERNAL_H

#include "base/error.h"
#include "ticket/adapter_check.h"

/* An error as a failed check. */
void adapter_check_error(struct check_list *list, const char *name, const struct error *failure);

/* Shapes and privileges, from the catalogs. */
void adapter_check_catalog(struct connection *connection, struct check_list *list);
/* Bare columns and indexes, from plans. */
void adapter_check_plans(struct connection *connection, struct check_list *list);
/* Locks and tags, as a runner. */
void adapter_check_tags(struct connection *connection, struct connection *other,
                        struct check_list *list);

#endif
