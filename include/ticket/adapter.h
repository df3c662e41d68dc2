/*
 * Helpdesk adapters as this program carries them: runbooks/adapters/NAME/manifest.yaml, read and
 * checked, with the SQL beside it. runbooks/adapters/README.md is the manual of the format.
 */
#ifndef TICKET_ADAPTER_H
#define TICKET_ADAPTER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct adapter_names {
    char **items;
    size_t count;
};

/* A table of the helpdesk and the columns that the adapter needs it to have. */
struct adapter_table {
    char *name;
    struct adapter_names columns;
};

/* What an installation may choose: :'name' in adapter.sql, and a row of mainstay.settings. */
struct adapter_setting {
    char *name;
    char *standard; /* NULL: has to be given */
    bool is_int;    /* else any text */
    char *help;
};

/* What the helpdesk's own side needs after tags were written: nothing here runs it. */
struct adapter_hook {
    char *name;
    char *command; /* as an administrator types it there */
    char *help;
};

struct adapter {
    char *name;
    char *title;
    char *versions;        /* of the helpdesk, that the adapter was proved with */
    char *version;         /* of the adapter itself */
    char *helpdesk_schema; /* where the helpdesk's tables are */
    struct adapter_table *tables;
    size_t table_count;
    struct adapter_setting *settings;
    size_t setting_count;
    struct adapter_names capabilities;
    struct adapter_hook *after_commit;
    size_t after_commit_count;
    int64_t chunk;          /* ids in one call of its functions at most */
    const char *sql;        /* adapter.sql; "" for a manifest without one */
    const char *schema_sql; /* the helpdesk's own tables where they are missing; NULL: they never
                               are ours */
};

/* Borrows the text; `file` starts the messages: "adapters/rt5/manifest.yaml:7:3: ...".
 * ERROR_INVALID with line, column and the nearest known word. Gives *out. */
MUST_CHECK bool adapter_manifest_load(const char *text, size_t len, const char *file,
                                      struct adapter **out, struct error *err);
void adapter_free(struct adapter *adapter); /* NULL is allowed */
void adapter_cleanup(struct adapter **adapter);

/* The adapter of this name with its SQL. ERROR_NOT_FOUND with the nearest name. Gives *out. */
MUST_CHECK bool adapter_find(const char *name, struct adapter **out, struct error *err);

/* All of them, by name. Gives *out (adapter_list_release). */
struct adapter_list {
    struct adapter **items;
    size_t count;
};
MUST_CHECK bool adapter_list_load(struct adapter_list *out, struct error *err);
void adapter_list_release(struct adapter_list *list);

/* NULL when there is none of this name. */
const struct adapter_setting *adapter_setting(const struct adapter *adapter, const char *name);
bool adapter_has(const struct adapter *adapter, const char *capability);

#endif
