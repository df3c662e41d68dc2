/*
 * The server of a drill: PostgreSQL on the restored directory, for nobody but the drill.
 *
 * Its postgresql.conf, pg_hba.conf and pg_ident.conf are the drill's own, because those of the
 * source may stand outside the data directory (Debian) and say things that must not happen here;
 * postgresql.auto.conf is read by PostgreSQL itself, and holds the recovery that restore wrote.
 * Everything that matters is on the command line, which beats all files:
 *
 * - Nobody gets in: no TCP, and a socket in a directory that only the drill's user may enter. That
 *   is why `trust` is enough, and better than `peer`: a uid of a container has no name, and root
 *   drills for another user.
 * - Nothing gets out: no archiving, no primary, no standbys, no logical replication workers (a
 *   restored subscription would advance the slot of its publisher).
 * - Nobody acts: no preloaded libraries (workers such as pg_cron's do not exist then), no
 *   autovacuum, no event triggers.
 * - It starts here: sizes that fit a small machine; hot_standby off, so that the source's
 *   max_connections and the like need not be matched.
 */
#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/stop.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define PORT "5432"

enum {
    ARGUMENTS_MAX = 160,
    LOG_MAX_BYTES = 64 << 20,
    REASON_SIZE = 600,
    STATUS_LINE = 8, /* of postmaster.pid: LOCK_FILE_LINE_PM_STATUS in miscadmin.h */
    POLL_US = 20000,
    STOP_TIMEOUT_US = 120000000,
    QUIT_TIMEOUT_US = 6000000,
};

struct setting {
    const char *name;
    const char *value;
    int from_major;
};

static const struct setting settings[] = {
    {"listen_addresses", "", 0},
    {"port", PORT, 0},
    {"unix_socket_permissions", "0700", 0},
    {"unix_socket_group", "", 0},
    {"ssl", "off", 0},
    {"archive_mode", "off", 0},
    {"archive_command", "", 0},
    {"primary_conninfo", "", 0},
    {"primary_slot_name", "", 0},
    {"synchronous_standby_names", "", 0},
    {"max_wal_senders", "0", 0},
    {"max_logical_replication_workers", "0", 0},
    {"session_preload_libraries", "", 0},
    {"local_preload_libraries", "", 0},
    {"event_triggers", "off", 17},
    {"autovacuum", "off", 0},
    {"hot_standby", "off", 0},
    {"restart_after_crash", "off", 0},
    {"fsync", "on", 0},
    {"shared_buffers", "128MB", 0},
    {"huge_pages", "off", 0},
    {"max_connections", "20", 0},
    {"max_prepared_transactions", "1000", 0},
    {"max_worker_processes", "8", 0},
    {"max_replication_slots", "10", 0},
    {"jit", "off", 0},
    {"logging_collector", "off", 0},
    {"log_destination", "stderr", 0},
    {"log_line_prefix", "%m [%p] ", 0},
    {"log_min_messages", "warning", 0},
    {"log_statement", "none", 0},
    {"log_min_duration_statement", "-1", 0},
    {"log_min_error_statement", "panic", 0}, /* tickets do not belong into a log */
    {"log_connections", "off", 0},
    {"log_disconnections", "off", 0},
    {"log_timezone", "UTC", 0},
    {"lc_messages", "C", 0},
};

struct arguments {
    const char *items[ARGUMENTS_MAX + 1];
    char *owned[ARGUMENTS_MAX];
    size_t count;
    size_t owned_count;
};

static void arguments_release(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->owned_count; i++)
        free(arguments->owned[i]);
}

/* Takes text. */
static bool add_owned(struct arguments *arguments, char *text, struct error *err)
{
    if (text == NULL)
        return error_no_memory(err, "a command line");
    arguments->owned[arguments->owned_count++] = text;
    arguments->items[arguments->count++] = text;
    return true;
}

static bool add_setting(struct arguments *arguments, const char *name, const char *value,
                        struct error *err)
{
    arguments->items[arguments->count++] = "-c";
    return add_owned(arguments, text_format("%s=%s", name, value), err);
}

static bool fill_arguments(const struct drill_server *server, struct arguments *out,
                           struct error *err)
{
    const struct drill_scratch *scratch = server->scratch;
    if (!add_owned(out, text_format("%s/postgres", server->plan->binaries), err))
        return false;
    out->items[out->count++] = "-D";
    out->items[out->count++] = scratch->data;
    static const char *const files[][2] = {{"config_file", "postgresql.conf"},
                                           {"hba_file", "pg_hba.conf"},
                                           {"ident_file", "pg_ident.conf"}};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        out->items[out->count++] = "-c";
        if (!add_owned(out, text_format("%s=%s/%s", files[i][0], scratch->root, files[i][1]), err))
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (server->plan->major >= settings[i].from_major &&
            !add_setting(out, settings[i].name, settings[i].value, err))
            return false;
    CLEANUP(free_pointer) char *pid_file = path_join(scratch->root, "server.pid");
    if (pid_file == NULL)
        return error_no_memory(err, "a path");
    return add_setting(out, "external_pid_file", pid_file, err) &&
           add_setting(out, "unix_socket_directories", scratch->root, err) &&
           add_setting(out, "shared_preload_libraries", server->options->preload, err);
}

static bool write_files(const struct drill_server *server, struct error *err)
{
    const struct drill_scratch *scratch = server->scratch;
    return drill_scratch_write(scratch, server->plan, "postgresql.conf",
                               "# the drill's settings are on the server's command line\n", err) &&
           drill_scratch_write(scratch, server->plan, "pg_hba.conf", "local all all trust\n",
                               err) &&
           drill_scratch_write(scratch, server->plan, "pg_ident.conf", "", err);
}

bool drill_server_start(struct drill_server *server, struct error *err)
{
    CLEANUP(arguments_release) struct arguments arguments = {.count = 0};
    if (!write_files(server, err) || !fill_arguments(server, &arguments, err))
        return false;
    const struct drill_process process = {.argv = arguments.items,
                                          .output = server->scratch->log,
                                          .directory = server->scratch->root,
                                          .death_signal = SIGQUIT, /* immediate shutdown */
                                          .change_user = server->plan->change_user,
                                          .uid = server->plan->uid,
                                          .gid = server->plan->gid};
    return drill_process_start(&process, &server->pid, err);
}

/* --- the log -------------------------------------------------------------------------------------
 */

static void keep_line(const char *line, size_t len, char out[REASON_SIZE])
{
    if (out[0] == '\0')
        (void)snprintf(out, REASON_SIZE, "%.*s",
                       (int)(len < REASON_SIZE / 2 ? len : REASON_SIZE / 2), line);
}

/* Why it ended: the first FATAL or PANIC, and what our own restore_command said before it. */
static void read_reason(const struct drill_server *server, char out[REASON_SIZE])
{
    struct error ignored;
    char fatal[REASON_SIZE] = "";
    char command[REASON_SIZE] = "";
    CLEANUP(buf_release) struct buf log;
    buf_init(&log, LOG_MAX_BYTES);
    const char *text = file_read_all(server->scratch->log, &log, &ignored) ? buf_text(&log) : NULL;
    for (const char *at = text; at != NULL && *at != '\0' && fatal[0] == '\0';) {
        size_t len = strcspn(at, "\n");
        const char *found = memmem(at, len, "FATAL:  ", 8);
        if (found == NULL)
            found = memmem(at, len, "PANIC:  ", 8);
        if (found != NULL)
            keep_line(found + 8, len - (size_t)(found + 8 - at), fatal);
        if (len > 10 && strncmp(at, "mainstay: ", 10) == 0) {
            command[0] = '\0';
            keep_line(at + 10, len - 10, command);
        }
        at += len + (at[len] == '\n');
    }
    (void)snprintf(out, REASON_SIZE, "%.*s%s%.*s", REASON_SIZE / 2 - 4,
                   fatal[0] == '\0' ? "the server ended without a reason in its log" : fatal,
                   command[0] == '\0' ? "" : "; ", REASON_SIZE / 2 - 4, command);
}

static bool log_has(const struct drill_server *server, const char *words)
{
    struct error ignored;
    CLEANUP(buf_release) struct buf log;
    buf_init(&log, LOG_MAX_BYTES);
    return file_read_all(server->scratch->log, &log, &ignored) &&
           memmem(log.data, log.len, words, strlen(words)) != NULL;
}

/* --- life ----------------------------------------------------------------------------------------
 */

/* As pg_ctl finds out, without a connection that would be refused and logged. */
static bool is_ready(const struct drill_server *server)
{
    struct error ignored;
    CLEANUP(buf_release) struct buf text;
    CLEANUP(free_pointer) char *path = path_join(server->scratch->data, "postmaster.pid");
    buf_init(&text, 4096);
    if (path == NULL || !file_read_all(path, &text, &ignored))
        return false;
    const char *at = buf_text(&text);
    for (int line = 1; at != NULL && line < STATUS_LINE; line++) {
        at = strchr(at, '\n');
        at = at == NULL ? NULL : at + 1;
    }
    return at != NULL && text_starts_with(at, "ready");
}

/* 0 while it runs; otherwise its pid is forgotten. */
static bool has_ended(struct drill_server *server, int *out_status)
{
    if (server->pid == 0 || waitpid(server->pid, out_status, WNOHANG) == 0)
        return server->pid == 0;
    server->pid = 0;
    return true;
}

bool drill_server_wait(struct drill_server *server, struct error *err)
{
    int status;
    char reason[REASON_SIZE];
    const struct clock *clock = server->options->clock;
    int64_t deadline_us = clock_monotonic_us(clock) + server->options->timeout_us;
    while (!is_ready(server)) {
        if (!server->replayed && log_has(server, "redo starts at")) {
            server->replayed = true;
            server->replay_us = clock_monotonic_us(clock);
        }
        if (has_ended(server, &status)) {
            read_reason(server, reason);
            return error_set(err, ERROR_CORRUPT, "the server ended before its recovery did: %s",
                             reason);
        }
        if (!stop_check(err))
            return false;
        if (clock_monotonic_us(clock) > deadline_us)
            return error_set(err, ERROR_UNAVAILABLE,
                             "the server was not ready within drill.timeout; see \"%s\"",
                             server->scratch->log);
        clock_sleep_us(clock, POLL_US);
    }
    return true;
}

/* --- connections ---------------------------------------------------------------------------------
 */

static bool open_as(const struct drill_server *server, const char *role, const char *database,
                    const char *session, struct connection **out, struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(free_pointer)
    char *conninfo = text_format("host='%s' port=" PORT " user='%s' sslmode=disable",
                                 server->scratch->root, role);
    if (conninfo == NULL)
        return error_no_memory(err, "a connection string");
    const struct connection_options options = {
        .conninfo = conninfo, .application_name = "mainstay drill", .database = database};
    if (!connection_open(&options, &connection, err) ||
        !query_script(connection, session, "prepare the session", err))
        return false;
    *out = TAKE(connection);
    return true;
}

bool drill_server_connect(const struct drill_server *server, const char *database,
                          struct connection **out, struct error *err)
{
    static const char session[] = "SET search_path = pg_catalog, pg_temp;"
                                  "SET session_replication_role = replica;" /* no event triggers */
                                  "SET TimeZone = 'UTC';"
                                  "SET DateStyle = 'ISO, YMD';"
                                  "SET default_transaction_read_only = off;"
                                  "SET lock_timeout = '10s'";
    if (open_as(server, server->options->role, database, session, out, err))
        return true;
    if (err->kind == ERROR_DENIED)
        return error_hint(err, "drill.role names a superuser of the restored cluster.");
    return false;
}

/* Roles of the helpdesk adapters, whose functions the views call. */
static bool grant_adapter_roles(const struct drill_server *server, struct connection *connection,
                                struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    const struct query query = {
        .sql = "SELECT rolname FROM pg_roles WHERE rolname IN ('mainstay_planner', "
               "'mainstay_runner', 'pg_read_all_data')",
        .what = "look for roles"};
    if (!query_run(connection, &query, &rows, err))
        return false;
    for (size_t i = 0; i < query_rows(rows); i++) {
        char sql[160];
        (void)snprintf(sql, sizeof sql, "GRANT %s TO %s", query_field(rows, i, 0), server->reader);
        if (!query_command(connection, sql, "make a role for questions", err))
            return false;
    }
    return true;
}

bool drill_server_add_reader(struct drill_server *server, struct error *err)
{
    char sql[160];
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    (void)snprintf(server->reader, sizeof server->reader, "mainstay_drill_%s", server->plan->id);
    (void)snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN BYPASSRLS", server->reader);
    return drill_server_connect(server, "template1", &connection, err) &&
           query_command(connection, sql, "make a role for questions", err) &&
           grant_adapter_roles(server, connection, err);
}

/* PostgreSQL 13 has no pg_read_all_data. */
static bool grant_tables(const struct drill_server *server, const char *database, struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(free_pointer)
    char *sql = text_format(
        "DO $$ DECLARE n name; BEGIN FOR n IN SELECT nspname FROM pg_namespace WHERE nspname NOT "
        "LIKE 'pg\\_%%' LOOP EXECUTE format('GRANT USAGE ON SCHEMA %%I TO %s', n); EXECUTE "
        "format('GRANT SELECT ON ALL TABLES IN SCHEMA %%I TO %s', n); END LOOP; END $$",
        server->reader, server->reader);
    if (sql == NULL)
        return error_no_memory(err, "a statement");
    return drill_server_connect(server, database, &connection, err) &&
           query_command(connection, sql, "make a role for questions", err);
}

bool drill_server_connect_reader(const struct drill_server *server, const char *database,
                                 struct connection **out, struct error *err)
{
    static const char session[] = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';"
                                  "SET lock_timeout = '10s'";
    return (server->plan->major > 13 || grant_tables(server, database, err)) &&
           open_as(server, server->reader, database, session, out, err);
}

/* --- the end -------------------------------------------------------------------------------------
 */

static bool wait_end(struct drill_server *server, int64_t timeout_us, int *out_status)
{
    for (int64_t waited_us = 0; waited_us < timeout_us; waited_us += POLL_US) {
        if (has_ended(server, out_status))
            return true;
        struct timespec pause = {.tv_nsec = POLL_US * 1000L};
        (void)nanosleep(&pause, NULL);
    }
    return has_ended(server, out_status);
}

bool drill_server_stop(struct drill_server *server, struct error *err)
{
    int status = 0;
    if (server->pid == 0)
        return true;
    (void)kill(server->pid, SIGINT);
    bool ended = wait_end(server, STOP_TIMEOUT_US, &status);
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    drill_server_kill(server);
    return error_set(err, ERROR_CORRUPT, "the server %s; see \"%s\"",
                     ended ? "did not shut down cleanly" : "did not shut down in time",
                     server->scratch->log);
}

void drill_server_kill(struct drill_server *server)
{
    int status;
    if (server->pid == 0)
        return;
    (void)kill(server->pid, SIGQUIT);
    if (wait_end(server, QUIT_TIMEOUT_US, &status))
        return;
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, &status, 0);
    server->pid = 0;
}
