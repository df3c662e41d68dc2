#include "repository/retention.h"

#include "base/text.h"
#include "repository/archived_wal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND_US = 1000000, DAY_S = 86400, MAX_OFFSET_S = 14 * 3600 };

bool retention_has_rules(const struct retention_policy *policy)
{
    return policy->keep_last > 0 || policy->hourly > 0 || policy->daily > 0 || policy->weekly > 0 ||
           policy->monthly > 0 || policy->yearly > 0 || policy->within_us > 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool retention_zone_from_text(const char *text, int32_t *out_offset_s)
{
    if (strcmp(text, "UTC") == 0) {
        *out_offset_s = 0;
        return true;
    }
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
        !is_digit(text[1]) || !is_digit(text[2]) || !is_digit(text[4]) || !is_digit(text[5]))
        return false;
    int minutes = (text[4] - '0') * 10 + text[5] - '0';
    int32_t offset = ((text[1] - '0') * 10 + text[2] - '0') * 3600 + minutes * 60;
    if (minutes > 59 || offset > MAX_OFFSET_S)
        return false;
    *out_offset_s = text[0] == '-' ? -offset : offset;
    return true;
}

void retention_plan_release(struct retention_plan *plan)
{
    for (size_t i = 0; i < plan->snapshot_count; i++) {
        for (size_t j = 0; j < plan->snapshots[i].reason_count; j++)
            free(plan->snapshots[i].reasons[j]);
        free(plan->snapshots[i].reasons);
    }
    free(plan->snapshots);
    free(plan->wal_kept);
    *plan = (struct retention_plan){0};
}

struct planner {
    const struct retention_policy *policy;
    const struct retention_input *input;
    struct retention_plan plan;
    bool out_of_memory; /* sticky; looked at once, at the end */
};

static const struct catalog_entry *entry_at(const struct planner *planner, size_t at)
{
    return &planner->input->catalog->entries[at];
}

static void add_reason(struct planner *planner, size_t at, const char *text)
{
    struct retention_verdict *verdict = &planner->plan.snapshots[at];
    char **reasons = reallocarray(verdict->reasons, verdict->reason_count + 1, sizeof *reasons);
    if (reasons != NULL) {
        verdict->reasons = reasons;
        reasons[verdict->reason_count] = strdup(text);
    }
    if (reasons == NULL || reasons[verdict->reason_count] == NULL)
        planner->out_of_memory = true;
    else
        verdict->reason_count++;
}

static void keep(struct planner *planner, size_t at, const char *format, ...) FORMAT(3, 4);

static void keep(struct planner *planner, size_t at, const char *format, ...)
{
    char text[PIN_REASON_SIZE + 128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    planner->plan.snapshots[at].keep = true;
    add_reason(planner, at, text);
}

/* A moment as the clock of the policy shows it. */
struct local_time {
    int64_t local_s;
    int64_t offset_s;
    int64_t day; /* since 1970 */
    int64_t year;
    int month;
};

/* The period in which a time lies, as one number that differs between periods. */
typedef int64_t (*bucket_fn)(const struct local_time *at);

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0 ? 1 : 0);
}

/* With the offset: the hour that comes twice in autumn is two. */
static int64_t hour_of(const struct local_time *at)
{
    return floor_div(at->local_s, 3600) * 4 * DAY_S + at->offset_s;
}

static int64_t day_of(const struct local_time *at)
{
    return at->day;
}

/* ISO weeks begin on Mondays; 1970-01-01 was a Thursday. */
static int64_t week_of(const struct local_time *at)
{
    return floor_div(at->day + 3, 7);
}

static int64_t month_of(const struct local_time *at)
{
    return at->year * 12 + at->month;
}

static int64_t year_of(const struct local_time *at)
{
    return at->year;
}

static int64_t bucket_at(const struct planner *planner, size_t at, bucket_fn bucket)
{
    int day;
    const struct time_zone *zone = planner->policy->zone;
    int64_t utc_s = floor_div(entry_at(planner, at)->info.started_us, SECOND_US);
    struct local_time time = {.offset_s = planner->policy->utc_offset_s};
    if (zone != NULL)
        time.offset_s = time_zone_offset(zone, utc_s);
    time.local_s = utc_s + time.offset_s;
    time.day = floor_div(time.local_s, DAY_S);
    date_from_days(time.day, &time.year, &time.month, &day);
    return bucket(&time);
}

static void keep_periods(struct planner *planner, const char *name, uint32_t count,
                         bucket_fn bucket)
{
    uint32_t kept = 0;
    int64_t last = INT64_MIN;
    for (size_t i = planner->plan.snapshot_count; i-- > 0 && kept < count;) {
        if (!entry_at(planner, i)->readable)
            continue;
        int64_t period = bucket_at(planner, i, bucket);
        if (period == last)
            continue;
        last = period;
        kept++;
        keep(planner, i, "%s %u of %u", name, kept, count);
    }
}

static void keep_last(struct planner *planner)
{
    uint32_t kept = 0;
    for (size_t i = planner->plan.snapshot_count; i-- > 0 && kept < planner->policy->keep_last;)
        if (entry_at(planner, i)->readable) {
            kept++;
            keep(planner, i, "last %u of %u", kept, planner->policy->keep_last);
        }
}

static void keep_within(struct planner *planner, const struct catalog_entry *newest)
{
    char text[TEXT_SIZE];
    if (planner->policy->within_us <= 0 || newest == NULL)
        return;
    int64_t from = newest->info.started_us - planner->policy->within_us;
    for (size_t i = 0; i < planner->plan.snapshot_count; i++)
        if (entry_at(planner, i)->readable && entry_at(planner, i)->info.started_us >= from)
            keep(planner, i, "within %s of the newest",
                 text_duration_us(planner->policy->within_us, text));
}

static void keep_minimum(struct planner *planner)
{
    uint32_t minimum = planner->policy->minimum == 0 ? 1 : planner->policy->minimum;
    uint32_t good = 0;
    bool newest = true;
    for (size_t i = planner->plan.snapshot_count; i-- > 0;) {
        const struct catalog_entry *entry = entry_at(planner, i);
        if (!entry->readable) {
            keep(planner, i, "its manifest cannot be read");
            continue;
        }
        if (newest)
            keep(planner, i, "the newest");
        newest = false;
        if (!entry->info.damaged_pages && good++ < minimum)
            keep(planner, i, "one of the %u that always stay", minimum);
    }
}

static void keep_pinned(struct planner *planner, size_t at)
{
    char until[TEXT_SIZE];
    const struct pin_list *pins = planner->input->pins;
    for (size_t i = 0; pins != NULL && i < pins->count; i++) {
        const struct pin *pin = &pins->pins[i];
        if (strcmp(pin->snapshot_id, entry_at(planner, at)->info.id) != 0 ||
            !pin_holds(pin, planner->input->now_us))
            continue;
        if (!pin->readable)
            keep(planner, at, "pinned (the pin cannot be read)");
        else if (pin->expires_us == 0)
            keep(planner, at, "pinned: %s", pin->reason);
        else
            keep(planner, at, "pinned until %s: %s", text_time_us(pin->expires_us, until),
                 pin->reason);
    }
}

static void keep_held(struct planner *planner, size_t at)
{
    const struct retention_input *input = planner->input;
    if (input->hold_all)
        keep(planner, at, "a running snapshot or restore may need it");
    for (size_t i = 0; i < input->held_count; i++)
        if (strcmp(input->held_ids[i], entry_at(planner, at)->info.id) == 0)
            keep(planner, at, "a running snapshot or restore needs it");
}

static const struct catalog_entry *newest_readable(const struct catalog *catalog)
{
    for (size_t i = catalog->count; i-- > 0;)
        if (catalog->entries[i].readable)
            return &catalog->entries[i];
    return NULL;
}

/* The snapshot from which the first moment of the window is reached; count when none is so old. */
static size_t find_anchor(const struct planner *planner)
{
    int64_t from = planner->input->now_us - planner->policy->wal_window_us;
    for (size_t i = planner->plan.snapshot_count; i-- > 0;)
        if (entry_at(planner, i)->readable && entry_at(planner, i)->info.finished_us <= from)
            return i;
    return planner->plan.snapshot_count;
}

static void keep_for_window(struct planner *planner)
{
    char text[TEXT_SIZE];
    if (planner->policy->wal_window_us <= 0)
        return;
    size_t anchor = find_anchor(planner);
    if (anchor < planner->plan.snapshot_count)
        keep(planner, anchor, "reaches the first moment of the last %s",
             text_duration_us(planner->policy->wal_window_us, text));
}

static void keep_snapshots(struct planner *planner)
{
    const struct retention_policy *policy = planner->policy;
    size_t count = planner->plan.snapshot_count;
    keep_minimum(planner);
    keep_last(planner);
    keep_periods(planner, "hourly", policy->hourly, hour_of);
    keep_periods(planner, "daily", policy->daily, day_of);
    keep_periods(planner, "weekly", policy->weekly, week_of);
    keep_periods(planner, "monthly", policy->monthly, month_of);
    keep_periods(planner, "yearly", policy->yearly, year_of);
    keep_within(planner, newest_readable(planner->input->catalog));
    keep_for_window(planner);
    for (size_t i = 0; i < count; i++) {
        keep_pinned(planner, i);
        keep_held(planner, i);
        if (!planner->plan.snapshots[i].keep && !retention_has_rules(policy))
            keep(planner, i, "no rule says what to remove");
        if (planner->plan.snapshots[i].keep)
            continue;
        add_reason(planner, i, "no rule keeps it");
        planner->plan.remove_count++;
    }
}

static bool overlaps(const struct wal_chunk *chunk, uint32_t timeline, uint64_t start, uint64_t end)
{
    return chunk->timeline == timeline && chunk->start_lsn < end && chunk->end_lsn > start;
}

/* Whether this snapshot does not become consistent without the chunk. */
static bool is_needed(const struct snapshot_info *info, const struct wal_chunk *chunk)
{
    for (size_t i = 0; i < info->wal_range_count; i++)
        if (overlaps(chunk, info->wal_ranges[i].timeline,
                     archived_wal_segment(info, info->wal_ranges[i].start_lsn),
                     info->wal_ranges[i].end_lsn))
            return true;
    return overlaps(chunk, info->timeline, archived_wal_segment(info, info->start_lsn),
                    info->stop_lsn);
}

/* Whether a recovery from this snapshot may run through the chunk. */
static bool is_ahead(const struct snapshot_info *info, const struct wal_chunk *chunk)
{
    return chunk->timeline >= info->timeline &&
           chunk->end_lsn > archived_wal_segment(info, info->start_lsn);
}

static bool is_held_wal(const struct retention_input *input, const struct wal_chunk *chunk)
{
    for (size_t i = 0; i < input->held_wal_count; i++)
        if (overlaps(chunk, input->held_wal[i].timeline, input->held_wal[i].start_lsn,
                     input->held_wal[i].end_lsn))
            return true;
    return input->hold_all;
}

static bool keeps_chunk(const struct planner *planner, size_t anchor, const struct wal_chunk *chunk)
{
    if (is_held_wal(planner->input, chunk))
        return true;
    for (size_t i = 0; i < planner->plan.snapshot_count; i++) {
        const struct catalog_entry *entry = entry_at(planner, i);
        if (!planner->plan.snapshots[i].keep)
            continue;
        if (!entry->readable || is_needed(&entry->info, chunk) ||
            (i >= anchor && is_ahead(&entry->info, chunk)))
            return true;
    }
    return newest_readable(planner->input->catalog) == NULL;
}

static bool keep_wal(struct planner *planner, struct error *err)
{
    const struct wal_catalog *wal = planner->input->wal;
    struct retention_plan *plan = &planner->plan;
    size_t count = wal == NULL ? 0 : wal->count;
    plan->wal_kept = calloc(count + 1, sizeof *plan->wal_kept);
    if (plan->wal_kept == NULL)
        return error_no_memory(err, "a plan");
    plan->wal_count = count;
    /* Without one as old as the window, the oldest kept one is reached by starting at the first. */
    size_t anchor = planner->policy->wal_window_us > 0 ? find_anchor(planner) : 0;
    if (anchor == plan->snapshot_count)
        anchor = 0;
    for (size_t i = 0; i < count; i++) {
        plan->wal_kept[i] = keeps_chunk(planner, anchor, &wal->chunks[i]);
        plan->wal_remove_count += plan->wal_kept[i] ? 0 : 1;
    }
    return true;
}

bool retention_plan(const struct retention_policy *policy, const struct retention_input *input,
                    struct retention_plan *out, struct error *err)
{
    struct planner planner = {.policy = policy, .input = input};
    size_t count = input->catalog->count;
    planner.plan.snapshots = calloc(count + 1, sizeof *planner.plan.snapshots);
    bool done = planner.plan.snapshots != NULL || error_no_memory(err, "a plan");
    if (done) {
        planner.plan.snapshot_count = count;
        keep_snapshots(&planner);
        done = keep_wal(&planner, err);
    }
    if (done && planner.out_of_memory)
        done = error_no_memory(err, "a plan");
    if (!done) {
        retention_plan_release(&planner.plan);
        return false;
    }
    *out = planner.plan;
    return true;
}
