#include "snapshot/snapshot.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/workers.h"
#include "snapshot/parent.h"
#include "snapshot_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_WARNINGS = 100,
    DEFAULT_UPLOADS = 3,
    MAX_DEFAULT_THREADS = 8,
    SPARSE_BUDGET_DIVISOR = 200, /* of the parent's pages: 0.5 % may be stored anew */
    SPARSE_BUDGET_MIN = 64,
};

static bool check_settings(const struct server_settings *settings, struct error *err)
{
    if (settings->block_size != PAGE_BYTES)
        return error_set(err, ERROR_REFUSED,
                         "cannot take snapshots of a server with blocks of %u bytes: only 8192 is "
                         "supported",
                         settings->block_size);
    if (!settings->full_page_writes) {
        (void)error_set(err, ERROR_REFUSED,
                        "cannot take a snapshot while full_page_writes is off: pages that are "
                        "written meanwhile could not be repaired");
        return error_hint(err, "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();");
    }
    return true;
}

static void set_phase(const struct snapshot_options *options, const char *phase)
{
    if (options->progress != NULL)
        atomic_store(&options->progress->phase, phase);
}

static void describe_server(struct snapshot_info *info, struct connection *connection,
                            const struct server_identity *identity,
                            const struct server_settings *settings)
{
    info->system_identifier = identity->system_identifier;
    (void)snprintf(info->server_version, sizeof info->server_version, "%s",
                   settings->server_version);
    info->server_version_num = (uint32_t)connection_server_version(connection);
    info->wal_segment_bytes = settings->wal_segment_bytes;
    info->data_checksums = settings->data_checksums;
    info->wal_log_hints = settings->wal_log_hints;
}

/* A WARNING of the server: shown at once, kept in the manifest. */
static void on_warning(void *context, const char *text)
{
    struct snapshot_job *job = context;
    struct error err;
    log_event(LOG_WARNING, "snapshot.server_warning", "the server says: %s", text);
    if (job->manifest.info.warning_count >= MAX_WARNINGS)
        job->warnings_dropped++;
    else if (!snapshot_info_add_warning(&job->manifest.info, text, &err))
        job->out_of_memory = true;
}

static bool start_backup(struct snapshot_job *job, struct connection *connection, struct error *err)
{
    const struct snapshot_options *options = job->options;
    struct snapshot_info *info = &job->manifest.info;
    struct base_backup_options backup_options = {
        .label = info->label,
        .fast_checkpoint = !options->spread_checkpoint,
        .include_wal = info->wal_included,
        .verify_checksums = !options->no_verify_checksums,
        .max_rate_kib = options->max_rate_kib,
    };
    set_phase(options, "waiting for the server's checkpoint");
    if (!base_backup_start(connection, &backup_options, on_warning, job, &job->backup, err))
        return false;
    const struct base_backup_start_info *start = base_backup_info(job->backup);
    info->timeline = start->timeline;
    info->start_lsn = start->start_lsn;
    for (size_t i = 0; i < start->tablespace_count; i++)
        if (!snapshot_info_add_tablespace(info, start->tablespaces[i].oid,
                                          start->tablespaces[i].path, err))
            return false;
    if (options->progress != NULL)
        atomic_store(&options->progress->bytes_total, start->size_bytes);
    set_phase(options, "copying");
    return true;
}

static bool finish_backup(struct snapshot_job *job, struct error *err)
{
    struct base_backup_finish_info finish;
    struct snapshot_info *info = &job->manifest.info;
    if (!base_backup_finish(job->backup, &finish, err))
        return false;
    info->stop_lsn = finish.stop_lsn;
    info->damaged_pages = finish.checksum_failure;
    if (job->out_of_memory)
        return error_no_memory(err, "the server's warnings");
    if (job->warnings_dropped == 0)
        return true;
    CLEANUP(free_pointer)
    char *text = text_format("%" PRIu64 " more %s not listed", job->warnings_dropped,
                             text_plural(job->warnings_dropped, "warning of the server is",
                                         "warnings of the server are"));
    return text == NULL ? error_no_memory(err, "a warning")
                        : snapshot_info_add_warning(info, text, err);
}

/* What was missing of the parent, and is there again now. */
static bool note_healing(struct snapshot_job *job, const struct parent *parent, struct error *err)
{
    if (parent->missing_packs == 0)
        return true;
    struct snapshot_info *info = &job->manifest.info;
    CLEANUP(free_pointer)
    char *text = text_format(
        "%" PRIu64 " %s of snapshot %s %s; %" PRIu64 " %s stored anew", parent->missing_packs,
        text_plural(parent->missing_packs, "pack", "packs"), info->parent_id,
        text_plural(parent->missing_packs, "is missing from the store or has the wrong size",
                    "are missing from the store or have the wrong size"),
        job->parent.healed_pages,
        text_plural(job->parent.healed_pages, "page that is still in use was",
                    "pages that are still in use were"));
    if (text == NULL)
        return error_no_memory(err, "a warning");
    log_event(LOG_WARNING, "snapshot.healed", "%s", text);
    return snapshot_info_add_warning(info, text, err);
}

static void use_parent(struct snapshot_job *job, const struct parent *parent, const char *forced)
{
    struct snapshot_info *info = &job->manifest.info;
    info->full = forced != NULL || !parent->found;
    (void)snprintf(info->reason, sizeof info->reason, "%.*s", (int)sizeof info->reason - 1,
                   forced != NULL ? forced : parent->reason);
    if (info->full)
        return;
    const struct snapshot_info *old = &parent->manifest.info;
    uint64_t budget = parent->live_pages / SPARSE_BUDGET_DIVISOR;
    job->parent = (struct page_filter_parent){
        .manifest = &parent->manifest,
        .start_lsn = old->start_lsn,
        .pack_states = parent->pack_states,
        .samples = parent->samples,
        .sparse_budget_pages = budget < SPARSE_BUDGET_MIN ? SPARSE_BUDGET_MIN : budget,
    };
    (void)snprintf(info->parent_id, sizeof info->parent_id, "%s", old->id);
    job->pages_are_exact = parent->samples != NULL;
}

static bool store_pages(struct snapshot_job *job, struct error *err)
{
    set_phase(job->options, "storing");
    return pack_writer_finish(job->writer, err) && resolve_addresses(job, err);
}

static bool copy_everything(struct snapshot_job *job, struct connection *connection,
                            const struct parent *parent, struct error *err)
{
    const struct clock *clock = job->options->clock;
    if (!start_backup(job, connection, err) || !stream_archives(job, err) ||
        !finish_backup(job, err) || !store_pages(job, err) || !note_healing(job, parent, err))
        return false;
    if (!snapshot_lock_renew(job, err))
        return false;
    if (job->wal.archived)
        set_phase(job->options, "waiting for the WAL stream");
    if (!snapshot_wal_wait(job, err))
        return false;
    job->manifest.info.finished_us = clock_now_us(clock);
    set_phase(job->options, "writing the manifest");
    /* The manifest goes last: a snapshot without one does not exist. And only while the packs that
     * it names, and the WAL that it relies on, are certain to be there. */
    return stop_check(err) && lease_check(&job->lease, err) &&
           manifest_write(job->repository, &job->manifest, err);
}

static bool new_writer(struct snapshot_job *job, struct error *err)
{
    struct pack_writer_options options = {
        .threads = workers_count(job->options->compress_threads, MAX_DEFAULT_THREADS),
        .uploads = job->options->uploads > 0 ? job->options->uploads : DEFAULT_UPLOADS,
        .progress = job->options->progress,
    };
    if (!text_from_hex(job->manifest.info.id, options.writer_id, PACK_WRITER_BYTES))
        return error_set(err, ERROR_INVALID, "the id of the snapshot is not hexadecimal");
    return pack_writer_new(job->repository, &options, &job->writer, err);
}

static void name_snapshot(struct snapshot_job *job)
{
    uint8_t id[PACK_WRITER_BYTES];
    struct snapshot_info *info = &job->manifest.info;
    random_fill(job->options->random, id, sizeof id);
    text_hex(id, sizeof id, info->id);
    info->started_us = clock_now_us(job->options->clock);
    (void)snprintf(info->label, sizeof info->label, "%s",
                   job->options->label != NULL ? job->options->label : "mainstay");
}

static void job_release(struct snapshot_job *job)
{
    base_backup_close(job->backup);
    pack_writer_free(job->writer);
    lease_release(&job->lease);
    manifest_release(&job->manifest);
}

/* One attempt; *out_diverged asks for another one that takes everything. */
static bool run_job(const struct repository *repository, const struct snapshot_options *options,
                    const char *forced, char out_diverged[320], struct snapshot_info *out,
                    struct error *err)
{
    CLEANUP(job_release) struct snapshot_job job = {.repository = repository, .options = options};
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(parent_release) struct parent parent = {0};
    CLEANUP(free_pointer) struct timeline_entry *history = NULL;
    struct connection_options connect = options->connection;
    struct server_settings settings;
    struct parent_server server = {0};

    connect.replication = true;
    name_snapshot(&job);
    set_phase(options, "connecting");
    if (!connection_open(&connect, &connection, err) ||
        !connection_identify_system(connection, &server.identity, err) ||
        !connection_read_settings(connection, &settings, err) || !check_settings(&settings, err) ||
        !connection_timeline_history(connection, server.identity.timeline, &history,
                                     &server.history_count, err))
        return false;
    server.history = history;
    describe_server(&job.manifest.info, connection, &server.identity, &settings);
    snapshot_wal_ask_server(&job, &server.identity);
    struct lease_options announce = {.snapshot_id = job.manifest.info.id,
                                     .wal_timeline = job.wal.timeline,
                                     .wal_from_lsn = job.wal.from_lsn,
                                     .clock = options->clock,
                                     .random = options->random};
    if (!parent_choose(repository, &server, &announce, &job.lease, &parent, err) ||
        !snapshot_wal_ask_store(&job, err))
        return false;
    /* With page checksums on both sides no page changes without a new LSN, hint bits included. */
    if (parent.found && forced == NULL && settings.data_checksums &&
        parent.manifest.info.data_checksums &&
        !parent_sample(repository, options->random, &parent, err))
        return false;
    /* "Latest" must mean the latest, also when this machine's clock was set back. */
    if (job.manifest.info.started_us <= parent.newest_started_us)
        job.manifest.info.started_us = parent.newest_started_us + 1;
    use_parent(&job, &parent, forced);
    bool done = new_writer(&job, err) && copy_everything(&job, connection, &parent, err);
    if (job.diverged)
        (void)snprintf(out_diverged, 320, "%s changed without new page LSNs since snapshot %s",
                       job.diverged_path, job.manifest.info.parent_id);
    /* The backup uses the connection until it is closed. */
    base_backup_close(TAKE(job.backup));
    if (!done)
        return false;
    *out = job.manifest.info;
    job.manifest.info = (struct snapshot_info){0};
    return true;
}

bool snapshot_create(const struct repository *repository, const struct snapshot_options *options,
                     struct snapshot_info *out, struct error *err)
{
    struct snapshot_options filled = *options;
    char diverged[320] = "";
    if (filled.clock == NULL)
        filled.clock = &clock_system;
    if (filled.random == NULL)
        filled.random = &random_system;
    if (run_job(repository, &filled, filled.full ? "asked for" : NULL, diverged, out, err))
        return true;
    if (diverged[0] == '\0')
        return error_wrap(err, "could not take the snapshot");
    log_event(LOG_WARNING, "snapshot.diverged", "%s: taking everything anew", diverged);
    if (filled.progress != NULL) {
        atomic_store(&filled.progress->bytes_done, 0);
        atomic_store(&filled.progress->bytes_stored, 0);
    }
    return run_job(repository, &filled, diverged, diverged, out, err) ||
           error_wrap(err, "could not take the snapshot");
}
