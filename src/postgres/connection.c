#include "postgres/connection.h"

#include "connection_error.h"
#include "connection_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/stop.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARAMETERS_MAX = 80, /* libpq 15 knows 47 */
    CONNECT_TIMEOUT_S = 10,
    POLL_SLICE_MS = 100,
    ANSWER_TIMEOUT_S = 60,
    MESSAGE_SIZE = 600,
    VERSION_MIN = 130000,
    VERSION_END = 190000,
};

struct parameters {
    const char *keywords[PARAMETERS_MAX + 1];
    const char *values[PARAMETERS_MAX + 1];
    size_t count;
};

static void options_cleanup(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

/* Later values win over earlier ones. */
static void add_parameter(struct parameters *parameters, const char *keyword, const char *value)
{
    if (value == NULL || parameters->count >= PARAMETERS_MAX)
        return;
    parameters->keywords[parameters->count] = keyword;
    parameters->values[parameters->count] = value;
    parameters->count++;
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
        if (strcmp(option->keyword, keyword) == 0)
            return option->val;
    return NULL;
}

static bool several_hosts(const PQconninfoOption *options)
{
    const char *host = option_value(options, "host");
    const char *hostaddr = option_value(options, "hostaddr");
    return (host != NULL && strchr(host, ',') != NULL) ||
           (hostaddr != NULL && strchr(hostaddr, ',') != NULL);
}

/* A dead peer is noticed within half a minute, where libpq's defaults wait for two hours. With a
 * list of hosts the timeout must end the first attempt early enough to try the next one. */
static void add_defaults(struct parameters *parameters, const struct connection_options *options,
                         const PQconninfoOption *given)
{
    add_parameter(parameters, "keepalives_idle", "10");
    add_parameter(parameters, "keepalives_interval", "5");
    add_parameter(parameters, "keepalives_count", "4");
    add_parameter(parameters, "tcp_user_timeout", several_hosts(given) ? "8000" : "30000");
    add_parameter(parameters, "ssl_min_protocol_version", "TLSv1.2");
    add_parameter(parameters, "client_encoding", "UTF8");
    add_parameter(parameters, "fallback_application_name",
                  options->application_name != NULL ? options->application_name : "mainstay");
    if (options->replication) /* the name that password files use for walsenders */
        add_parameter(parameters, "dbname", "replication");
}

static PGconn *start_connecting(const struct connection_options *options, struct error *err)
{
    struct parameters parameters = {.count = 0};
    char *message = NULL;
    CLEANUP(options_cleanup)
    PQconninfoOption *given = PQconninfoParse(options->conninfo, &message);
    if (given == NULL) {
        /* The message quotes the string, which may hold a password. */
        bool safe = message != NULL && strstr(options->conninfo, "pass") == NULL &&
                    strchr(options->conninfo, '@') == NULL;
        char line[MESSAGE_SIZE] = "malformed";
        if (safe)
            connection_message_line(message, line, sizeof line);
        PQfreemem(message);
        (void)error_set(err, ERROR_USAGE, "cannot use the connection string: %s", line);
        return NULL;
    }
    add_defaults(&parameters, options, given);
    for (const PQconninfoOption *option = given; option->keyword != NULL; option++)
        add_parameter(&parameters, option->keyword, option->val);
    add_parameter(&parameters, "dbname", options->database);
    if (options->password != NULL && secret_is_set(options->password))
        add_parameter(&parameters, "password", options->password->text);
    if (options->replication)
        add_parameter(&parameters, "replication", "true");
    char timeout[16];
    (void)snprintf(timeout, sizeof timeout, "%d", options->connect_timeout_s);
    if (options->connect_timeout_s > 0)
        add_parameter(&parameters, "connect_timeout", timeout);
    PGconn *pg = PQconnectStartParams(parameters.keywords, parameters.values, 0);
    if (pg == NULL)
        (void)error_no_memory(err, "a connection");
    return pg;
}

/* connect_timeout applies to each host, as in libpq's blocking functions. */
static int64_t connect_deadline_us(PGconn *pg)
{
    CLEANUP(options_cleanup) PQconninfoOption *effective = PQconninfo(pg);
    int64_t seconds = CONNECT_TIMEOUT_S;
    int64_t hosts = 1;
    if (effective != NULL) {
        const char *timeout = option_value(effective, "connect_timeout");
        int64_t chosen = 0;
        if (timeout != NULL && text_to_i64(timeout, &chosen) && chosen > 0 && chosen < 86400)
            seconds = chosen;
        const char *host = option_value(effective, "host");
        for (; host != NULL && *host != '\0'; host++)
            hosts += *host == ',';
    }
    return connection_deadline_us(seconds * hosts * 1000000);
}

int64_t connection_deadline_us(int64_t timeout_us)
{
    return timeout_us == 0 ? 0 : clock_monotonic_us(&clock_system) + timeout_us;
}

static bool no_answer(struct error *err)
{
    (void)error_set(err, ERROR_UNAVAILABLE, "the server did not answer in time");
    err->retryable = true;
    return false;
}

bool connection_wait(struct connection *connection, short events, int64_t deadline_us,
                     struct error *err)
{
    for (;;) {
        struct pollfd waiting = {.fd = PQsocket(connection->pg), .events = events};
        if (!stop_check(err))
            return false;
        if (waiting.fd < 0)
            return connection_error(connection, NULL, "wait for the server", err);
        int ready = poll(&waiting, 1, POLL_SLICE_MS);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return error_set_errno(err, errno, "could not wait for the server");
        if (deadline_us != 0 && clock_monotonic_us(&clock_system) >= deadline_us)
            return no_answer(err);
    }
}

static bool finish_connecting(struct connection *connection, struct error *err)
{
    int64_t deadline_us = connect_deadline_us(connection->pg);
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
        short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!connection_wait(connection, events, deadline_us, err)) {
            if (err->kind == ERROR_UNAVAILABLE)
                (void)error_hint(err, "Check that host and port of the connection string are "
                                      "right and that no firewall drops the packets.");
            return error_wrap(err, "could not connect");
        }
        state = PQconnectPoll(connection->pg);
    }
    if (state != PGRES_POLLING_OK)
        return connection_refused(connection->pg, connection->replication, err);
    return true;
}

static bool check_version(const struct connection *connection, struct error *err)
{
    int version = connection_server_version(connection);
    if (version >= VERSION_MIN && version < VERSION_END)
        return true;
    (void)error_set(err, ERROR_UNSUPPORTED, "cannot work with PostgreSQL %d.%d", version / 10000,
                    version % 10000);
    return error_hint(err, "This build knows PostgreSQL 13 to 18.");
}

/* Without this libpq would print the server's notices on stderr. */
static void receive_notice(void *context, const PGresult *notice)
{
    struct connection *connection = context;
    if (connection->on_notice != NULL)
        connection->on_notice(connection->notice_context, notice);
}

bool connection_open(const struct connection_options *options, struct connection **out,
                     struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return error_no_memory(err, "a connection");
    connection->replication = options->replication;
    connection->answer_timeout_us = (int64_t)ANSWER_TIMEOUT_S * 1000000;
    connection->pg = start_connecting(options, err);
    if (connection->pg == NULL)
        return false;
    (void)PQsetNoticeReceiver(connection->pg, receive_notice, connection);
    if (PQstatus(connection->pg) == CONNECTION_BAD)
        return connection_refused(connection->pg, connection->replication, err);
    (void)PQsetErrorVerbosity(connection->pg, PQERRORS_VERBOSE);
    if (!finish_connecting(connection, err) || !check_version(connection, err))
        return false;
    (void)PQsetErrorVerbosity(connection->pg, PQERRORS_DEFAULT);
    if (PQsetnonblocking(connection->pg, 1) != 0)
        return connection_error(connection, NULL, "use the connection", err);
    *out = TAKE(connection);
    return true;
}

void connection_close(struct connection *connection)
{
    if (connection == NULL)
        return;
    PQfinish(connection->pg);
    free(connection);
}

void connection_cleanup(struct connection **connection)
{
    connection_close(*connection);
    *connection = NULL;
}

int connection_server_version(const struct connection *connection)
{
    return PQserverVersion(connection->pg);
}

void connection_result_cleanup(PGresult **result)
{
    PQclear(*result);
    *result = NULL;
}

bool connection_error(struct connection *connection, const PGresult *result, const char *what,
                      struct error *err)
{
    char line[MESSAGE_SIZE];
    const char *message = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
                                         : NULL;
    const char *sqlstate = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    enum error_kind kind = ERROR_IO;
    bool retryable = false;
    if (message == NULL)
        message = result != NULL ? PQresultErrorMessage(result) : PQerrorMessage(connection->pg);
    if (sqlstate != NULL) {
        kind = sqlstate_kind(sqlstate, &retryable);
    } else if (PQstatus(connection->pg) == CONNECTION_BAD) {
        kind = ERROR_UNAVAILABLE;
        retryable = true;
    }
    connection_message_line(message, line, sizeof line);
    (void)error_set(err, kind, "could not %s: %s", what,
                    *line != '\0' ? line : "unexpected answer of the server");
    err->retryable = retryable;
    if (kind == ERROR_DENIED && connection->replication)
        (void)error_hint(err, "Run as a superuser: ALTER ROLE \"%s\" REPLICATION;",
                         PQuser(connection->pg));
    return false;
}

bool connection_send(struct connection *connection, const char *statement, struct error *err)
{
    if (PQsendQuery(connection->pg, statement) != 1)
        return connection_error(connection, NULL, "send a statement", err);
    return connection_flush(connection, err);
}

bool connection_flush(struct connection *connection, struct error *err)
{
    for (;;) {
        int left = PQflush(connection->pg);
        if (left == 0)
            return true;
        if (left < 0)
            return connection_error(connection, NULL, "send a statement", err);
        if (!connection_wait(connection, POLLIN | POLLOUT, 0, err))
            return false;
        if (PQconsumeInput(connection->pg) != 1)
            return connection_error(connection, NULL, "send a statement", err);
    }
}

bool connection_next_result(struct connection *connection, int64_t deadline_us, PGresult **out,
                            struct error *err)
{
    while (PQisBusy(connection->pg)) {
        if (!connection_wait(connection, POLLIN, deadline_us, err))
            return false;
        if (PQconsumeInput(connection->pg) != 1)
            return connection_error(connection, NULL, "read an answer", err);
    }
    *out = PQgetResult(connection->pg);
    return true;
}

bool connection_drain(struct connection *connection, int64_t deadline_us, struct error *err)
{
    for (;;) {
        CLEANUP(connection_result_cleanup) PGresult *next = NULL;
        if (!connection_next_result(connection, deadline_us, &next, err))
            return false;
        if (next == NULL)
            return true;
    }
}

/* In a COPY the same result comes again and again until the data have been read. */
static bool begins_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH;
}

bool connection_execute(struct connection *connection, const char *statement, ExecStatusType status,
                        const char *what, PGresult **out, struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *first = NULL;
    int64_t deadline_us = connection_deadline_us(connection->answer_timeout_us);
    if (!connection_send(connection, statement, err) ||
        !connection_next_result(connection, deadline_us, &first, err))
        return error_wrap(err, "could not %s", what);
    bool done = first != NULL && PQresultStatus(first) == status;
    if (!done)
        (void)connection_error(connection, first, what, err);
    for (bool more = first != NULL && !begins_copy(first); more;) {
        CLEANUP(connection_result_cleanup) PGresult *next = NULL;
        struct error lost = {0};
        if (!connection_next_result(connection, deadline_us, &next, done ? err : &lost))
            return false;
        more = next != NULL && !begins_copy(next);
    }
    if (done)
        *out = TAKE(first);
    return done;
}

bool connection_field(const PGresult *result, int row, int column, const char *what,
                      const char **out, struct error *err)
{
    if (row >= PQntuples(result) || column >= PQnfields(result) || PQgetisnull(result, row, column))
        return error_set(err, ERROR_INVALID,
                         "cannot use the server's answer to %s: a field is "
                         "missing",
                         what);
    *out = PQgetvalue(result, row, column);
    return true;
}
