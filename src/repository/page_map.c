#include "repository/page_map.h"

void page_map_builder_init(struct page_map_builder *builder)
{
    *builder = (struct page_map_builder){0};
    buf_init(&builder->encoded, PAGE_MAP_MAX_BYTES);
}

void page_map_builder_release(struct page_map_builder *builder)
{
    buf_release(&builder->encoded);
}

static void flush(struct page_map_builder *builder)
{
    const struct page_run *run = &builder->pending;
    if (run->count == 0)
        return;
    buf_put_varint(&builder->encoded, (uint64_t)run->count << 1 | (run->is_data ? 1 : 0));
    if (run->is_data) {
        buf_put_varint(&builder->encoded, run->pack);
        buf_put_signed(&builder->encoded,
                       (int64_t)run->ordinal - (int64_t)builder->expected_ordinal);
        builder->expected_ordinal = run->ordinal + run->count;
    }
    builder->pending.count = 0;
}

static bool continues(const struct page_run *run, const struct page_run *next)
{
    if (run->count == 0 || run->is_data != next->is_data || run->count > UINT32_MAX - next->count)
        return false;
    return !run->is_data || (run->pack == next->pack && run->ordinal + run->count == next->ordinal);
}

void page_map_builder_add(struct page_map_builder *builder, const struct page_run *run)
{
    if (continues(&builder->pending, run)) {
        builder->pending.count += run->count;
        return;
    }
    flush(builder);
    builder->pending = *run;
}

bool page_map_builder_finish(struct page_map_builder *builder, struct error *err)
{
    flush(builder);
    return buf_check(&builder->encoded, "a page map", err);
}

void page_map_reader_init(struct page_map_reader *reader, const void *map, size_t len,
                          uint64_t blocks, const char *what)
{
    *reader = (struct page_map_reader){.blocks_left = blocks};
    reader_init(&reader->bytes, map, len, what);
}

static bool wrong_length(const struct page_map_reader *reader, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "%s is damaged: its page map does not cover the file",
                     reader->bytes.what);
}

static bool read_address(struct page_map_reader *reader, struct page_run *run, struct error *err)
{
    uint64_t pack;
    int64_t delta;
    if (!reader_count(&reader->bytes, UINT32_MAX, &pack, err) ||
        !reader_signed(&reader->bytes, &delta, err))
        return false;
    if (delta < -(int64_t)UINT32_MAX || delta > UINT32_MAX)
        return wrong_length(reader, err);
    int64_t ordinal = (int64_t)reader->expected_ordinal + delta;
    if (ordinal < 0 || ordinal > (int64_t)UINT32_MAX - run->count)
        return wrong_length(reader, err);
    run->pack = (uint32_t)pack;
    run->ordinal = (uint32_t)ordinal;
    reader->expected_ordinal = run->ordinal + run->count;
    return true;
}

bool page_map_reader_next(struct page_map_reader *reader, struct page_run *out, bool *out_found,
                          struct error *err)
{
    if (reader->blocks_left == 0) {
        if (reader_left(&reader->bytes) > 0)
            return wrong_length(reader, err);
        *out_found = false;
        return true;
    }
    uint64_t head;
    if (!reader_varint(&reader->bytes, &head, err))
        return false;
    uint64_t count = head >> 1;
    if (count == 0 || count > reader->blocks_left || count > UINT32_MAX)
        return wrong_length(reader, err);
    struct page_run run = {.count = (uint32_t)count, .is_data = (head & 1) != 0};
    if (run.is_data && !read_address(reader, &run, err))
        return false;
    reader->blocks_left -= count;
    *out = run;
    *out_found = true;
    return true;
}
