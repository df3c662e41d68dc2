#include "connection_error.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_SIZE = 600, ADDRESS_SIZE = 64, SQLSTATE_LEN = 5 };

/* Longest prefix first where two match. PostgreSQL, Appendix A "Error Codes". */
static const struct {
    const char *prefix;
    enum error_kind kind;
    bool retryable;
} sqlstates[] = {
    {"08", ERROR_UNAVAILABLE, true},    /* connection exception */
    {"0A", ERROR_UNSUPPORTED, false},   /* feature not supported */
    {"28", ERROR_DENIED, false},        /* invalid authorization */
    {"3D000", ERROR_NOT_FOUND, false},  /* no such database */
    {"40", ERROR_UNAVAILABLE, true},    /* serialization failure, deadlock */
    {"42501", ERROR_DENIED, false},     /* insufficient privilege */
    {"42", ERROR_INVALID, false},       /* syntax error or access rule violation */
    {"53100", ERROR_NO_SPACE, false},   /* disk full */
    {"53", ERROR_UNAVAILABLE, true},    /* insufficient resources, too many connections */
    {"55P03", ERROR_UNAVAILABLE, true}, /* lock not available */
    {"55006", ERROR_UNAVAILABLE, true}, /* object in use: a slot, a database */
    {"57", ERROR_UNAVAILABLE, true},    /* operator intervention, starting up, shutting down */
    {"58P01", ERROR_NOT_FOUND, false},  /* undefined file: removed WAL, missing history */
    {"58", ERROR_IO, true},             /* system error */
    {"XX001", ERROR_CORRUPT, false},    /* data corrupted */
    {"XX002", ERROR_CORRUPT, false},    /* index corrupted */
};

enum error_kind sqlstate_kind(const char *sqlstate, bool *out_retryable)
{
    for (size_t i = 0; i < ARRAY_LEN(sqlstates); i++) {
        if (text_starts_with(sqlstate, sqlstates[i].prefix)) {
            *out_retryable = sqlstates[i].retryable;
            return sqlstates[i].kind;
        }
    }
    *out_retryable = false;
    return ERROR_IO;
}

char *connection_message_line(const char *message, char *out, size_t size)
{
    size_t len = strcspn(message, "\n");
    if (len >= size)
        len = size - 1;
    memcpy(out, message, len);
    out[len] = '\0';
    return out;
}

static bool is_sqlstate(const char *text)
{
    for (size_t i = 0; i < SQLSTATE_LEN; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'A' && text[i] <= 'Z')))
            return false;
    return strncmp(text + SQLSTATE_LEN, ": ", 2) == 0;
}

/* Verbose libpq writes "FATAL:  28P01: password ...": takes the code out of the line. The word in
 * front is in the server's language, the two spaces are not. */
static bool take_sqlstate(char *line, char out[SQLSTATE_LEN + 1])
{
    for (char *at = strstr(line, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        char *code = at + 3;
        if (!is_sqlstate(code))
            continue;
        memcpy(out, code, SQLSTATE_LEN);
        out[SQLSTATE_LEN] = '\0';
        const char *rest = code + SQLSTATE_LEN + 2;
        memmove(at + 2, rest, strlen(rest) + 1);
        return true;
    }
    return false;
}

/* The first quoted word after `from` that is an IP address: how the server sees us. Quotes are the
 * same in every language of the server, the words around them are not. */
static bool quoted_address(const char *from, char out[ADDRESS_SIZE])
{
    const char *open = strchr(from, '"');
    while (open != NULL) {
        const char *end = strchr(open + 1, '"');
        if (end == NULL)
            return false;
        size_t len = (size_t)(end - open - 1);
        struct in6_addr parsed;
        if (len > 0 && len < ADDRESS_SIZE) {
            memcpy(out, open + 1, len);
            out[len] = '\0';
            if (inet_pton(AF_INET, out, &parsed) == 1 || inet_pton(AF_INET6, out, &parsed) == 1)
                return true;
        }
        open = strchr(end + 1, '"');
    }
    return false;
}

static void hint_hba(const char *line, const char *user, bool replication, struct error *err)
{
    char address[ADDRESS_SIZE];
    const char *database = replication ? "replication" : "all";
    if (!quoted_address(strstr(line, "pg_hba.conf"), address)) {
        (void)error_hint(err,
                         "Add this line to pg_hba.conf on the server and reload it: "
                         "local %s %s scram-sha-256",
                         database, user);
        return;
    }
    (void)error_hint(err,
                     "Add this line to pg_hba.conf on the server and reload it "
                     "(SELECT pg_reload_conf()): host %s %s %s/%d scram-sha-256",
                     database, user, address, strchr(address, ':') != NULL ? 128 : 32);
}

static void hint_denied(const char *sqlstate, const char *line, const char *user, bool replication,
                        struct error *err)
{
    if (strstr(line, "pg_hba.conf") != NULL)
        hint_hba(line, user, replication, err);
    if (strcmp(sqlstate, "42501") == 0 && replication)
        (void)error_hint(err, "Run as a superuser: ALTER ROLE \"%s\" REPLICATION;", user);
    if (strcmp(sqlstate, "28P01") == 0)
        (void)error_hint(err,
                         "Check the password of role \"%s\" (PGPASSWORD, PGPASSFILE or the "
                         "configured secret file) and its line in pg_hba.conf.",
                         user);
    (void)error_hint(err,
                     "Create the role as a superuser if it is missing: CREATE ROLE \"%s\" "
                     "LOGIN%s PASSWORD '...'; and allow it in pg_hba.conf.",
                     user, replication ? " REPLICATION" : "");
}

static void hint_busy(const char *line, struct error *err)
{
    if (strstr(line, "max_wal_senders") != NULL)
        (void)error_hint(err, "Raise max_wal_senders on the server (ALTER SYSTEM SET "
                              "max_wal_senders = 20; wal_level must be replica or logical; then "
                              "restart it), or close a replication connection listed in "
                              "pg_stat_replication.");
    (void)error_hint(err, "Close connections or raise max_connections on the server.");
}

/* libpq asks a 13 with SELECT for target_session_attrs=primary, standby and prefer-standby. */
static void hint_session_attrs(const char *line, struct error *err)
{
    if (strstr(line, "SQL commands in WAL sender") != NULL)
        (void)error_hint(err, "Name the primary with target_session_attrs=read-write: PostgreSQL "
                              "13 cannot be asked otherwise on a replication connection.");
}

static bool refused_by_server(PGconn *pg, bool replication, const char *sqlstate, const char *line,
                              struct error *err)
{
    bool retryable = false;
    enum error_kind kind = sqlstate_kind(sqlstate, &retryable);
    (void)error_set(err, kind, "could not connect: %s", line);
    err->retryable = retryable;
    const char *user = PQuser(pg) != NULL ? PQuser(pg) : "mainstay";
    if (kind == ERROR_DENIED)
        hint_denied(sqlstate, line, user, replication, err);
    if (strcmp(sqlstate, "53300") == 0)
        hint_busy(line, err);
    hint_session_attrs(line, err);
    return false;
}

/* libpq's own words; they are English because no locale is set. */
static enum error_kind client_side_kind(PGconn *pg, const char *line)
{
    static const char *const denied[] = {"certificate", "does not support SSL", "authentication",
                                         "password", "channel binding"};
    static const char *const usage[] = {"invalid ", "could not match", "definition of service"};
    if (PQconnectionNeedsPassword(pg))
        return ERROR_DENIED;
    for (size_t i = 0; i < ARRAY_LEN(denied); i++)
        if (strstr(line, denied[i]) != NULL)
            return ERROR_DENIED;
    for (size_t i = 0; i < ARRAY_LEN(usage); i++)
        if (text_starts_with(line, usage[i]))
            return ERROR_USAGE;
    return ERROR_UNAVAILABLE;
}

bool connection_refused(PGconn *pg, bool replication, struct error *err)
{
    char line[MESSAGE_SIZE];
    char sqlstate[SQLSTATE_LEN + 1];
    connection_message_line(PQerrorMessage(pg), line, sizeof line);
    if (take_sqlstate(line, sqlstate))
        return refused_by_server(pg, replication, sqlstate, line, err);
    enum error_kind kind = client_side_kind(pg, line);
    (void)error_set(err, kind, "could not connect: %s", *line != '\0' ? line : "no reason given");
    err->retryable = kind == ERROR_UNAVAILABLE;
    if (PQconnectionNeedsPassword(pg))
        (void)error_hint(err, "Give the password in PGPASSWORD, a password file (PGPASSFILE) or "
                              "the configured secret file.");
    return false;
}
