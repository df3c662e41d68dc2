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
/* For CLEANUP(session_close); a zeroed session is fine. */
void session_close(struct session *session);

#endif
