#include "snapshot/parent.h"

#include "base/text.h"
#include "repository/pack_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A pack of which less than this is still in use is sparse. */
enum { SPARSE_PERCENT = 25 };

/* Packs whose page hashes are read: at most 8 MiB of memory, 16 short reads. */
enum { SAMPLES = 16 };

void parent_release(struct parent *parent)
{
    for (size_t i = 0; parent->samples != NULL && i < parent->manifest.pack_count; i++)
        pack_index_release(&parent->samples[i]);
    free(parent->samples);
    if (parent->found)
        manifest_release(&parent->manifest);
    free(parent->pack_states);
    *parent = (struct parent){0};
}

static bool check_system(const struct catalog *catalog, uint64_t system_identifier,
                         struct error *err)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const struct catalog_entry *entry = &catalog->entries[i];
        if (!entry->readable || entry->info.system_identifier == system_identifier)
            continue;
        (void)error_set(err, ERROR_REFUSED,
                        "cannot store snapshots of system %" PRIu64 " here: the repository holds "
                        "those of system %" PRIu64 " (snapshot %s)",
                        system_identifier, entry->info.system_identifier, entry->info.id);
        return error_hint(err, "Check the connection, or use a repository of its own for this "
                               "cluster.");
    }
    return true;
}

/* Where the server's history leaves this timeline; NULL when it never was on it. */
static const struct timeline_entry *find_timeline(const struct parent_server *server,
                                                  uint32_t timeline)
{
    for (size_t i = 0; i < server->history_count; i++)
        if (server->history[i].timeline == timeline)
            return &server->history[i];
    return NULL;
}

const char *parent_history_problem(const struct snapshot_info *snapshot,
                                   const struct parent_server *server, char why[256])
{
    char stop[TEXT_SIZE];
    char here[TEXT_SIZE];
    uint64_t end_lsn = server->identity.position;
    if (snapshot->timeline != server->identity.timeline) {
        const struct timeline_entry *entry = find_timeline(server, snapshot->timeline);
        if (entry == NULL) {
            (void)snprintf(why, 256,
                           "timeline %u of snapshot %s is not in the history of the "
                           "server's timeline %u",
                           snapshot->timeline, snapshot->id, server->identity.timeline);
            return why;
        }
        end_lsn = entry->end_lsn;
    }
    if (snapshot->stop_lsn <= end_lsn)
        return NULL;
    (void)snprintf(why, 256,
                   "snapshot %s reaches to %s, but the server's history leaves its "
                   "timeline %u at %s",
                   snapshot->id, text_lsn(snapshot->stop_lsn, stop), snapshot->timeline,
                   text_lsn(end_lsn, here));
    return why;
}

static void note_reason(struct parent *parent, const char *reason)
{
    if (parent->reason[0] == '\0')
        (void)snprintf(parent->reason, sizeof parent->reason, "%.*s",
                       (int)sizeof parent->reason - 1, reason);
}

/* True when the search is over: found, or failed for a reason that is not the manifest's. */
static bool try_entry(const struct repository *repository, const struct parent_server *server,
                      const struct catalog_entry *entry, struct parent *parent, bool *out_over,
                      struct error *err)
{
    char why[256];
    *out_over = false;
    if (!entry->readable) {
        note_reason(parent, entry->problem);
        return true;
    }
    if (parent_history_problem(&entry->info, server, why) != NULL) {
        note_reason(parent, why);
        return true;
    }
    parent->found = manifest_load(repository, entry->key, &parent->manifest, err);
    if (parent->found) {
        *out_over = true;
        return true;
    }
    if (err->kind != ERROR_CORRUPT && err->kind != ERROR_UNSUPPORTED &&
        err->kind != ERROR_NOT_FOUND)
        return false;
    note_reason(parent, err->text);
    return true;
}

struct pack_listing {
    struct parent *parent;
    size_t *by_id; /* indexes of the parent's packs, sorted by id */
};

static int compare_by_id(const void *a, const void *b, void *packs)
{
    const struct pack_ref *refs = packs;
    return memcmp(refs[*(const size_t *)a].id, refs[*(const size_t *)b].id, PACK_ID_BYTES);
}

static bool mark_present(void *context, const struct store_object *object, struct error *err)
{
    struct pack_listing *listing = context;
    const struct manifest *manifest = &listing->parent->manifest;
    uint8_t id[PACK_ID_BYTES];
    (void)err;
    if (!pack_id_from_key(object->key, id))
        return true;
    size_t low = 0;
    size_t high = manifest->pack_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct pack_ref *ref = &manifest->packs[listing->by_id[middle]];
        int order = memcmp(id, ref->id, PACK_ID_BYTES);
        if (order == 0) {
            if (object->size_bytes == ref->size_bytes)
                listing->parent->pack_states[listing->by_id[middle]] = PACK_USABLE;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return true;
}

/* One listing tells which of the parent's packs are there, with the right size. */
static bool find_missing(const struct repository *repository, struct parent *parent,
                         struct error *err)
{
    struct pack_listing listing = {.parent = parent};
    size_t count = parent->manifest.pack_count;
    listing.by_id = calloc(count + 1, sizeof *listing.by_id);
    parent->pack_states = calloc(count + 1, 1);
    if (listing.by_id == NULL || parent->pack_states == NULL) {
        free(listing.by_id);
        return error_no_memory(err, "the list of packs");
    }
    memset(parent->pack_states, PACK_MISSING, count);
    for (size_t i = 0; i < count; i++)
        listing.by_id[i] = i;
    if (count > 1)
        qsort_r(listing.by_id, count, sizeof *listing.by_id, compare_by_id, parent->manifest.packs);
    bool done = store_list(repository->store, "packs/", mark_present, &listing, err);
    free(listing.by_id);
    for (size_t i = 0; done && i < count; i++)
        parent->missing_packs += parent->pack_states[i] == PACK_MISSING ? 1 : 0;
    return done;
}

static bool count_run(void *live, uint64_t block, const struct page_run *run, struct error *err)
{
    (void)block;
    (void)err;
    if (run->is_data)
        ((uint64_t *)live)[run->pack] += run->count;
    return true;
}

static bool count_live(const struct manifest *manifest, uint64_t *live, struct error *err)
{
    for (size_t i = 0; i < manifest->entry_count; i++)
        if (manifest->entries[i].kind == ENTRY_FILE &&
            !manifest_visit_runs(&manifest->entries[i], count_run, live, err))
            return false;
    return true;
}

/* Packs of which little is used any more: their pages may be stored anew, so that they can go. */
static bool find_sparse(struct parent *parent, struct error *err)
{
    const struct manifest *manifest = &parent->manifest;
    uint64_t *live = calloc(manifest->pack_count + 1, sizeof *live);
    if (live == NULL)
        return error_no_memory(err, "the list of packs");
    bool done = count_live(manifest, live, err);
    for (size_t i = 0; done && i < manifest->pack_count; i++) {
        parent->live_pages += live[i];
        if (parent->pack_states[i] == PACK_USABLE &&
            live[i] * 100 < (uint64_t)manifest->packs[i].page_count * SPARSE_PERCENT)
            parent->pack_states[i] = PACK_SPARSE;
    }
    free(live);
    return done;
}

static void note_newest(const struct catalog *catalog, struct parent *parent)
{
    for (size_t i = 0; i < catalog->count; i++)
        if (catalog->entries[i].info.started_us > parent->newest_started_us)
            parent->newest_started_us = catalog->entries[i].info.started_us;
}

static bool search(const struct repository *repository, const struct parent_server *server,
                   const struct catalog *catalog, struct parent *parent, struct error *err)
{
    bool over = false;
    note_newest(catalog, parent);
    for (size_t i = catalog->count; i-- > 0 && !over;)
        if (!try_entry(repository, server, &catalog->entries[i], parent, &over, err))
            return false;
    if (!parent->found) {
        note_reason(parent, "the repository holds no snapshot yet");
        return true;
    }
    return find_missing(repository, parent, err) && find_sparse(parent, err);
}

bool parent_choose(const struct repository *repository, const struct parent_server *server,
                   struct parent *out, struct error *err)
{
    struct catalog catalog;
    struct parent parent = {0};
    if (!catalog_load(repository, &catalog, err))
        return false;
    bool done = check_system(&catalog, server->identity.system_identifier, err) &&
                search(repository, server, &catalog, &parent, err);
    catalog_release(&catalog);
    if (!done) {
        parent_release(&parent);
        return error_wrap(err, "could not choose the snapshot to build on");
    }
    *out = parent;
    return true;
}

/* A damaged pack is as good as a missing one: its pages are stored anew. */
static bool sample_pack(const struct repository *repository, struct parent *parent, size_t pack,
                        struct error *err)
{
    if (parent->pack_states[pack] == PACK_MISSING)
        return true;
    if (pack_read_index(repository, &parent->manifest.packs[pack], &parent->samples[pack], err))
        return true;
    if (err->kind != ERROR_CORRUPT)
        return false;
    parent->pack_states[pack] = PACK_MISSING;
    parent->missing_packs++;
    return true;
}

bool parent_sample(const struct repository *repository, const struct random_source *random,
                   struct parent *parent, struct error *err)
{
    size_t count = parent->manifest.pack_count;
    parent->samples = calloc(count + 1, sizeof *parent->samples);
    if (parent->samples == NULL)
        return error_no_memory(err, "page hashes");
    size_t wanted = count < SAMPLES ? count : SAMPLES;
    /* Each pack is taken with the probability that leaves `wanted` in the end (Knuth, algorithm S).
     */
    for (size_t i = 0; i < count && wanted > 0; i++) {
        if (random_below(random, count - i) >= wanted)
            continue;
        wanted--;
        if (!sample_pack(repository, parent, i, err))
            return error_wrap(err, "could not read page hashes of snapshot %s",
                              parent->manifest.info.id);
    }
    return true;
}
