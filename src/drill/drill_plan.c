/* What a drill will do: which target and snapshot, how much room, which binaries. */
#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "repository/restore_point.h"
#include "repository/sealing.h"
#include "restore/wal_walk.h"
#include "restore/window.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ID_BYTES = 8, SEARCHED_SEGMENTS = 16 };

/* Beside data and WAL: prefetched segments, and what the server itself writes. */
#define SPARE_BYTES (UINT64_C(192) << 20)

void drill_plan_release(struct drill_plan *plan)
{
    free(plan->binaries);
    free(plan->tablespaces);
    *plan = (struct drill_plan){0};
}

const char *drill_target_kind(const struct drill_options *options)
{
    static const char *const names[] = {
        [TARGET_NONE] = "none", [TARGET_LATEST] = "latest", [TARGET_IMMEDIATE] = "immediate",
        [TARGET_TIME] = "time", [TARGET_LSN] = "lsn",       [TARGET_NAME] = "name",
        [TARGET_XID] = "xid"};
    if (options->choice == DRILL_NAMED)
        return names[options->target.kind];
    return options->choice == DRILL_LATEST ? "latest" : "random";
}

/* --- the end of the WAL --------------------------------------------------------------------------
 */

struct last_record {
    bool found;
    struct wal_record_place place;
};

static bool visit_last_record(void *context, const struct wal_piece *piece)
{
    struct last_record *last = context;
    last->found = wal_last_record(piece, &last->place);
    return last->found;
}

/* The last record before the reach that is there completely: looked for in the last segments. */
static bool find_last_record(const struct repository *repository, const struct snapshot_info *info,
                             uint32_t timeline, uint64_t reach, struct last_record *out,
                             struct error *err)
{
    const struct wal_walk walk = {.repository = repository,
                                  .info = info,
                                  .timeline = timeline,
                                  .reach = reach,
                                  .segments_max = SEARCHED_SEGMENTS};
    *out = (struct last_record){0};
    return wal_walk_back(&walk, visit_last_record, out, err);
}

/* --- a random target -----------------------------------------------------------------------------
 */

/* splitmix64: the same numbers everywhere, for ever. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t drill_choose_lsn(const struct drill_span *spans, size_t count, uint64_t seed,
                          size_t *out_span)
{
    uint64_t state = seed;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += spans[i].last_lsn - spans[i].first_lsn + 1;
    /* Modulo is fair enough: a total is far below 2^64. */
    assert(total > 0);
    uint64_t at = mix(&state) % total;
    for (size_t i = 0; i < count; i++) {
        uint64_t size = spans[i].last_lsn - spans[i].first_lsn + 1;
        if (at < size) {
            *out_span = i;
            return spans[i].first_lsn + at;
        }
        at -= size;
    }
    *out_span = count - 1;
    return spans[count - 1].last_lsn;
}

/* The info of the snapshot with this id; it is in the view. */
static const struct snapshot_info *info_of(const struct recovery_view *view, const char *id)
{
    for (size_t i = 0; i < view->snapshots.count; i++)
        if (view->snapshots.entries[i].readable &&
            strcmp(view->snapshots.entries[i].info.id, id) == 0)
            return &view->snapshots.entries[i].info;
    return NULL;
}

/* PostgreSQL stops at an LSN only where a record begins at it or behind it. */
static bool collect_spans(const struct repository *repository, const struct recovery_view *view,
                          struct drill_span *spans, size_t *count, struct error *err)
{
    struct recovery_window *windows = NULL;
    size_t window_count = *count;
    *count = 0;
    if (!recovery_windows(view, &windows, &window_count, err))
        return false;
    bool done = true;
    for (size_t i = 0; done && i < window_count; i++) {
        struct last_record last;
        done = find_last_record(repository, info_of(view, windows[i].last_snapshot),
                                windows[i].timeline, windows[i].last_lsn, &last, err);
        if (done && last.found && last.place.start_lsn >= windows[i].first_lsn)
            spans[(*count)++] = (struct drill_span){.timeline = windows[i].timeline,
                                                    .first_lsn = windows[i].first_lsn,
                                                    .last_lsn = last.place.start_lsn};
    }
    free(windows);
    return done;
}

static bool choose_random(const struct repository *repository, const struct recovery_view *view,
                          struct drill_plan *plan, struct error *err)
{
    size_t at;
    size_t count = view->snapshots.count * (view->chain_count + 1);
    CLEANUP(free_pointer) struct drill_span *spans = calloc(count + 1, sizeof *spans);
    if (spans == NULL)
        return error_no_memory(err, "the recoverable windows");
    if (!collect_spans(repository, view, spans, &count, err))
        return false;
    if (count == 0) {
        /* Only snapshots, no WAL behind them: the end of one is the only point there is. */
        plan->target = (struct recovery_target){.kind = TARGET_IMMEDIATE};
        return true;
    }
    uint64_t lsn = drill_choose_lsn(spans, count, plan->seed, &at);
    plan->target = (struct recovery_target){.kind = TARGET_LSN,
                                            .lsn = lsn,
                                            .timeline = TIMELINE_NUMBER,
                                            .timeline_number = spans[at].timeline};
    return true;
}

/* --- the choice ----------------------------------------------------------------------------------
 */

static bool look_up_name(const struct repository *repository, const struct drill_options *options,
                         struct drill_plan *plan, struct error *err)
{
    struct restore_point point;
    if (plan->target.kind != TARGET_NAME)
        return true;
    if (restore_point_get(repository, plan->target.name, &point, err)) {
        plan->target.lsn = point.lsn;
        plan->target.point_timeline = point.timeline;
        return true;
    }
    return err->kind == ERROR_NOT_FOUND && options->snapshot != NULL;
}

/* A drill of the latest state is about the newest snapshot: no other is put in its place. */
static bool check_newest(const struct drill_options *options, const struct recovery_view *view,
                         struct error *err)
{
    const struct catalog_entry *newest;
    return options->choice != DRILL_LATEST || options->snapshot != NULL ||
           catalog_find(&view->snapshots, "latest", &newest, err);
}

static bool take_snapshot(const struct catalog_entry *entry, struct drill_plan *plan,
                          struct error *err)
{
    const struct snapshot_info *info = &entry->info;
    (void)snprintf(plan->snapshot_id, sizeof plan->snapshot_id, "%s", info->id);
    plan->snapshot_started_us = info->started_us;
    plan->snapshot_start_lsn = info->start_lsn;
    plan->system_identifier = info->system_identifier;
    plan->major = (int)(info->server_version_num / 10000);
    plan->wal_segment_bytes = info->wal_segment_bytes;
    plan->data_checksums = info->data_checksums;
    plan->bytes_total = info->data_bytes;
    plan->tablespaces = calloc(info->tablespace_count + 1, sizeof *plan->tablespaces);
    if (plan->tablespaces == NULL)
        return error_no_memory(err, "tablespaces");
    for (size_t i = 0; i < info->tablespace_count; i++)
        plan->tablespaces[plan->tablespace_count++] = info->tablespaces[i].oid;
    return true;
}

static int64_t newest_stored_us(const struct recovery_view *view)
{
    int64_t newest_us = 0;
    for (size_t i = 0; i < view->wal.count; i++)
        if (view->wal.chunks[i].modified_us > newest_us)
            newest_us = view->wal.chunks[i].modified_us;
    for (size_t i = 0; i < view->snapshots.count; i++) {
        const struct catalog_entry *entry = &view->snapshots.entries[i];
        if (entry->readable && entry->info.finished_us > newest_us)
            newest_us = entry->info.finished_us;
    }
    return newest_us;
}

static bool choose(const struct repository *repository, const struct drill_options *options,
                   const struct recovery_view *view, struct drill_plan *plan, struct error *err)
{
    struct recovery_choice choice;
    struct last_record last;
    plan->stored_us = newest_stored_us(view);
    if (options->choice == DRILL_LATEST)
        plan->target = (struct recovery_target){.kind = TARGET_LATEST};
    else if (options->choice == DRILL_NAMED)
        plan->target = options->target;
    else if (!choose_random(repository, view, plan, err))
        return false;
    if (!look_up_name(repository, options, plan, err) || !check_newest(options, view, err) ||
        !recovery_choose(view, &plan->target, options->snapshot, &choice, err) ||
        !take_snapshot(choice.snapshot, plan, err))
        return false;
    plan->timeline = choice.timeline;
    plan->reach = choice.reach;
    if (!find_last_record(repository, &choice.snapshot->info, choice.timeline, choice.reach, &last,
                          err))
        return false;
    plan->last_record_end = last.found ? last.place.end_lsn : 0;
    return true;
}

/* What the repository cannot give back is a finding, not an accident. */
static bool is_finding(enum error_kind kind)
{
    return kind == ERROR_CORRUPT || kind == ERROR_REFUSED || kind == ERROR_NOT_FOUND ||
           kind == ERROR_INVALID;
}

static bool choose_or_find(const struct repository *repository, const struct drill_options *options,
                           struct drill_plan *plan, struct error *err)
{
    struct recovery_view view;
    if (!recovery_view_load(repository, &view, err))
        return false;
    plan->possible = choose(repository, options, &view, plan, err);
    recovery_view_release(&view);
    if (plan->possible)
        return true;
    if (!is_finding(err->kind))
        return false;
    (void)snprintf(plan->broken, sizeof plan->broken, "%.*s%s%.*s", 480, err->text,
                   err->hint[0] == '\0' ? "" : ". ", 280, err->hint);
    return true;
}

/* --- the room ------------------------------------------------------------------------------------
 */

static bool refuse_space(const struct drill_options *options, const struct drill_plan *plan,
                         const char *what, uint64_t there, struct error *err)
{
    char need[TEXT_SIZE];
    char have[TEXT_SIZE];
    (void)error_set(err, ERROR_REFUSED, "cannot hold a drill in \"%s\": it needs %s, %s %s",
                    options->scratch, text_bytes(plan->bytes_needed, need), what,
                    text_bytes(there, have));
    return error_hint(err, "Nothing was written. Choose another directory with --scratch, or "
                           "raise drill.scratch-limit.");
}

static bool check_space(const struct drill_options *options, struct drill_plan *plan,
                        struct error *err)
{
    struct statvfs fs;
    if (statvfs(options->scratch, &fs) != 0)
        return error_set_errno(err, errno, "could not inspect the file system of \"%s\"",
                               options->scratch);
    plan->bytes_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    /* PostgreSQL keeps restored segments until the next restart point: at most max_wal_size. */
    uint64_t wal = plan->reach > plan->snapshot_start_lsn ? plan->reach - plan->snapshot_start_lsn
                                                          : 0;
    plan->bytes_needed = plan->bytes_total + (wal < (UINT64_C(1) << 30) ? wal : UINT64_C(1) << 30) +
                         SPARE_BYTES;
    if (options->scratch_limit > 0 && plan->bytes_needed > options->scratch_limit)
        return refuse_space(options, plan, "drill.scratch-limit is", options->scratch_limit, err);
    if (plan->bytes_needed > plan->bytes_free)
        return refuse_space(options, plan, "free are", plan->bytes_free, err);
    return true;
}

static bool find_binaries(const struct drill_options *options, struct drill_plan *plan,
                          struct error *err)
{
    for (int i = 0; i < 2; i++) {
        char *directory = i == 0 ? text_format("%s/%d/bin", options->binaries, plan->major)
                                 : strdup(options->binaries);
        CLEANUP(free_pointer)
        char *server = directory == NULL ? NULL : text_format("%s/postgres", directory);
        if (server == NULL) {
            free(directory);
            return error_no_memory(err, "a path");
        }
        if (access(server, X_OK) == 0) {
            plan->binaries = directory;
            return true;
        }
        free(directory);
    }
    (void)error_set(err, ERROR_REFUSED,
                    "cannot start PostgreSQL %d: there is no \"postgres\" in \"%s/%d/bin\" nor in "
                    "\"%s\"",
                    plan->major, options->binaries, plan->major, options->binaries);
    return error_hint(err,
                      "Install the package postgresql-%d, or name the directory of its "
                      "binaries with drill.server-binaries.",
                      plan->major);
}

/* PostgreSQL refuses root: then somebody else runs it. */
static bool find_user(const struct drill_options *options, struct drill_plan *plan,
                      struct error *err)
{
    plan->uid = geteuid();
    plan->gid = getegid();
    if (plan->uid != 0)
        return true;
    const struct passwd *entry = getpwnam(options->user);
    if (entry != NULL && entry->pw_uid != 0) {
        plan->change_user = true;
        plan->uid = entry->pw_uid;
        plan->gid = entry->pw_gid;
        return true;
    }
    (void)error_set(err, ERROR_REFUSED,
                    "cannot start PostgreSQL as root, and drill.user \"%s\" is %s", options->user,
                    entry == NULL ? "not a user of this machine" : "root too");
    return error_hint(err, "Run the drill as another user, or name one with drill.user.");
}

bool drill_plan(const struct repository *repository, const struct drill_options *options,
                struct drill_plan *out, struct error *err)
{
    struct drill_plan plan = {.started_us = clock_now_us(options->clock),
                              .started_monotonic_us = clock_monotonic_us(options->clock),
                              .seed = options->choice == DRILL_RANDOM ? options->seed : 0};
    uint8_t id[ID_BYTES];
    random_fill(options->random, id, sizeof id);
    text_hex(id, sizeof id, plan.id);
    bool done = repository_check_can_read(repository, "what snapshots hold", err) &&
                drill_scratch_check_path(options->scratch, err) && find_user(options, &plan, err) &&
                choose_or_find(repository, options, &plan, err);
    if (done) {
        drill_source_look(options, plan.system_identifier, &plan.source);
        done = !plan.possible ||
               (find_binaries(options, &plan, err) && check_space(options, &plan, err));
    }
    if (!done) {
        drill_plan_release(&plan);
        return false;
    }
    plan.duration_us = clock_monotonic_us(options->clock) - plan.started_monotonic_us;
    *out = plan;
    return true;
}
