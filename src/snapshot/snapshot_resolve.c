/*
 * Addresses: while the backup runs, a page that was taken only has a sequence number. When all
 * packs are stored, the maps are rewritten to the pack table of the new manifest, which lists the
 * new packs, then those of the parent that are still used.
 */
#include "snapshot_job.h"

#include <stdlib.h>

struct resolver {
    struct manifest *manifest;
    const struct manifest *parent; /* NULL: none */
    uint32_t *parent_index;        /* the parent's pack number -> ours; PACK_NEW: not used yet */
    const struct written_pack *written;
    uint32_t *written_index;
    size_t written_count;
};

static bool resolve_parent_run(struct resolver *resolver, struct page_run *run, struct error *err)
{
    uint32_t *index = &resolver->parent_index[run->pack];
    if (*index == PACK_NEW &&
        !manifest_add_pack(resolver->manifest, &resolver->parent->packs[run->pack], index, err))
        return false;
    run->pack = *index;
    return true;
}

/* The written pack that holds this sequence number. */
static size_t find_written(const struct resolver *resolver, uint32_t sequence)
{
    size_t low = 0;
    size_t high = resolver->written_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (resolver->written[middle].first_sequence <= sequence)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* A run of new pages may go over several packs. */
static void resolve_new_run(const struct resolver *resolver, const struct page_run *run,
                            struct page_map_builder *out)
{
    uint32_t sequence = run->ordinal;
    uint32_t left = run->count;
    while (left > 0) {
        size_t at = find_written(resolver, sequence);
        const struct written_pack *pack = &resolver->written[at];
        uint32_t ordinal = sequence - pack->first_sequence;
        uint32_t room = pack->ref.page_count - ordinal;
        struct page_run part = {.count = left < room ? left : room,
                                .is_data = true,
                                .pack = resolver->written_index[at],
                                .ordinal = ordinal};
        page_map_builder_add(out, &part);
        sequence += part.count;
        left -= part.count;
    }
}

struct resolving {
    struct resolver *resolver;
    struct page_map_builder *out;
};

static bool resolve_run(void *context, uint64_t block, const struct page_run *run,
                        struct error *err)
{
    const struct resolving *at = context;
    struct page_run resolved = *run;
    (void)block;
    if (run->is_data && run->pack == PACK_NEW) {
        resolve_new_run(at->resolver, run, at->out);
        return true;
    }
    if (run->is_data && !resolve_parent_run(at->resolver, &resolved, err))
        return false;
    page_map_builder_add(at->out, &resolved);
    return true;
}

static bool resolve_entry(struct resolver *resolver, struct manifest_entry *entry,
                          struct error *err)
{
    CLEANUP(page_map_builder_release) struct page_map_builder out;
    struct resolving at = {.resolver = resolver, .out = &out};
    page_map_builder_init(&out);
    if (!manifest_visit_runs(entry, resolve_run, &at, err) || !page_map_builder_finish(&out, err))
        return false;
    free(entry->map);
    entry->map_bytes = out.encoded.len;
    entry->map = TAKE(out.encoded.data);
    return true;
}

static bool add_written(struct resolver *resolver, struct snapshot_info *info, struct error *err)
{
    for (size_t i = 0; i < resolver->written_count; i++) {
        const struct pack_ref *ref = &resolver->written[i].ref;
        if (!manifest_add_pack(resolver->manifest, ref, &resolver->written_index[i], err))
            return false;
        info->bytes_stored += ref->size_bytes;
        info->packs_new++;
    }
    return true;
}

static bool resolve_all(struct resolver *resolver, struct error *err)
{
    struct manifest *manifest = resolver->manifest;
    if (!add_written(resolver, &manifest->info, err))
        return false;
    for (size_t i = 0; i < manifest->entry_count; i++)
        if (manifest->entries[i].kind == ENTRY_FILE &&
            !resolve_entry(resolver, &manifest->entries[i], err))
            return false;
    manifest->info.pack_count = manifest->pack_count;
    return true;
}

bool resolve_addresses(struct snapshot_job *job, struct error *err)
{
    struct resolver resolver = {.manifest = &job->manifest, .parent = job->parent.manifest};
    size_t parent_packs = resolver.parent == NULL ? 0 : resolver.parent->pack_count;
    resolver.written = pack_writer_packs(job->writer, &resolver.written_count);
    resolver.parent_index = malloc((parent_packs + 1) * sizeof *resolver.parent_index);
    resolver.written_index = malloc((resolver.written_count + 1) * sizeof *resolver.written_index);
    bool done = resolver.parent_index != NULL && resolver.written_index != NULL;
    if (done) {
        for (size_t i = 0; i < parent_packs; i++)
            resolver.parent_index[i] = PACK_NEW;
        done = resolve_all(&resolver, err);
    } else {
        (void)error_no_memory(err, "a page map");
    }
    free(resolver.parent_index);
    free(resolver.written_index);
    return done;
}
