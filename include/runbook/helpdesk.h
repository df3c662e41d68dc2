/* Which helpdesk a connection leads to, as schema `mainstay` says it. */
#ifndef RUNBOOK_HELPDESK_H
#define RUNBOOK_HELPDESK_H

#include "postgres/connection.h"
#include "runbook/runbook.h"

struct helpdesk {
    char *adapter;
    char *version; /* of the adapter, as it was installed */
    char *database;
    char *system_identifier;
    struct text_list
        capabilities; /* mainstay.settings, 'capabilities': names with blanks between */
};

/* ERROR_NOT_FOUND when no adapter is installed. Fills *out, released by the caller. */
MUST_CHECK bool helpdesk_read(struct connection *connection, struct helpdesk *out,
                              struct error *err);
void helpdesk_release(struct helpdesk *helpdesk); /* a zeroed one is fine */

bool text_list_has(const struct text_list *list, const char *text);

#endif
