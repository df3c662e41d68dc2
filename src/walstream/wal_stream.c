#include "walstream/wal_stream.h"

#include "wal_merger.h"
#include "wal_pump.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/stop.h"
#include "base/text.h"
#include "postgres/slot_status.h"
#include "repository/sealing.h"
#include "walstream/wal_resume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_FIRST_US = 500000, RETRY_MAX_US = 30000000, BUSY_PATIENCE_US = 10000000 };

/* What outlives a connection. */
struct stream {
    const struct repository *repository;
    const struct wal_stream_options *options;
    struct wal_pump pump;
    bool streamed;         /* it worked once: failures of the connection are waited out */
    bool remake_slot;      /* the server gave it up */
    bool slot_remade;      /* once is enough */
    bool behind_gap;       /* begin anew, whatever the store holds */
    uint64_t gap_from;     /* where the store ended */
    int64_t busy_since_us; /* the slot was in use; 0: it was not */
};

/* One connection. */
struct link {
    struct connection *connection;
    struct wal_receiver *receiver;
    struct server_identity identity;
    struct timeline_entry *history;
    size_t history_count;
};

static void link_close(struct link *link)
{
    wal_receiver_free(link->receiver);
    connection_close(link->connection);
    free(link->history);
    *link = (struct link){0};
}

/* --- before the first byte ----------------------------------------------------------------------
 */

static bool store_history(struct stream *stream, struct link *link, uint32_t timeline,
                          struct error *err)
{
    size_t len = 0;
    CLEANUP(free_pointer) char *text = NULL;
    return connection_timeline_history_text(link->connection, timeline, &text, &len, err) &&
           history_put(stream->repository, timeline, text, len, err);
}

/* All of them, before the point to resume at is chosen: recovery looks for each of the chain. */
static bool store_ancestry(struct stream *stream, struct link *link, struct error *err)
{
    uint32_t timeline = link->identity.timeline;
    free(link->history);
    link->history = NULL;
    if (!connection_timeline_history(link->connection, timeline, &link->history,
                                     &link->history_count, err))
        return false;
    if (timeline > 1 && !store_history(stream, link, timeline, err))
        return false;
    for (size_t i = 0; i < link->history_count; i++) {
        uint32_t ancestor = link->history[i].timeline;
        if (ancestor == 1 || store_history(stream, link, ancestor, err))
            continue;
        if (err->kind != ERROR_NOT_FOUND)
            return false;
        /* A standby may not have it; the newest history repeats its lines. */
        log_event(LOG_DEBUG, "wal.history_missing",
                  "the server does not have the history of timeline %" PRIu32, ancestor);
    }
    return true;
}

static bool learn_rules(struct stream *stream, struct link *link, struct error *err)
{
    struct server_settings settings;
    struct wal_pump *pump = &stream->pump;
    if (!connection_identify_system(link->connection, &link->identity, err) ||
        !connection_read_settings(link->connection, &settings, err))
        return false;
    pump->source = (struct wal_source){.system_identifier = link->identity.system_identifier,
                                       .timeline = link->identity.timeline,
                                       .segment_bytes = (uint32_t)settings.wal_segment_bytes};
    pump->rules = (struct wal_page_rules){
        .system_identifier = link->identity.system_identifier,
        .timeline = link->identity.timeline,
        .segment_bytes = (uint32_t)settings.wal_segment_bytes,
        .block_bytes = settings.wal_block_size,
        .server_version = connection_server_version(link->connection),
    };
    return true;
}

/* 13 and 14 tell only an ordinary connection. Where that is refused, the server's position must do:
 * what was written between the slot's checkpoint and now is then not stored. */
static uint64_t ask_for_slot(const struct stream *stream)
{
    struct error err;
    struct slot_status status;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    struct connection_options ordinary = stream->options->connection;
    ordinary.replication = false;
    if (connection_open(&ordinary, &connection, &err) &&
        connection_read_slot(connection, stream->options->slot, &status, &err))
        return status.confirmed_lsn;
    log_event(LOG_INFO, "wal.slot_unknown", "where the slot begins cannot be asked: %s", err.text);
    return 0;
}

/* The slot exists afterwards. *out_lsn: what it holds back, 0 where that cannot be known. */
static bool prepare_slot(struct stream *stream, struct link *link, uint64_t *out_lsn,
                         struct error *err)
{
    struct wal_slot slot;
    bool created;
    const char *name = stream->options->slot;
    *out_lsn = 0;
    if ((stream->behind_gap || stream->remake_slot) &&
        !wal_slot_drop(link->connection, name, err) && err->kind != ERROR_NOT_FOUND)
        return false;
    stream->remake_slot = false;
    if (!wal_slot_ensure(link->connection, name, &slot, &created, err))
        return false;
    if (created)
        log_event(LOG_INFO, "wal.slot_created", "created replication slot \"%s\"", name);
    if (slot.known)
        *out_lsn = slot.reserved ? slot.restart_lsn : 0;
    else
        *out_lsn = ask_for_slot(stream);
    return true;
}

static bool check_system(struct stream *stream, const struct wal_catalog *catalog,
                         struct error *err)
{
    struct wal_source stored;
    const struct wal_source *ours = &stream->pump.source;
    if (catalog->count == 0)
        return true;
    if (!wal_chunk_source(stream->repository, &catalog->chunks[catalog->count - 1], &stored, err))
        return false;
    if (stored.system_identifier == ours->system_identifier &&
        stored.segment_bytes == ours->segment_bytes)
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot store the WAL of system %" PRIu64
                    ": the repository holds that of system %" PRIu64,
                    ours->system_identifier, stored.system_identifier);
    return error_hint(err, "Give each cluster a repository of its own.");
}

static bool load_sealed_overlap(struct stream *stream, const struct wal_resume *resume,
                                struct error *err)
{
    struct wal_pump *pump = &stream->pump;
    if (!wal_chunk_end(stream->repository, resume->last, &pump->end, err))
        return false;
    pump->overlap_is_sealed = true;
    pump->overlap_len = pump->end.len;
    return true;
}

/* The part of the last page that the store has already; nothing when it ends with its page. */
static bool load_overlap(struct stream *stream, const struct wal_resume *resume, struct error *err)
{
    struct wal_pump *pump = &stream->pump;
    pump->overlap_len = 0;
    if (resume->last == NULL)
        return true;
    if (repository_is_sealed(stream->repository))
        return load_sealed_overlap(stream, resume, err);
    size_t len = (size_t)(resume->lsn % sizeof pump->overlap);
    uint64_t in_chunk = resume->lsn - resume->last->start_lsn;
    len = in_chunk < len ? (size_t)in_chunk : len;
    struct wal_source source = pump->source;
    source.timeline = resume->timeline;
    if (!wal_chunk_read(stream->repository, resume->last, &source, resume->lsn - len, len,
                        pump->overlap, err))
        return false;
    pump->overlap_len = len;
    return true;
}

static bool plan(struct stream *stream, struct link *link, struct wal_resume *out,
                 struct error *err)
{
    CLEANUP(wal_catalog_release) struct wal_catalog catalog = {0};
    struct wal_resume_facts facts = {.catalog = &catalog,
                                     .history = link->history,
                                     .history_count = link->history_count,
                                     .timeline = link->identity.timeline,
                                     .position = link->identity.position,
                                     .segment_bytes = stream->pump.source.segment_bytes,
                                     .ignore_store = stream->behind_gap};
    if (!wal_catalog_load(stream->repository, 0, 0, &catalog, err) ||
        !check_system(stream, &catalog, err) || !prepare_slot(stream, link, &facts.slot_lsn, err) ||
        !wal_resume_plan(&facts, out, err) || !load_overlap(stream, out, err))
        return false;
    out->last = NULL; /* it goes with the catalog */
    return true;
}

/* --- streaming ----------------------------------------------------------------------------------
 */

static void say_begin(const struct stream *stream, const struct wal_resume *resume)
{
    static const char *const from[] = {[WAL_FROM_STORE] = "where the store ends",
                                       [WAL_FROM_SLOT] = "where the slot begins",
                                       [WAL_FROM_POSITION] = "the server's position"};
    char place[TEXT_SIZE];
    char before[TEXT_SIZE];
    if (stream->behind_gap)
        log_event(LOG_WARNING, "wal.gap",
                  "the WAL from %s to %s on timeline %" PRIu32
                  " is missing: take a new snapshot, recovery cannot go through the gap",
                  text_lsn(stream->gap_from, before), text_lsn(resume->lsn, place),
                  resume->timeline);
    log_event(LOG_INFO, "wal.started", "streaming from %s on timeline %" PRIu32 ", %s",
              text_lsn(resume->lsn, place), resume->timeline, from[resume->from]);
}

/* The timeline is over, and all of it is stored. */
static bool switch_timeline(struct stream *stream, struct link *link, struct wal_resume *resume,
                            struct error *err)
{
    char place[TEXT_SIZE];
    char reached[TEXT_SIZE];
    struct wal_timeline_end end;
    if (!wal_receiver_end(link->receiver, &end, err))
        return false;
    if (end.next_timeline <= resume->timeline)
        return error_set(err, ERROR_INVALID,
                         "cannot follow the server from timeline %" PRIu32 " to %" PRIu32,
                         resume->timeline, end.next_timeline);
    if (stream->pump.progress.stored_lsn != end.switch_lsn)
        log_event(LOG_WARNING, "wal.switch",
                  "timeline %" PRIu32 " ended at %s, the store has it up to %s", resume->timeline,
                  text_lsn(end.switch_lsn, place),
                  text_lsn(stream->pump.progress.stored_lsn, reached));
    log_event(LOG_INFO, "wal.switched", "timeline %" PRIu32 " follows %" PRIu32 " at %s",
              end.next_timeline, resume->timeline, text_lsn(end.switch_lsn, place));
    stream->pump.overlap_len = 0;
    *resume = (struct wal_resume){
        .from = WAL_FROM_STORE,
        .timeline = end.next_timeline,
        .lsn = wal_segment_start(end.switch_lsn, stream->pump.source.segment_bytes)};
    return store_history(stream, link, end.next_timeline, err);
}

static bool stream_timelines(struct stream *stream, struct link *link, struct wal_resume *resume,
                             struct error *err)
{
    struct wal_pump *pump = &stream->pump;
    for (;;) {
        enum wal_pump_end end;
        pump->source.timeline = resume->timeline;
        pump->rules.timeline = resume->timeline;
        wal_pump_begin(pump, link->receiver, resume->lsn);
        if (!wal_receiver_start(link->receiver, stream->options->slot, resume->timeline,
                                resume->lsn - pump->overlap_len, err) ||
            !wal_pump_run(pump, &end, err))
            return false;
        if (end != PUMP_TIMELINE_END || pump->draining)
            return true;
        if (!switch_timeline(stream, link, resume, err))
            return false;
    }
}

static bool open_link(struct stream *stream, struct link *link, struct error *err)
{
    struct connection_options connection = stream->options->connection;
    connection.replication = true;
    if (connection.application_name == NULL)
        connection.application_name = stream->options->slot;
    return connection_open(&connection, &link->connection, err) && learn_rules(stream, link, err) &&
           store_ancestry(stream, link, err) &&
           wal_receiver_new(link->connection, &link->receiver, err);
}

/* What failed, seen from the job: may it be tried again? */
static bool is_worth_another_try(struct stream *stream, const struct link *link,
                                 const struct error *err)
{
    enum wal_problem problem = link->receiver == NULL ? WAL_PROBLEM_NONE
                                                      : wal_receiver_problem(link->receiver);
    int64_t now = clock_monotonic_us(&clock_system);
    if (problem == WAL_PROBLEM_SLOT_BUSY) {
        if (stream->busy_since_us == 0)
            stream->busy_since_us = now; /* a walsender whose client died lives on for a moment */
        return stream->streamed || now - stream->busy_since_us < BUSY_PATIENCE_US;
    }
    if (problem == WAL_PROBLEM_SLOT_LOST && !stream->slot_remade) {
        stream->remake_slot = stream->slot_remade = true; /* the WAL itself may still be there */
        return true;
    }
    bool gap = problem == WAL_PROBLEM_REMOVED || problem == WAL_PROBLEM_SLOT_LOST;
    if (gap && stream->options->restart_after_gap && !stream->behind_gap) {
        stream->behind_gap = true;
        stream->gap_from = stream->pump.progress.stored_lsn;
        return true;
    }
    return !gap && stream->streamed && err->retryable;
}

static void explain_gap(const struct stream *stream, struct error *err)
{
    char place[TEXT_SIZE];
    (void)error_wrap(err, "gap in the WAL after %s",
                     text_lsn(stream->pump.progress.stored_lsn, place));
}

/* What was received is stored whatever happened to the server. */
static bool stream_and_salvage(struct stream *stream, struct link *link, struct wal_resume *resume,
                               struct error *err)
{
    struct error failure = {0};
    struct wal_pump *pump = &stream->pump;
    pump->progress.connected = true;
    bool done = stream_timelines(stream, link, resume, err);
    pump->progress.connected = false;
    if (done || pump->heard) {
        stream->streamed = true;
        stream->behind_gap = false;
        stream->busy_since_us = 0;
    }
    if (done)
        return true;
    /* The store may take its time: the server must not wait for a client that does not read. */
    connection_close(link->connection);
    link->connection = NULL;
    if (!wal_pump_salvage(pump, &failure)) {
        *err = failure; /* the server may come back; this comes first */
        return false;
    }
    return pump->draining; /* asked to stop, and everything is stored */
}

/* One connection from beginning to end. *out_again: the failure may pass. */
static bool run_link(struct stream *stream, bool *out_again, struct error *err)
{
    struct link link = {0};
    struct wal_resume resume = {0};
    bool done = open_link(stream, &link, err) && plan(stream, &link, &resume, err);
    if (done) {
        say_begin(stream, &resume);
        repository_renew_keys(stream->repository);
        done = stream_and_salvage(stream, &link, &resume, err);
    }
    *out_again = !done && is_worth_another_try(stream, &link, err);
    if (!done && link.receiver != NULL &&
        wal_receiver_problem(link.receiver) == WAL_PROBLEM_REMOVED)
        explain_gap(stream, err);
    link_close(&link);
    return done;
}

static bool check_options(const struct wal_stream_options *options, struct error *err)
{
    if (options->chunk_bytes == 0 || options->chunk_bytes > WAL_CHUNK_MAX_BYTES / 2)
        return error_set(err, ERROR_USAGE, "cannot cut WAL into chunks of %" PRIu32 " bytes",
                         options->chunk_bytes);
    return wal_slot_check_name(options->slot, err);
}

/* Connects, streams, and waits for better times, until one of them is final. */
static bool run_links(struct stream *stream, struct error *err)
{
    int64_t pause_us = RETRY_FIRST_US;
    for (;;) {
        bool again = false;
        uint64_t chunks = stream->pump.progress.chunks;
        if (run_link(stream, &again, err))
            return true;
        if (stream->pump.draining)
            return false;
        if (stop_requested()) /* while there was nothing to store */
            return stream->streamed;
        if (!again)
            return false;
        log_error("wal.interrupted", err);
        if (stream->pump.progress.chunks > chunks)
            pause_us = RETRY_FIRST_US;
        clock_sleep_us(&clock_system, pause_us);
        pause_us = pause_us > RETRY_MAX_US / 2 ? RETRY_MAX_US : 2 * pause_us;
        if (stop_requested())
            return stream->streamed || stop_check(err);
    }
}

bool wal_stream_run(const struct repository *repository, const struct wal_stream_options *options,
                    struct error *err)
{
    struct wal_merger merger = {.running = false};
    struct stream stream = {.repository = repository, .options = options};
    bool done = check_options(options, err) &&
                wal_merger_open(&merger, repository, options->merge_interval_us, err) &&
                wal_pump_open(&stream.pump, repository, options, err);
    if (repository_is_sealed(repository))
        secret_wipe_freed(); /* it lives long, and all WAL goes through it */
    done = done && run_links(&stream, err);
    wal_merger_close(&merger);
    wal_pump_close(&stream.pump);
    return done;
}
