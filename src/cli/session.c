#include "cli/session.h"

#include "config/config_fill.h"
#include "store/store_open.h"

bool session_open_store(struct session *session, const struct config *config, struct error *err)
{
    struct store_options options;
    return config_fill_store(config, &options, err) && store_open(&options, &session->store, err);
}

bool session_open(struct session *session, const struct config *config, struct error *err)
{
    return session_open_store(session, config, err) &&
           repository_open(session->store, &session->repository, err);
}

void session_close(struct session *session)
{
    store_close(session->store);
    session->store = NULL;
}
