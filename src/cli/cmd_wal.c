/* mainstay wal stream|status|merge */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/log.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "repository/wal_archive.h"
#include "walstream/wal_merge.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- stream -------------------------------------------------------------------------------------
 */

static void log_progress(void *context, const struct wal_stream_progress *progress)
{
    char stored[TEXT_SIZE];
    (void)context;
    log_event(LOG_DEBUG, "wal.stored", "stored up to %s on timeline %" PRIu32,
              text_lsn(progress->stored_lsn, stored), progress->timeline);
}

static bool run_stream(struct invocation *call, struct error *err)
{
    struct wal_stream_options options;
    CLEANUP(secret_release) struct secret password = {0};
    CLEANUP(session_close) struct session session = {0};
    const char *until = invocation_value(call, "until");
    config_fill_wal_stream(&call->config, &options);
    if (until != NULL && !text_to_lsn(until, &options.until_lsn))
        return error_set(err, ERROR_USAGE, "--until: \"%s\" is not an LSN such as 16/B374D848",
                         until);
    options.restart_after_gap = invocation_has(call, "restart-after-gap");
    options.on_progress = log_progress;
    return config_fill_connection(&call->config, &password, &options.connection, err) &&
           session_open(&session, &call->config, err) &&
           wal_stream_run(&session.repository, &options, err);
}

/* --- status -------------------------------------------------------------------------------------
 */

/* The WAL of one timeline: from its first byte to its last, with what is missing in between. */
struct timeline_status {
    uint32_t timeline;
    uint64_t first_lsn;
    uint64_t last_lsn;
    uint64_t recoverable_lsn; /* from where on there is no gap */
    uint64_t gap_count;
    uint64_t gap_bytes;
    uint64_t chunk_count;
    uint64_t object_bytes;
    int64_t newest_us;
};

/* Sums up the chunks of the timeline of chunk `at`; returns the first one of the next. */
static size_t sum_up(const struct wal_catalog *catalog, size_t at, struct timeline_status *out)
{
    const struct wal_chunk *chunk = &catalog->chunks[at];
    *out = (struct timeline_status){.timeline = chunk->timeline,
                                    .first_lsn = chunk->start_lsn,
                                    .last_lsn = chunk->start_lsn,
                                    .recoverable_lsn = chunk->start_lsn};
    for (; at < catalog->count && catalog->chunks[at].timeline == out->timeline; at++) {
        chunk = &catalog->chunks[at];
        if (chunk->start_lsn > out->last_lsn) {
            out->gap_count++;
            out->gap_bytes += chunk->start_lsn - out->last_lsn;
            out->recoverable_lsn = chunk->start_lsn;
        }
        out->last_lsn = chunk->end_lsn > out->last_lsn ? chunk->end_lsn : out->last_lsn;
        out->newest_us = chunk->modified_us > out->newest_us ? chunk->modified_us : out->newest_us;
        out->object_bytes += chunk->size_bytes;
        out->chunk_count++;
    }
    return at;
}

static bool set_lsn(struct value *item, const char *name, uint64_t lsn, struct error *err)
{
    char text[TEXT_SIZE];
    return value_set_text(item, name, text_lsn(lsn, text), err);
}

/* What `wal status` shows. */
struct status_list {
    struct timeline_status *timelines;
    size_t count;
    int64_t now_us;
};

static bool sum_up_all(const struct wal_catalog *catalog, struct status_list *out,
                       struct error *err)
{
    out->timelines = calloc(catalog->count + 1, sizeof *out->timelines);
    if (out->timelines == NULL)
        return error_no_memory(err, "the timelines");
    for (size_t at = 0; at < catalog->count;)
        at = sum_up(catalog, at, &out->timelines[out->count++]);
    return true;
}

static void status_list_release(struct status_list *list)
{
    free(list->timelines);
}

static bool add_status_value(const void *context, size_t at, struct value *list, struct error *err)
{
    char time[TEXT_SIZE];
    const struct timeline_status *status = &((const struct status_list *)context)->timelines[at];
    struct value *item = value_append_new_object(list, err);
    return item != NULL && value_set_u64(item, "timeline", status->timeline, err) &&
           set_lsn(item, "first_lsn", status->first_lsn, err) &&
           set_lsn(item, "last_lsn", status->last_lsn, err) &&
           set_lsn(item, "unbroken_from_lsn", status->recoverable_lsn, err) &&
           value_set_u64(item, "gaps", status->gap_count, err) &&
           value_set_u64(item, "gap_bytes", status->gap_bytes, err) &&
           value_set_u64(item, "chunks", status->chunk_count, err) &&
           value_set_u64(item, "wal_bytes",
                         status->last_lsn - status->first_lsn - status->gap_bytes, err) &&
           value_set_u64(item, "object_bytes", status->object_bytes, err) &&
           value_set_text(item, "newest", text_time_us(status->newest_us, time), err);
}

static const struct text_column status_columns[] = {
    {"TIMELINE", true}, {"FIRST", true}, {"LAST", true},   {"GAPS", true},
    {"CHUNKS", true},   {"WAL", true},   {"STORED", true}, {"AGE", true},
};

static bool add_status_row(const void *context, size_t at, struct text_table *table,
                           struct error *err)
{
    const struct status_list *list = context;
    const struct timeline_status *status = &list->timelines[at];
    int64_t now_us = list->now_us;
    char timeline[TEXT_SIZE];
    char first[TEXT_SIZE];
    char last[TEXT_SIZE];
    char gaps[TEXT_SIZE];
    char chunks[TEXT_SIZE];
    char wal[TEXT_SIZE];
    char stored[TEXT_SIZE];
    char age[TEXT_SIZE] = "unknown";
    (void)snprintf(timeline, sizeof timeline, "%" PRIu32, status->timeline);
    (void)snprintf(gaps, sizeof gaps, "%" PRIu64, status->gap_count);
    (void)snprintf(chunks, sizeof chunks, "%" PRIu64, status->chunk_count);
    if (status->newest_us != 0)
        (void)text_duration_us(now_us > status->newest_us ? now_us - status->newest_us : 0, age);
    const char *const cells[] = {
        timeline,
        text_lsn(status->first_lsn, first),
        text_lsn(status->last_lsn, last),
        gaps,
        chunks,
        text_bytes(status->last_lsn - status->first_lsn - status->gap_bytes, wal),
        text_bytes(status->object_bytes, stored),
        age,
    };
    return text_table_add(table, cells, err);
}

/* Ages are by the store's clock, which stamped the objects. */
static bool run_status(struct invocation *call, struct error *err)
{
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(wal_catalog_release) struct wal_catalog catalog = {0};
    CLEANUP(status_list_release) struct status_list status = {0};
    if (!session_open(&session, &call->config, err) ||
        !wal_catalog_load(&session.repository, 0, 0, &catalog, err) ||
        !store_time(session.store, &status.now_us, err) || !sum_up_all(&catalog, &status, err))
        return false;
    const struct output_list list = {.name = "timelines",
                                     .columns = status_columns,
                                     .column_count = ARRAY_LEN(status_columns),
                                     .count = status.count,
                                     .context = &status,
                                     .add_value = add_status_value,
                                     .add_row = add_status_row};
    return output_list(call, &list, err);
}

/* --- merge --------------------------------------------------------------------------------------
 */

static bool print_merged(const struct invocation *call, const struct wal_merge_result *result,
                         struct error *err)
{
    char size[TEXT_SIZE];
    struct buf text;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (call->json)
        return root != NULL && value_set_u64(root, "merged", result->merges, err) &&
               value_set_u64(root, "chunks_removed", result->chunks_removed, err) &&
               value_set_u64(root, "wal_bytes", result->wal_bytes, err) &&
               output_value(call, root, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "%" PRIu64 " merged %s with %s of WAL %s %" PRIu64 "\n", result->merges,
               text_plural(result->merges, "chunk", "chunks"), text_bytes(result->wal_bytes, size),
               text_plural(result->merges, "replaces", "replace"), result->chunks_removed);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool run_merge(struct invocation *call, struct error *err)
{
    struct wal_merge_options options;
    struct wal_merge_result result;
    CLEANUP(session_close) struct session session = {0};
    const char *age = invocation_value(call, "older-than");
    wal_merge_default_options(&options);
    if (age != NULL && !text_to_duration_us(age, &options.min_age_us))
        return error_set(err, ERROR_USAGE, "--older-than: \"%s\" is not a duration such as 1h",
                         age);
    return session_open(&session, &call->config, err) &&
           wal_merge_run(&session.repository, &options, &result, err) &&
           print_merged(call, &result, err);
}

const struct command command_wal_stream = {
    .noun = "wal",
    .verb = "stream",
    .summary = "store a server's WAL all the time",
    .details = "Goes on where the repository ends, and confirms to the server only what the store "
               "has. SIGTERM stores what was received, confirms it and ends. A gap (the server has "
               "removed WAL that was never stored) ends it with exit code 1.",
    .groups = GROUP_REPOSITORY | GROUP_POSTGRES | GROUP_WAL | GROUP_SLOT | GROUP_LOG,
    .flags = {{"until", "LSN", "a signal", "End as soon as the WAL up to here is stored."},
              {"restart-after-gap", NULL, NULL,
               "After a gap go on with the WAL that the server still has. Take a new snapshot "
               "then: recovery cannot go through a gap."}},
    .examples = {"mainstay wal stream --repo /srv/backup --connection 'host=/run/postgresql'"},
    .confined = true,
    .run = run_stream,
};

const struct command command_wal_status = {
    .noun = "wal",
    .verb = "status",
    .summary = "show the WAL in a repository: how far, how old, gaps",
    .details = "One line for each timeline. AGE is the time since the last chunk was stored; a "
               "server that writes nothing gets none.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .examples = {"mainstay wal status --repo /srv/backup"},
    .run = run_status,
};

const struct command command_wal_merge = {
    .noun = "wal",
    .verb = "merge",
    .summary = "make large chunks of old small ones",
    .details = "Chunks that follow each other become one of at most 64 MiB. It is stored, read "
               "back and compared before the first small one is removed. The stream does this by "
               "itself once an hour, up to 16 MiB.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .flags = {{"older-than", "TIME", "1h", "Younger chunks stay as they are."}},
    .examples = {"mainstay wal merge --repo /srv/backup"},
    .run = run_merge,
};
