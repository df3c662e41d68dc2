#include "daemon/leader.h"

#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "postgres/advisory_lock.h"
#include "repository/term.h"
#include "store/store_open.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SECOND_US = 1000000,
    LOOK_US = 3 * SECOND_US,      /* a standby looks at the store this often */
    RETRY_US = 4 * SECOND_US,     /* of one call to the store */
    STALL_US = 4 * SECOND_US,     /* no byte moves */
    ANSWER_US = 3 * SECOND_US,    /* of the server */
    CONNECT_S = 3,                /* to one of its hosts */
    RECONNECT_US = 10 * SECOND_US /* after an attempt that failed */
};

struct leader {
    const struct settings *settings;
    pid_t daemon;
    struct store *store;
    struct repository repository;
    int64_t key;
    struct connection *connection; /* NULL: the server is not reached */
    int64_t reconnect_us;          /* monotonic */
    bool locked;
    bool told; /* of the standby, or of the missing server: once */
    struct term_claim claim;
    struct term_watch watch;
    struct term term;
};

static void leader_close(struct leader *leader)
{
    connection_close(leader->connection);
    repository_close(&leader->repository);
    store_close(leader->store);
}

static int64_t now_us(void)
{
    return clock_monotonic_us(&clock_system);
}

/* One call must not last longer than others wait for a sign of life. */
static bool open_repository(struct leader *leader, struct error *err)
{
    struct key_options keys;
    struct store_options options;
    config_fill_keys(&leader->settings->config, &keys);
    if (!config_fill_store(&leader->settings->config, &options, err))
        return false;
    options.retry_total_us = RETRY_US;
    options.stall_timeout_us = STALL_US;
    options.connect_timeout_us = STALL_US;
    if (!store_open(&options, &leader->store, err) ||
        !repository_open_with(leader->store, &keys, &leader->repository, err))
        return false;
    leader->key = advisory_lock_key("daemon", leader->repository.id, sizeof leader->repository.id);
    return true;
}

/* --- the server's lock
 * ---------------------------------------------------------------------------- */

static void drop_connection(struct leader *leader, const char *what, const struct error *err)
{
    log_event(LOG_WARNING, "daemon.lock", "%s: %s", what, err->text);
    connection_close(leader->connection);
    leader->connection = NULL;
    leader->locked = false;
    leader->claim.lock[0] = '\0';
    leader->reconnect_us = now_us() + RECONNECT_US;
}

static bool connect_to_server(struct leader *leader, struct error *err)
{
    struct connection_options options;
    CLEANUP(secret_release) struct secret password = {0};
    if (!config_fill_connection(&leader->settings->config, &password, &options, err))
        return false;
    options.application_name = "mainstayd";
    options.connect_timeout_s = CONNECT_S;
    return connection_open(&options, &leader->connection, err) &&
           connection_shorten_keepalives(leader->connection, err);
}

static bool try_lock(struct leader *leader, struct error *err)
{
    connection_limit_answers(leader->connection, ANSWER_US);
    return advisory_lock_try(leader->connection, leader->key, &leader->locked, err) &&
           (!leader->locked || advisory_lock_identity(leader->connection, leader->claim.lock,
                                                      sizeof leader->claim.lock, err));
}

/* Nothing here is a failure of the daemon: what decides is in the store. */
static void tend_lock(struct leader *leader)
{
    struct error err;
    if (leader->connection == NULL) {
        if (now_us() < leader->reconnect_us)
            return;
        if (!connect_to_server(leader, &err)) {
            drop_connection(leader, "the server's lock is not asked for", &err);
            return;
        }
    }
    if (leader->locked ? !connection_ping(leader->connection, &err) : !try_lock(leader, &err))
        drop_connection(leader, "the server's lock is lost", &err);
}

/* --- the term
 * ------------------------------------------------------------------------------------- */

/* Whether the holder claimed the very lock that we have: then its session is over. */
static bool holder_lost_its_lock(const struct leader *leader, const struct term_claim *holder)
{
    return leader->locked && holder->lock[0] != '\0' &&
           strcmp(holder->lock, leader->claim.lock) == 0;
}

static void tell_standby(struct leader *leader, const struct term_claim *holder)
{
    if (leader->told)
        return;
    leader->told = true;
    log_event(LOG_INFO, "daemon.standby",
              "another daemon (on %s) works on this repository; standing by", holder->host);
}

/* Whether it says something about the object, not about the store. A claim that cannot be read is
 * one of which the lock is not known: its holder may live, so its silence decides. */
static bool is_about_the_claim(enum error_kind kind)
{
    return kind == ERROR_CORRUPT || kind == ERROR_INVALID || kind == ERROR_UNSUPPORTED ||
           kind == ERROR_REFUSED || kind == ERROR_NOT_FOUND;
}

static void tell_unreadable(struct leader *leader, const struct error *err)
{
    if (leader->told)
        return;
    leader->told = true;
    log_event(LOG_WARNING, "daemon.standby",
              "%s; standing by until nothing is heard of its holder for %" PRId64 " s", err->text,
              TERM_SILENCE_US / SECOND_US);
}

static bool may_begin(struct leader *leader, bool silent, struct error *err)
{
    struct term_claim holder;
    const struct term_view *view = &leader->watch.seen;
    bool quick = leader->locked || leader->connection == NULL;
    if (silent)
        return true;
    if (view->term == 0 || view->ended)
        return quick || error_set(err, ERROR_EXISTS, "another daemon begins");
    if (!term_read_claim(&leader->repository, view->term, &holder, err)) {
        if (!is_about_the_claim(err->kind))
            return false;
        tell_unreadable(leader, err);
        return error_set(err, ERROR_EXISTS, "another daemon works, or has worked");
    }
    if (holder_lost_its_lock(leader, &holder))
        return true;
    tell_standby(leader, &holder);
    return error_set(err, ERROR_EXISTS, "another daemon works");
}

static bool wait_for_term(struct leader *leader, struct error *err)
{
    for (;;) {
        bool silent;
        tend_lock(leader);
        if (!stop_check(err))
            return false;
        if (term_watch_look(&leader->watch, &leader->repository, &clock_system, &silent, err) &&
            may_begin(leader, silent, err) &&
            term_begin(&leader->repository, &leader->watch.seen, &leader->claim, &clock_system,
                       &random_system, &leader->term, err))
            return true;
        /* A store that does not answer now may do so before the silence is over. */
        if (err->kind != ERROR_EXISTS && !err->retryable)
            return false;
        clock_sleep_us(&clock_system, LOOK_US);
    }
}

#define LINE_BEGIN "{\"leader\":true,\"term\":"
#define LINE_END "}\n"

bool leader_parse(const char *text, uint64_t *out_term)
{
    char number[TEXT_SIZE];
    size_t len = strlen(text);
    size_t digits = len - strlen(LINE_BEGIN LINE_END);
    if (!text_starts_with(text, LINE_BEGIN) || !text_ends_with(text, LINE_END) ||
        len <= strlen(LINE_BEGIN LINE_END) || digits >= sizeof number)
        return false;
    (void)snprintf(number, sizeof number, "%.*s", (int)digits, text + strlen(LINE_BEGIN));
    return text_to_u64(number, out_term);
}

static bool report(const struct leader *leader, struct error *err)
{
    if (printf(LINE_BEGIN "%" PRIu64 LINE_END, leader->term.number) < 0 || fflush(stdout) != 0)
        return error_set_errno(err, errno, "could not report to the daemon");
    return true;
}

/* Until the term is lost, or a stop is asked for. */
static bool work(struct leader *leader, struct error *err)
{
    for (;;) {
        int64_t next_us = now_us() + TERM_SIGN_US;
        if (!term_renew(&leader->term, &clock_system, err)) {
            if (err->kind == ERROR_REFUSED || !stop_check(err))
                return false;
            log_error("daemon.term", err);
        }
        tend_lock(leader);
        int64_t left_us = next_us - now_us();
        clock_sleep_us(&clock_system, left_us < SECOND_US ? SECOND_US : left_us);
        if (!stop_check(err))
            return false;
    }
}

static void end_term(struct leader *leader)
{
    struct error err;
    if (getppid() != leader->daemon)
        return;
    stop_reset(); /* what is left to do takes one request */
    if (!term_end(&leader->term, &clock_system, &err))
        log_error("daemon.term", &err);
}

bool leader_hold(const struct settings *settings, struct error *err)
{
    CLEANUP(leader_close) struct leader leader = {.settings = settings, .daemon = getppid()};
    (void)gethostname(leader.claim.host, sizeof leader.claim.host - 1);
    if (!open_repository(&leader, err) || !wait_for_term(&leader, err) || !report(&leader, err))
        return false;
    bool lost = !work(&leader, err);
    if (lost && err->kind == ERROR_CANCELLED)
        end_term(&leader);
    return error_wrap(err, "no longer the working daemon");
}
