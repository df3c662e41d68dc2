/* mainstay snapshot expire, mainstay repo gc */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/log.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "repository/expire.h"
#include "repository/run_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What a clean-up was to do and what it did. */
struct clean {
    bool dry_run;
    bool expires; /* false: only packs */
    struct sweep sweep;
    struct expire_plan plan;
    struct expire_result result;
    struct garbage_plan garbage;
    uint64_t packs_removed;
    uint64_t pack_bytes;
};

static void clean_release(struct clean *clean)
{
    sweep_end(&clean->sweep);
    if (clean->expires)
        expire_plan_release(&clean->plan);
    garbage_plan_release(&clean->garbage);
}

static bool fill_options(const struct invocation *call, struct sweep_options *out,
                         struct error *err)
{
    const char *grace = invocation_value(call, "grace");
    int64_t standard_us = config_amount(&call->config, OPTION_RETENTION_GC_GRACE);
    *out = (struct sweep_options){.grace_us = standard_us,
                                  .lease_age_us = standard_us,
                                  .dry_run = invocation_has(call, "dry-run"),
                                  .clock = &clock_system,
                                  .random = &random_system};
    if (grace == NULL || (text_to_duration_us(grace, &out->grace_us) && out->grace_us >= 0))
        return true;
    return error_set(err, ERROR_USAGE, "--grace cannot be \"%.40s\": a time as 24h", grace);
}

static bool begin(const struct invocation *call, struct session *session, struct clean *clean,
                  struct error *err)
{
    struct sweep_options options;
    clean->dry_run = invocation_has(call, "dry-run");
    return fill_options(call, &options, err) && session_open_fenced(session, call, err) &&
           sweep_begin(&session->repository, &options, &clean->sweep, err);
}

static bool collect_garbage(struct clean *clean, struct error *err)
{
    const struct key_list *without = clean->dry_run && clean->expires ? &clean->plan.manifests
                                                                      : NULL;
    if (!garbage_plan(&clean->sweep, without, &clean->garbage, err))
        return false;
    return clean->dry_run || garbage_run(&clean->sweep, &clean->garbage, &clean->packs_removed,
                                         &clean->pack_bytes, err);
}

/* --- texts ------------------------------------------------------------------------------------ */

static void put_garbage(const struct clean *clean, struct buf *out)
{
    char size[TEXT_SIZE];
    const struct garbage_plan *garbage = &clean->garbage;
    if (garbage->blocked[0] != '\0') {
        buf_printf(out, "no pack may be removed: ");
        output_put_clean(garbage->blocked, out);
        buf_printf(out, "\n");
    }
    if (garbage->young_count > 0)
        buf_printf(out, "%" PRIu64 " %s (%s) %s young or of one that is being taken\n",
                   garbage->young_count, text_plural(garbage->young_count, "pack", "packs"),
                   text_bytes(garbage->young_bytes, size),
                   text_plural(garbage->young_count, "belongs to no snapshot, but is",
                               "belong to no snapshot, but are"));
    if (!clean->dry_run)
        buf_printf(out, "removed %" PRIu64 " %s, %s\n", clean->packs_removed,
                   text_plural(clean->packs_removed, "pack", "packs"),
                   text_bytes(clean->pack_bytes, size));
    else if (garbage->blocked[0] == '\0')
        buf_printf(out, "would remove %zu %s, %s\n", garbage->pack_count,
                   text_plural(garbage->pack_count, "pack", "packs"),
                   text_bytes(garbage->bytes, size));
}

static bool join_reasons(const struct retention_verdict *verdict, struct buf *out,
                         struct error *err)
{
    buf_clear(out);
    for (size_t i = 0; i < verdict->reason_count; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : "; ", verdict->reasons[i]);
    return buf_check(out, "a reason", err);
}

static const struct text_column plan_columns[] = {
    {"ID", false}, {"TIME", false}, {"VERDICT", false}, {"REASONS", false}};

static bool add_row(struct text_table *table, const struct catalog_entry *entry,
                    const struct retention_verdict *verdict, struct error *err)
{
    char time[TEXT_SIZE] = "";
    CLEANUP(buf_release) struct buf reasons;
    buf_init(&reasons, OUTPUT_MAX_BYTES);
    if (!join_reasons(verdict, &reasons, err))
        return false;
    if (entry->readable)
        (void)text_time_us(entry->info.started_us, time);
    const char *const cells[] = {entry->readable ? entry->info.id : entry->key, time,
                                 verdict->keep ? "keep" : "remove", buf_text(&reasons)};
    return text_table_add(table, cells, err);
}

static bool put_plan(const struct expire_plan *plan, struct buf *out, struct error *err)
{
    char size[TEXT_SIZE];
    CLEANUP(text_table_release) struct text_table table;
    text_table_init(&table, plan_columns, ARRAY_LEN(plan_columns));
    for (size_t i = 0; i < plan->catalog.count; i++)
        if (!add_row(&table, &plan->catalog.entries[i], &plan->retention.snapshots[i], err))
            return false;
    text_table_put(&table, out);
    const struct retention_plan *retention = &plan->retention;
    size_t snapshots = retention->snapshot_count - retention->remove_count;
    size_t pieces = retention->wal_count - retention->wal_remove_count;
    buf_printf(out, "%zu %s, %zu %s; %zu %s, %zu %s (%s)\n", snapshots,
               text_plural(snapshots, "snapshot stays", "snapshots stay"), retention->remove_count,
               text_plural(retention->remove_count, "goes", "go"), pieces,
               text_plural(pieces, "piece of WAL stays", "pieces of WAL stay"),
               retention->wal_remove_count, text_plural(retention->wal_remove_count, "goes", "go"),
               text_bytes(plan->wal_bytes, size));
    return true;
}

static bool print_plan(const struct invocation *call, const struct expire_plan *plan,
                       struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    return put_plan(plan, &text, err) && output_write(call, &text, err);
}

static bool print_result(const struct invocation *call, const struct clean *clean,
                         struct error *err)
{
    char size[TEXT_SIZE];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    put_garbage(clean, &text);
    if (clean->expires && !clean->dry_run) {
        if (clean->result.snapshots_spared > 0)
            buf_printf(&text, "%" PRIu64 " %s\n", clean->result.snapshots_spared,
                       text_plural(clean->result.snapshots_spared,
                                   "snapshot stays: a snapshot under way builds on it",
                                   "snapshots stay: a snapshot under way builds on them"));
        buf_printf(&text, "removed %" PRIu64 " %s and %" PRIu64 " %s of WAL; freed %s\n",
                   clean->result.snapshots_removed,
                   text_plural(clean->result.snapshots_removed, "snapshot", "snapshots"),
                   clean->result.wal_removed,
                   text_plural(clean->result.wal_removed, "piece", "pieces"),
                   text_bytes(clean->result.bytes_freed + clean->pack_bytes, size));
    }
    return output_write(call, &text, err);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static bool add_verdict(struct value *list, const struct catalog_entry *entry,
                        const struct retention_verdict *verdict, struct error *err)
{
    char time[TEXT_SIZE];
    struct value *item = value_append_new_object(list, err);
    if (item == NULL || !value_set_text_lossy(item, "key", entry->key, err) ||
        !value_set_text_lossy(item, "id", entry->info.id, err) ||
        !value_set_text(item, "started", text_time_us(entry->info.started_us, time), err) ||
        !value_set_bool(item, "keep", verdict->keep, err))
        return false;
    struct value *reasons = value_set_new_array(item, "reasons", err);
    for (size_t i = 0; reasons != NULL && i < verdict->reason_count; i++)
        if (!value_append_text_lossy(reasons, verdict->reasons[i], err))
            return false;
    return reasons != NULL;
}

static bool add_wal(struct value *root, const struct expire_plan *plan, struct error *err)
{
    struct value *list = value_set_new_array(root, "wal_removals", err);
    for (size_t i = 0; list != NULL && i < plan->wal.count; i++) {
        char key[WAL_KEY_SIZE];
        if (!plan->retention.wal_kept[i] &&
            !value_append_text(list, wal_chunk_key(&plan->wal.chunks[i], key), err))
            return false;
    }
    return list != NULL;
}

static bool add_expiry(struct value *root, const struct clean *clean, struct error *err)
{
    const struct expire_plan *plan = &clean->plan;
    struct value *list = value_set_new_array(root, "snapshots", err);
    for (size_t i = 0; list != NULL && i < plan->catalog.count; i++)
        if (!add_verdict(list, &plan->catalog.entries[i], &plan->retention.snapshots[i], err))
            return false;
    return list != NULL && add_wal(root, plan, err) &&
           value_set_u64(root, "snapshots_removed", clean->result.snapshots_removed, err) &&
           value_set_u64(root, "snapshots_spared", clean->result.snapshots_spared, err) &&
           value_set_u64(root, "wal_removed", clean->result.wal_removed, err);
}

static bool print_json(const struct invocation *call, const struct clean *clean, struct error *err)
{
    const struct garbage_plan *garbage = &clean->garbage;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL || !value_set_bool(root, "dry_run", clean->dry_run, err) ||
        (clean->expires && !add_expiry(root, clean, err)))
        return false;
    return value_set_u64(root, "garbage_packs", garbage->pack_count, err) &&
           value_set_u64(root, "garbage_bytes", garbage->bytes, err) &&
           value_set_u64(root, "young_packs", garbage->young_count, err) &&
           value_set_u64(root, "young_bytes", garbage->young_bytes, err) &&
           value_set_text_lossy(root, "blocked", garbage->blocked, err) &&
           value_set_u64(root, "packs_removed", clean->packs_removed, err) &&
           value_set_u64(root, "bytes_freed", clean->result.bytes_freed + clean->pack_bytes, err) &&
           output_value(call, root, err);
}

/* --- commands --------------------------------------------------------------------------------- */

static bool finish(struct invocation *call, struct clean *clean, struct error *err)
{
    if (!collect_garbage(clean, err))
        return false;
    if (clean->garbage.blocked[0] != '\0')
        log_event(LOG_WARNING, "repository.gc_blocked", "no pack may be removed: %s",
                  clean->garbage.blocked);
    return call->json ? print_json(call, clean, err) : print_result(call, clean, err);
}

static bool get_policy(const struct invocation *call, struct time_zone **zone,
                       struct retention_policy *out, struct error *err)
{
    if (!config_fill_retention(&call->config, zone, out, err))
        return false;
    if (retention_has_rules(out))
        return true;
    (void)error_set(err, ERROR_USAGE, "no rule says which snapshots to keep");
    return error_hint(err, "Give some, for example: --keep-daily 7 --keep-weekly 5");
}

static bool record(const struct session *session, const struct clean *clean, int64_t started_us,
                   struct error *err)
{
    const struct run_record done = {
        .job = RUN_EXPIRE, .started_us = started_us, .part = 1, .parts = 1};
    return clean->dry_run ||
           run_record_put(&session->repository, &done, &clock_system, &random_system, err);
}

static bool run_expire(struct invocation *call, struct error *err)
{
    int64_t started_us = clock_now_us(&clock_system);
    struct retention_policy policy;
    CLEANUP(time_zone_cleanup) struct time_zone *zone = NULL;
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(clean_release) struct clean clean = {.expires = false};
    if (!get_policy(call, &zone, &policy, err) || !begin(call, &session, &clean, err) ||
        !expire_plan(&clean.sweep, &policy, &clean.plan, err))
        return false;
    clean.expires = true;
    /* The plan is shown before anything is done. */
    if (!call->json && !print_plan(call, &clean.plan, err))
        return false;
    if (!clean.dry_run && !expire_run(&clean.sweep, &clean.plan, &clean.result, err))
        return false;
    return finish(call, &clean, err) && record(&session, &clean, started_us, err);
}

static bool run_gc(struct invocation *call, struct error *err)
{
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(clean_release) struct clean clean = {.expires = false};
    return begin(call, &session, &clean, err) && finish(call, &clean, err);
}

const struct command command_snapshot_expire = {
    .noun = "snapshot",
    .verb = "expire",
    .summary = "remove the snapshots and the WAL that no rule keeps",
    .details = "A snapshot stays for every rule that names it, and for a pin; the newest one that "
               "can be read always stays. Prints the plan with all reasons, carries it out, then "
               "removes the packs that nothing needs any more, as `mainstay repo gc` does. "
               "Snapshots may be taken meanwhile.",
    .groups = GROUP_REPOSITORY | GROUP_RETENTION | GROUP_LOG,
    .flags = {{"dry-run", NULL, NULL, "Show what would be done and do nothing."},
              {"grace", "TIME", "retention.gc-grace",
               "Packs and WAL that were stored less than this ago stay. Shorter than a snapshot "
               "takes is safe, as long as the clocks of the store agree."},
              SESSION_TERM_FLAG},
    .examples = {"mainstay snapshot expire --repo /srv/backup --keep-daily 7 --keep-weekly 5 "
                 "--dry-run",
                 "mainstay snapshot expire --config /etc/mainstay/mainstay.yaml"},
    .confined = true,
    .run = run_expire,
};

const struct command command_repo_gc = {
    .noun = "repo",
    .verb = "gc",
    .summary = "remove the packs that no snapshot needs",
    .details = "They are left by snapshots that were removed or never finished. While a manifest "
               "cannot be read no pack is removed. Snapshots may be taken meanwhile.",
    .groups = GROUP_REPOSITORY | GROUP_RETENTION | GROUP_LOG,
    .flags = {{"dry-run", NULL, NULL, "Show what would be done and do nothing."},
              {"grace", "TIME", "retention.gc-grace",
               "Packs that were stored less than this ago stay."},
              SESSION_TERM_FLAG},
    .examples = {"mainstay repo gc --repo /srv/backup --dry-run"},
    .run = run_gc,
};
