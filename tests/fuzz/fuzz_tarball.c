/*
 * Archives as a server streams them. The first byte is how many bytes come at once. Every path that
 * is handed out is safe, every file as long as its header says.
 */
#include "base/file.h"
#include "codec/tarball.h"
#include "postgres/relation_path.h"
#include "tests/fuzz/outcome.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 1000 };

struct source {
    const uint8_t *next;
    size_t left;
    size_t step;
};

static bool read_step(void *context, const void **out, size_t *out_len, struct error *err)
{
    struct source *source = context;
    (void)err;
    *out = source->next;
    *out_len = source->left < source->step ? source->left : source->step;
    source->next += *out_len;
    source->left -= *out_len;
    return true;
}

/* False at damage. */
static bool read_content(struct tarball_reader *reader, uint64_t size)
{
    struct error err;
    const void *bytes;
    size_t len;
    uint64_t total = 0;
    do {
        if (!tarball_reader_data(reader, &bytes, &len, &err))
            return false;
        total += len;
    } while (len > 0);
    if (total != size)
        abort();
    return true;
}

static void read_entries(struct tarball_reader *reader)
{
    struct error err;
    struct tarball_entry entry;
    struct relation_path relation;
    bool found = true;
    for (int i = 0; i < ENTRIES_MAX; i++) {
        if (!tarball_reader_next(reader, &entry, &found, &err) || !found)
            return;
        if (!path_is_safe_relative(entry.path) ||
            (entry.type == TARBALL_SYMLINK) != (entry.link_target != NULL))
            abort();
        outcome_ignore(relation_path_parse(entry.path, &relation));
        if (entry.type == TARBALL_FILE && i % 2 == 0 && !read_content(reader, entry.size_bytes))
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct tarball_reader *reader;
    if (size == 0)
        return 0;
    struct source source = {data + 1, size - 1, data[0] == 0 ? 4096 : data[0]};
    if (!tarball_reader_open(read_step, &source, &reader, &err))
        return 0;
    read_entries(reader);
    tarball_reader_close(reader);
    return 0;
}
