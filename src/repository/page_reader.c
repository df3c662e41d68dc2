#include "repository/page_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FETCH_BYTES = 8 << 20, /* largest read, unless one frame is larger */
    GAP_BYTES = 128 << 10, /* unwanted frames up to this size are read along */
    LABEL_SIZE = PACK_KEY_SIZE + 8,
};

struct page_reader {
    const struct repository *repository;
    struct codec_context *codec;
    bool selected;
    struct pack_ref ref;
    struct pack_index index;
    char label[LABEL_SIZE];
    uint64_t bytes;
    bool frame_valid; /* `pages` holds the frame that starts at frame_ordinal */
    uint32_t frame_ordinal;
    uint8_t *fetched; /* FETCH_BYTES, from offset fetched_start */
    uint64_t fetched_start;
    uint64_t fetched_end;
    uint8_t pages[FRAME_BYTES];
};

bool page_reader_new(const struct repository *repository, struct page_reader **out,
                     struct error *err)
{
    CLEANUP(page_reader_cleanup) struct page_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_no_memory(err, "a page reader");
    reader->repository = repository;
    reader->fetched = malloc(FETCH_BYTES);
    if (reader->fetched == NULL)
        return error_no_memory(err, "a page reader");
    if (!codec_context_new(&reader->codec, err))
        return false;
    *out = TAKE(reader);
    return true;
}

void page_reader_free(struct page_reader *reader)
{
    if (reader == NULL)
        return;
    pack_index_release(&reader->index);
    codec_context_free(reader->codec);
    free(reader->fetched);
    free(reader);
}

void page_reader_cleanup(struct page_reader **reader)
{
    page_reader_free(*reader);
    *reader = NULL;
}

uint64_t page_reader_bytes(const struct page_reader *reader)
{
    return reader->bytes;
}

bool page_reader_select(struct page_reader *reader, const struct pack_ref *ref,
                        const struct pack_index **out_index, struct error *err)
{
    char key[PACK_KEY_SIZE];
    *out_index = &reader->index;
    if (reader->selected && memcmp(reader->ref.id, ref->id, PACK_ID_BYTES) == 0)
        return true;
    pack_index_release(&reader->index);
    reader->selected = false;
    reader->frame_valid = false;
    reader->fetched_start = reader->fetched_end = 0;
    if (!pack_read_index(reader->repository, ref, &reader->index, err))
        return false;
    reader->selected = true;
    reader->ref = *ref;
    reader->bytes += pack_tail_bytes(reader->repository, ref);
    (void)snprintf(reader->label, sizeof reader->label, "pack \"%s\"", pack_key(ref->id, key));
    return true;
}

/* The ranges that are still to be visited, the current one first. */
struct demand {
    const struct page_range *ranges;
    size_t count;
};

static uint64_t frame_end(const struct pack_frame *frame)
{
    return frame->offset + frame->stored_bytes;
}

/* How far a read that starts with this frame should go: over all wanted frames that follow closely,
 * up to FETCH_BYTES. */
static uint64_t fetch_end(const struct page_reader *reader, const struct pack_frame *first,
                          const struct demand *demand)
{
    uint64_t end = frame_end(first);
    for (size_t i = 0; i < demand->count; i++) {
        uint32_t last_ordinal = demand->ranges[i].ordinal + demand->ranges[i].count - 1;
        const struct pack_frame *frame = pack_index_find(&reader->index, demand->ranges[i].ordinal);
        const struct pack_frame *last = pack_index_find(&reader->index, last_ordinal);
        for (; frame <= last; frame++) {
            if (frame->offset > end + GAP_BYTES || frame_end(frame) > first->offset + FETCH_BYTES)
                return end;
            if (frame_end(frame) > end)
                end = frame_end(frame);
        }
    }
    return end;
}

/* Makes `pages` hold this frame. */
static bool load_frame(struct page_reader *reader, const struct pack_frame *frame,
                       const struct demand *demand, struct error *err)
{
    if (reader->frame_valid && reader->frame_ordinal == frame->first_ordinal)
        return true;
    if (frame->offset < reader->fetched_start || frame_end(frame) > reader->fetched_end) {
        uint64_t end = fetch_end(reader, frame, demand);
        size_t len = (size_t)(end - frame->offset);
        reader->fetched_start = reader->fetched_end = 0;
        if (!pack_read_range(reader->repository, &reader->ref, frame->offset, len, reader->fetched,
                             err))
            return false;
        reader->fetched_start = frame->offset;
        reader->fetched_end = end;
        reader->bytes += len;
    }
    reader->frame_valid = false;
    if (!pack_frame_decode(&reader->index, frame, reader->codec,
                           reader->fetched + (frame->offset - reader->fetched_start), reader->pages,
                           reader->label, err))
        return false;
    reader->frame_valid = true;
    reader->frame_ordinal = frame->first_ordinal;
    return true;
}

bool page_reader_visit(struct page_reader *reader, const struct page_range *ranges, size_t count,
                       page_visit_fn visit, void *context, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct demand demand = {.ranges = ranges + i, .count = count - i};
        uint32_t ordinal = ranges[i].ordinal;
        uint32_t left = ranges[i].count;
        if (left > reader->index.page_count || ordinal > reader->index.page_count - left)
            return error_set(err, ERROR_CORRUPT, "%s does not hold page %u", reader->label,
                             ordinal + left - 1);
        while (left > 0) {
            const struct pack_frame *frame = pack_index_find(&reader->index, ordinal);
            uint32_t skip = ordinal - frame->first_ordinal;
            uint32_t part = frame->page_count - skip;
            if (part > left)
                part = left;
            if (!load_frame(reader, frame, &demand, err) ||
                !visit(context, ordinal, part, reader->pages + (size_t)skip * PAGE_BYTES, err))
                return false;
            ordinal += part;
            left -= part;
        }
    }
    return true;
}
