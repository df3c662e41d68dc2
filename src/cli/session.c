#include "cli/session.h"

#include "base/text.h"
#include "config/config_fill.h"
#include "repository/term.h"
#include "store/store_open.h"

#include <unistd.h>

bool session_open_store(struct session *session, const struct config *config, struct error *err)
{
    struct store_options options;
    return config_fill_store(config, &options, err) && store_open(&options, &session->store, err);
}

bool session_open_repository(struct session *session, const struct config *config,
                             struct error *err)
{
    struct key_options keys;
    config_fill_keys(config, &keys);
    keys.ask = isatty(STDIN_FILENO) != 0;
    return repository_open_with(session->store, &keys, &session->repository, err);
}

bool session_open(struct session *session, const struct config *config, struct error *err)
{
    return session_open_store(session, config, err) &&
           session_open_repository(session, config, err);
}

bool session_open_fenced(struct session *session, const struct invocation *call, struct error *err)
{
    uint64_t term;
    const char *text = invocation_value(call, "term");
    if (text == NULL)
        return session_open(session, &call->config, err);
    if (!text_to_u64(text, &term) || term == 0)
        return error_set(err, ERROR_USAGE, "--term: \"%.40s\" is not the number of a term", text);
    if (!session_open_store(session, &call->config, err))
        return false;
    struct store *inner = session->store;
    session->store = NULL;
    return term_fence_open(inner, term, &session->store, err) &&
           session_open_repository(session, &call->config, err);
}

void session_close(struct session *session)
{
    repository_close(&session->repository);
    store_close(session->store);
    session->store = NULL;
}
