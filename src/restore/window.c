#include "restore/window.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "repository/archived_wal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The server stamps commits, the store stamps chunks: their clocks may differ by so much. */
enum { CLOCK_SLACK_US = 60 * 1000000 };

/* --- the view ------------------------------------------------------------------------------------
 */

void recovery_view_release(struct recovery_view *view)
{
    catalog_release(&view->snapshots);
    wal_catalog_release(&view->wal);
    for (size_t i = 0; i < view->chain_count; i++)
        timeline_chain_release(&view->chains[i]);
    free(view->chains);
    *view = (struct recovery_view){0};
}

struct numbers {
    uint32_t *items;
    size_t count;
};

static bool add_number(struct numbers *numbers, uint32_t number, struct error *err)
{
    for (size_t i = numbers->count; i-- > 0;)
        if (numbers->items[i] == number)
            return true;
    uint32_t *grown = reallocarray(numbers->items, numbers->count + 1, sizeof *grown);
    if (grown == NULL)
        return error_no_memory(err, "the list of timelines");
    numbers->items = grown;
    grown[numbers->count++] = number;
    return true;
}

static bool add_history(void *context, const struct store_object *object, struct error *err)
{
    uint32_t number = 0;
    uint8_t bytes[4];
    char digits[9];
    const char *name = object->key + strlen("history/");
    if (strlen(name) != strlen("00000000.history") || !text_ends_with(name, ".history"))
        return true;
    (void)snprintf(digits, sizeof digits, "%.8s", name);
    if (!text_from_hex(digits, bytes, sizeof bytes))
        return true;
    for (size_t i = 0; i < sizeof bytes; i++)
        number = number << 8 | bytes[i];
    return number == 0 || add_number(context, number, err);
}

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t *left = a;
    const uint32_t *right = b;
    return (*left > *right) - (*left < *right);
}

static bool collect_timelines(const struct repository *repository, const struct recovery_view *view,
                              struct numbers *out, struct error *err)
{
    for (size_t i = 0; i < view->snapshots.count; i++) {
        const struct catalog_entry *entry = &view->snapshots.entries[i];
        if (entry->readable && !add_number(out, entry->info.timeline, err))
            return false;
    }
    for (size_t i = 0; i < view->wal.count; i++)
        if (!add_number(out, view->wal.chunks[i].timeline, err))
            return false;
    if (!store_list(repository->store, "history/", add_history, out, err))
        return error_wrap(err, "could not list the timeline histories");
    if (out->count > 1)
        qsort(out->items, out->count, sizeof *out->items, compare_numbers);
    return true;
}

static bool load_chains(const struct repository *repository, struct recovery_view *view,
                        struct error *err)
{
    struct numbers numbers = {0};
    bool done = collect_timelines(repository, view, &numbers, err);
    view->chains = done ? calloc(numbers.count + 1, sizeof *view->chains) : NULL;
    if (done && view->chains == NULL)
        done = error_no_memory(err, "the list of timelines");
    for (size_t i = 0; done && i < numbers.count; i++) {
        done = timeline_chain_load(repository, numbers.items[i], &view->chains[i], err);
        view->chain_count += done;
    }
    free(numbers.items);
    return done;
}

bool recovery_view_load(const struct repository *repository, struct recovery_view *out,
                        struct error *err)
{
    struct recovery_view view = {0};
    if (!catalog_load(repository, &view.snapshots, err) ||
        !wal_catalog_load(repository, 0, 0, &view.wal, err) ||
        !load_chains(repository, &view, err)) {
        recovery_view_release(&view);
        return false;
    }
    *out = view;
    return true;
}

const struct timeline_chain *recovery_view_chain(const struct recovery_view *view,
                                                 uint32_t timeline)
{
    for (size_t i = 0; i < view->chain_count; i++)
        if (view->chains[i].timeline == timeline)
            return &view->chains[i];
    return NULL;
}

/* --- windows -------------------------------------------------------------------------------------
 */

/* From where on the WAL must be in the repository. */
static uint64_t wal_needed_from(const struct snapshot_info *info)
{
    return info->wal_included ? info->stop_lsn : archived_wal_segment(info, info->start_lsn);
}

static bool is_on(const struct timeline_chain *chain, const struct catalog_entry *entry)
{
    return entry->readable && chain->count > 0 &&
           timeline_chain_passes(chain, entry->info.timeline, entry->info.stop_lsn);
}

static int64_t stored_us(const struct recovery_view *view, const struct timeline_chain *chain,
                         uint64_t reach)
{
    uint64_t end;
    const struct wal_chunk *chunk = reach == 0
                                        ? NULL
                                        : timeline_chain_find(chain, &view->wal, reach - 1, &end);
    return chunk == NULL ? 0 : chunk->modified_us;
}

static struct recovery_window window_of(const struct recovery_view *view,
                                        const struct timeline_chain *chain,
                                        const struct snapshot_info *info, uint64_t reach)
{
    uint64_t next = timeline_chain_next(chain, &view->wal, reach);
    return (struct recovery_window){.timeline = chain->timeline,
                                    .first_lsn = info->stop_lsn,
                                    .last_lsn = reach,
                                    .first_us = info->finished_us,
                                    .last_us = stored_us(view, chain, reach),
                                    .missing_to = next == UINT64_MAX ? 0 : next,
                                    .snapshot_count = 1,
                                    .first_snapshot = info->id,
                                    .last_snapshot = info->id};
}

struct windows {
    struct recovery_window *items;
    size_t count;
};

/* Snapshots come oldest first: one that reaches the same end belongs to the window before it. */
static bool add_window(struct windows *windows, const struct recovery_window *window,
                       struct error *err)
{
    for (size_t i = 0; i < windows->count; i++) {
        struct recovery_window *other = &windows->items[i];
        if (other->timeline != window->timeline || other->last_lsn != window->last_lsn)
            continue;
        other->snapshot_count++;
        other->last_snapshot = window->last_snapshot;
        return true;
    }
    struct recovery_window *grown = reallocarray(windows->items, windows->count + 1, sizeof *grown);
    if (grown == NULL)
        return error_no_memory(err, "the recoverable windows");
    windows->items = grown;
    grown[windows->count++] = *window;
    return true;
}

bool recovery_windows(const struct recovery_view *view, struct recovery_window **out,
                      size_t *out_count, struct error *err)
{
    struct windows windows = {0};
    for (size_t i = 0; i < view->chain_count; i++) {
        const struct timeline_chain *chain = &view->chains[i];
        for (size_t j = 0; j < view->snapshots.count; j++) {
            const struct catalog_entry *entry = &view->snapshots.entries[j];
            if (!is_on(chain, entry))
                continue;
            uint64_t reach = timeline_chain_reach(chain, &view->wal, wal_needed_from(&entry->info));
            /* What ends before this timeline begins is the ancestor's window. */
            if (reach < entry->info.stop_lsn || reach < timeline_chain_begin(chain))
                continue;
            struct recovery_window window = window_of(view, chain, &entry->info, reach);
            if (!add_window(&windows, &window, err)) {
                free(windows.items);
                return false;
            }
        }
    }
    *out = windows.items;
    *out_count = windows.count;
    return true;
}

static void put_window(const struct recovery_window *window, struct buf *out)
{
    char first[TEXT_SIZE];
    char last[TEXT_SIZE];
    char begin[TEXT_SIZE];
    char end[TEXT_SIZE] = "";
    if (window->last_us != 0)
        (void)text_time_us(window->last_us, end);
    buf_printf(out, "%stimeline %" PRIu32 " from %s (%s) to %s%s%s%s", out->len > 0 ? ", " : "",
               window->timeline, text_lsn(window->first_lsn, first),
               text_time_us(window->first_us, begin), text_lsn(window->last_lsn, last),
               end[0] == '\0' ? "" : " (", end, end[0] == '\0' ? "" : ")");
}

/* "Recoverable is timeline 1 from 0/3000100 (...) to 0/5000000 (...)." Returns false. */
static bool hint_windows(const struct recovery_view *view, struct error *err)
{
    struct recovery_window *windows = NULL;
    size_t count = 0;
    struct error failure;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, sizeof err->hint - 32);
    if (!recovery_windows(view, &windows, &count, &failure))
        return false;
    /* Only the newest fit into a hint. */
    for (size_t i = count > 3 ? count - 3 : 0; i < count; i++)
        put_window(&windows[i], &text);
    free(windows);
    if (count == 0)
        return error_hint(err, "Nothing is recoverable: `mainstay wal window` shows why.");
    const char *list = buf_text(&text);
    return error_hint(err, "Recoverable is %s.", list == NULL ? "more than fits here" : list);
}

/* --- the choice ----------------------------------------------------------------------------------
 */

enum fit {
    FIT_GOOD,
    FIT_UNREADABLE,
    FIT_OTHER_HISTORY,
    FIT_TOO_NEW,  /* the target lies before it */
    FIT_TOO_SHORT /* WAL is missing on the way to the target */
};

struct candidate {
    enum fit fit;
    uint64_t reach;
};

/* The LSN that the WAL must reach, and whether there must be something behind it. 0: its end. */
static uint64_t wal_needed_to(const struct recovery_target *target,
                              const struct snapshot_info *info, bool *out_behind)
{
    *out_behind = target->kind == TARGET_LSN;
    if (target->kind == TARGET_LSN || target->kind == TARGET_NAME)
        return target->lsn;
    return target->kind == TARGET_IMMEDIATE ? info->stop_lsn : 0;
}

static bool reaches(const struct recovery_view *view, const struct timeline_chain *chain,
                    const struct recovery_target *target, const struct snapshot_info *info,
                    uint64_t reach, bool named)
{
    bool behind;
    uint64_t to = wal_needed_to(target, info, &behind);
    if (reach < info->stop_lsn)
        return false;
    if (to != 0)
        return behind ? reach > to : reach >= to;
    if (reach < timeline_chain_begin(chain))
        return false;
    int64_t stored = stored_us(view, chain, reach);
    bool gap = timeline_chain_next(chain, &view->wal, reach) != UINT64_MAX;
    if (target->kind == TARGET_TIME && stored != 0)
        return target->time_us <= stored + (gap ? 0 : CLOCK_SLACK_US);
    /* PostgreSQL fails when it does not meet the transaction: the caller named the snapshot. */
    if (gap && target->kind == TARGET_XID && named)
        return true;
    return !gap && (target->kind != TARGET_TIME || reach > info->stop_lsn);
}

static struct candidate judge(const struct recovery_view *view, const struct timeline_chain *chain,
                              const struct recovery_target *target,
                              const struct catalog_entry *entry, bool named)
{
    struct candidate candidate = {.fit = FIT_UNREADABLE};
    const struct snapshot_info *info = &entry->info;
    if (!entry->readable)
        return candidate;
    candidate.fit = FIT_OTHER_HISTORY;
    if (chain == NULL || !is_on(chain, entry))
        return candidate;
    bool has_lsn = target->kind == TARGET_LSN || (target->kind == TARGET_NAME && target->lsn != 0);
    candidate.fit = FIT_TOO_NEW;
    if ((has_lsn && info->stop_lsn > target->lsn) ||
        (target->kind == TARGET_TIME && info->finished_us > target->time_us))
        return candidate;
    candidate.reach = timeline_chain_reach(chain, &view->wal, wal_needed_from(info));
    candidate.fit = reaches(view, chain, target, info, candidate.reach, named) ? FIT_GOOD
                                                                               : FIT_TOO_SHORT;
    return candidate;
}

/* The timeline that the target names; 0: that of each snapshot. */
static bool choose_timeline(const struct recovery_view *view, const struct recovery_target *target,
                            uint32_t *out, struct error *err)
{
    uint32_t timeline = target->timeline_number;
    if (target->timeline == TIMELINE_CURRENT)
        timeline = target->kind == TARGET_NAME ? target->point_timeline : 0;
    if (target->timeline == TIMELINE_LATEST)
        timeline = view->chain_count == 0 ? 0 : view->chains[view->chain_count - 1].timeline;
    *out = timeline;
    if (timeline == 0)
        return true;
    const struct timeline_chain *chain = recovery_view_chain(view, timeline);
    if (chain == NULL) {
        (void)error_set(
            err, ERROR_REFUSED,
            "cannot recover on timeline %" PRIu32 ": the repository knows nothing of it", timeline);
        return hint_windows(view, err);
    }
    if (chain->problem[0] == '\0')
        return true;
    (void)error_set(err, ERROR_REFUSED, "cannot recover on timeline %" PRIu32 ": %s", timeline,
                    chain->problem);
    return error_hint(err, "`mainstay wal stream` stores it as long as a server has it. To stay on "
                           "an older timeline, name it with --target-timeline.");
}

static bool say_too_short(const struct recovery_view *view, const struct timeline_chain *chain,
                          const struct recovery_target *target, const struct catalog_entry *entry,
                          uint64_t reach, struct error *err)
{
    char text[TARGET_TEXT_SIZE];
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];
    uint64_t next = timeline_chain_next(chain, &view->wal, reach);
    (void)recovery_target_text(target, text);
    if (next == UINT64_MAX && reach < timeline_chain_begin(chain))
        next = timeline_chain_begin(chain);
    if (next != UINT64_MAX)
        (void)error_set(err, ERROR_REFUSED,
                        "cannot recover to %s from snapshot %s: the WAL of timeline %" PRIu32
                        " is missing from %s to %s",
                        text, entry->info.id, chain->timeline, text_lsn(reach, from),
                        text_lsn(next, to));
    else
        (void)error_set(err, ERROR_REFUSED,
                        "cannot recover to %s: the WAL of timeline %" PRIu32
                        " in the repository ends at %s",
                        text, chain->timeline, text_lsn(reach, from));
    return hint_windows(view, err);
}

static bool say_why_not(const struct recovery_view *view, const struct timeline_chain *chain,
                        const struct recovery_target *target, const struct catalog_entry *entry,
                        const struct candidate *candidate, struct error *err)
{
    char text[TARGET_TEXT_SIZE];
    (void)recovery_target_text(target, text);
    switch (candidate->fit) {
    case FIT_TOO_SHORT:
        return say_too_short(view, chain, target, entry, candidate->reach, err);
    case FIT_TOO_NEW:
        (void)error_set(err, ERROR_REFUSED,
                        "cannot recover to %s: it lies before the end of snapshot %s, the first "
                        "that could be used",
                        text, entry->info.id);
        break;
    case FIT_OTHER_HISTORY:
        (void)error_set(err, ERROR_REFUSED,
                        "cannot recover to %s: snapshot %s, on timeline %" PRIu32
                        ", is not on the history of the target's timeline",
                        text, entry->info.id, entry->info.timeline);
        break;
    default:
        (void)error_set(err, ERROR_CORRUPT, "could not read snapshot \"%s\": %s", entry->key,
                        entry->problem);
        break;
    }
    return hint_windows(view, err);
}

/* What stands nearest to success is worth telling: the higher, the better. */
static int telling(enum fit fit)
{
    static const int order[] = {
        [FIT_UNREADABLE] = 0, [FIT_OTHER_HISTORY] = 1, [FIT_TOO_NEW] = 2, [FIT_TOO_SHORT] = 3};
    return order[fit];
}

struct search {
    bool named;                        /* the caller named the snapshot */
    const struct catalog_entry *entry; /* the best so far; NULL = none */
    const struct timeline_chain *chain;
    struct candidate candidate;
};

static bool consider(const struct recovery_view *view, const struct recovery_target *target,
                     uint32_t timeline, const struct catalog_entry *entry, struct search *search)
{
    const struct timeline_chain *chain = recovery_view_chain(
        view, timeline != 0 ? timeline : entry->info.timeline);
    struct candidate candidate = judge(view, chain, target, entry, search->named);
    bool good = candidate.fit == FIT_GOOD;
    /* Of several that are too new the oldest is told. */
    if (good || search->entry == NULL || telling(candidate.fit) > telling(search->candidate.fit) ||
        (candidate.fit == FIT_TOO_NEW && search->candidate.fit == FIT_TOO_NEW))
        *search = (struct search){
            .named = search->named, .entry = entry, .chain = chain, .candidate = candidate};
    return good;
}

static bool search_snapshots(const struct recovery_view *view, const struct recovery_target *target,
                             uint32_t timeline, struct search *search)
{
    size_t count = view->snapshots.count;
    bool place_unknown = target->kind == TARGET_XID ||
                         (target->kind == TARGET_NAME && target->lsn == 0);
    for (size_t i = 0; i < count; i++) {
        size_t at = place_unknown ? i : count - 1 - i;
        if (consider(view, target, timeline, &view->snapshots.entries[at], search))
            return true;
        /* Before or behind the gap? Only a person can know. */
        if (place_unknown && search->candidate.fit == FIT_TOO_SHORT)
            return false;
    }
    return false;
}

bool recovery_choose(const struct recovery_view *view, const struct recovery_target *target,
                     const char *wanted, struct recovery_choice *out, struct error *err)
{
    uint32_t timeline;
    struct search search = {.named = wanted != NULL};
    const struct catalog_entry *named = NULL;
    if (!choose_timeline(view, target, &timeline, err) ||
        (wanted != NULL && !catalog_find(&view->snapshots, wanted, &named, err)))
        return false;
    bool found = named != NULL ? consider(view, target, timeline, named, &search)
                               : search_snapshots(view, target, timeline, &search);
    if (search.entry == NULL) {
        (void)error_set(err, ERROR_NOT_FOUND, "the repository holds no snapshot");
        return error_hint(err, "Take one with: mainstay snapshot create");
    }
    if (!found)
        return say_why_not(view, search.chain, target, search.entry, &search.candidate, err);
    *out = (struct recovery_choice){.snapshot = search.entry,
                                    .timeline = search.chain->timeline,
                                    .reach = search.candidate.reach};
    return true;
}
