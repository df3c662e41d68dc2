/* What most commands need first: the store of the configuration, and the repository in it. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/command.h"
#include "postgres/connection.h"
#include "repository/catalog.h"
#include "repository/repository.h"

struct session {
    struct store *store;
    struct repository repository;
};

MUST_CHECK bool session_open_store(struct session *session, const struct config *config,
                                   struct error *err);
MUST_CHECK bool session_open(struct session *session, const struct config *config,
                             struct error *err);
/* The same for what a daemon may run: with the flag --term the store is fenced (repository/term.h).
 */
#define SESSION_TERM_FLAG                                                                          \
    {                                                                                              \
        "term", "N", NULL, "The daemon's term: give up when another daemon has begun a later one." \
    }
MUST_CHECK bool session_open_fenced(struct session *session, const struct invocation *call,
                                    struct error *err);
/* The repository in a store that is open. */
MUST_CHECK bool session_open_repository(struct session *session, const struct config *config,
                                        struct error *err);
/* For CLEANUP(session_close); a zeroed session is fine. */
void session_close(struct session *session);

#endif
