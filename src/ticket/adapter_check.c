#include "ticket/adapter_check.h"

#include "adapter_check_internal.h"

#include "ticket/adapter_install.h"
#include "ticket/adapter_probe.h"

#include <string.h>

void adapter_check_error(struct check_list *list, const char *name, const struct error *failure)
{
    check_add(list, name, CHECK_FAILED, "%s", failure->text);
    check_fix(list, "%s", failure->hint);
}

/* The helpdesk may have been upgraded since. Gives whether there is an adapter to check. */
static bool check_installed(struct connection *connection, struct check_list *list,
                            struct error *err)
{
    struct adapter_state state;
    struct buf missing;
    CLEANUP(adapter_cleanup) struct adapter *adapter = NULL;
    if (!adapter_state_read(connection, &state, err))
        return false;
    if (!state.present) {
        (void)error_set(err, ERROR_NOT_FOUND, "no adapter is installed in this database");
        return error_hint(err, "mainstay adapter install NAME");
    }
    if (!adapter_find(state.name, &adapter, err))
        return false;
    bool current = strcmp(adapter->version, state.version) == 0;
    check_add(list, "adapter", current ? CHECK_OK : CHECK_WARNING, "%s, version %s%s%s", state.name,
              state.version, current ? "" : "; this program has ", current ? "" : adapter->version);
    if (!current)
        check_fix(list, "mainstay adapter install %s --upgrade", state.name);
    buf_init(&missing, (size_t)64 * 1024);
    bool done = adapter_probe(connection, adapter, &missing, err);
    if (done && missing.len == 0)
        check_add(list, "helpdesk.columns", CHECK_OK, "the helpdesk has all columns that it needs");
    else if (done)
        check_add(list, "helpdesk.columns", CHECK_FAILED, "the helpdesk lacks %s",
                  buf_text(&missing));
    buf_release(&missing);
    return done;
}

void adapter_check(struct connection *connection, struct connection *other, struct check_list *list)
{
    struct error err;
    if (!check_installed(connection, list, &err)) {
        adapter_check_error(list, "adapter", &err);
        return;
    }
    adapter_check_catalog(connection, list);
    adapter_check_plans(connection, list);
    adapter_check_tags(connection, other, list);
}
