/*
 * tool_objects URL MARK...: reads every object of a store that should hold a sealed repository.
 * Prints those that are not what FORMAT.md ("Sealing") lets a sealed repository store, and those in
 * which a MARK or the head of a page of WAL stands; then how many objects were read. Exit status 1
 * if any is wrong.
 *
 * The tool judges bytes by itself and never opens the repository. MAINSTAY_STORE_CA_FILE is as for
 * mainstay.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "store/store_open.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECT_MAX_BYTES = 128 << 20, SEALED_MIN_BYTES = 32 + 24 + 40 };

struct search {
    struct store *store;
    char **marks; /* ends in NULL */
    uint8_t *bytes;
    unsigned long objects;
    unsigned long sealed;
    uint64_t bytes_read;
    bool wrong;
};

static void complain(struct search *search, const char *key, const char *what, const char *mark)
{
    printf("%s: %s%s\n", key, what, mark);
    search->wrong = true;
}

/* MAINSTAY, version 1, a kind, cipher 1, zeros: the envelope up to the id of the repository. */
static bool begins_sealed(const uint8_t *bytes, size_t len)
{
    static const uint8_t start[] = "MAINSTAY\1";
    static const uint8_t rest[] = {1, 0, 0, 0, 0, 0};
    uint8_t kind = len > 9 ? bytes[9] : 0;
    return len >= SEALED_MIN_BYTES && memcmp(bytes, start, 9) == 0 && kind >= 1 && kind <= 5 &&
           memcmp(bytes + 10, rest, sizeof rest) == 0;
}

/* access/xlog_internal.h, XLogPageHeaderData: u16 magic 0xD1.., u16 flags up to 0x0f, u32 timeline,
 * u64 address, a multiple of 8 KiB. Timelines and addresses of tests are small. */
static bool is_wal_page(const uint8_t *at)
{
    static const uint8_t zeros[4];
    return at[1] == 0xD1 && at[2] <= 0x0f && at[3] == 0 && at[4] != 0 &&
           memcmp(at + 5, zeros, 4) == 0 && (at[9] & 0x1f) == 0 && memcmp(at + 12, zeros, 4) == 0;
}

static bool has_wal_page(const uint8_t *bytes, size_t len)
{
    enum { HEADER_BYTES = 16 };
    if (len < HEADER_BYTES)
        return false;
    const uint8_t *at = bytes;
    for (const uint8_t *last = bytes + len - HEADER_BYTES; at <= last;) {
        const uint8_t *found = memchr(at + 1, 0xD1, (size_t)(last - at) + 1);
        if (found == NULL || is_wal_page(found - 1))
            return found != NULL;
        at = found;
    }
    return false;
}

static void look(struct search *search, const char *key, size_t len)
{
    if (!begins_sealed(search->bytes, len))
        complain(search, key, "does not begin as a sealed object", "");
    else
        search->sealed++;
    for (char **mark = search->marks; *mark != NULL; mark++)
        if (memmem(search->bytes, len, *mark, strlen(*mark)) != NULL || strstr(key, *mark) != NULL)
            complain(search, key, "holds ", *mark);
    if (has_wal_page(search->bytes, len))
        complain(search, key, "holds a page of WAL", "");
}

/* What stays readable. A key that a preload kept has a number behind it. */
static void look_at_plain(struct search *search, const char *key, size_t len)
{
    static const char cipher[] = "\"xchacha20-poly1305\"";
    if (text_starts_with(key, "mainstay.json") &&
        memmem(search->bytes, len, cipher, strlen(cipher)) == NULL)
        complain(search, key, "does not say that it is sealed", "");
}

static bool visit(void *context, const struct store_object *object, struct error *err)
{
    struct search *search = context;
    size_t len;
    if (object->size_bytes > OBJECT_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "object \"%s\" is too large", object->key);
    if (!store_get(search->store, object->key, 0, OBJECT_MAX_BYTES, search->bytes, &len, err))
        return err->kind == ERROR_NOT_FOUND; /* removed meanwhile */
    search->objects++;
    search->bytes_read += len;
    if (text_starts_with(object->key, "mainstay.json") || text_starts_with(object->key, "keys/") ||
        text_starts_with(object->key, "probe/"))
        look_at_plain(search, object->key, len);
    else
        look(search, object->key, len);
    return true;
}

static bool run(struct search *search, const char *url, struct error *err)
{
    const struct store_options options = {.url = url, .ca_file = getenv("MAINSTAY_STORE_CA_FILE")};
    CLEANUP(store_cleanup) struct store *store = NULL;
    CLEANUP(free_pointer) uint8_t *bytes = malloc(OBJECT_MAX_BYTES);
    if (bytes == NULL)
        return error_no_memory(err, "an object");
    if (!store_open(&options, &store, err))
        return false;
    search->store = store;
    search->bytes = bytes;
    return store_list(store, "", visit, search, err);
}

int main(int argc, char **argv)
{
    struct error err;
    if (argc < 2)
        return 2;
    struct search search = {.marks = argv + 2};
    if (!run(&search, argv[1], &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    printf("%lu objects, %lu sealed, %" PRIu64 " bytes\n", search.objects, search.sealed,
           search.bytes_read);
    if (search.objects == 0)
        return 2;
    return search.wrong ? 1 : 0;
}
