#include "store/store_meter.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char magic[16] = "mainstay-meter1"; /* changes with the layout */

struct counters {
    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t errors[METER_KIND_COUNT];
    atomic_uint_fast64_t sent_bytes;
    atomic_uint_fast64_t received_bytes;
    atomic_uint_fast64_t total_us;
    atomic_uint_fast64_t within[METER_BOUND_COUNT];
};

/* What is shared. */
struct board {
    char magic[sizeof magic];
    struct counters operations[METER_OPERATION_COUNT];
};

struct meter {
    struct board *board;
    int fd; /* -1: inherited */
};

const int64_t meter_bounds_us[METER_BOUND_COUNT] = {5000,    20000,   50000,    100000,  250000,
                                                    1000000, 2500000, 10000000, 60000000};

static const char *const names[METER_OPERATION_COUNT] = {
    [METER_PUT] = "put",   [METER_GET] = "get",       [METER_STAT] = "stat",
    [METER_LIST] = "list", [METER_REMOVE] = "remove", [METER_TIME] = "time"};

const char *meter_operation_name(enum meter_operation operation)
{
    return names[operation];
}

/* --- the memory
 * ----------------------------------------------------------------------------------- */

static struct board *map_board(int fd)
{
    void *at = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

static struct meter *new_meter(struct board *board, int fd)
{
    struct meter *meter = malloc(sizeof *meter);
    if (meter == NULL) {
        (void)munmap(board, sizeof *board);
        return NULL;
    }
    *meter = (struct meter){.board = board, .fd = fd};
    return meter;
}

bool meter_new(struct meter **out, int *out_fd, struct error *err)
{
    /* Without close-on-exec: that is how children get it. */
    CLEANUP(close_fd) int fd = memfd_create("mainstay-store-meter", 0);
    if (fd < 0 || ftruncate(fd, (off_t)sizeof(struct board)) != 0)
        return error_set_errno(err, errno, "could not make shared memory");
    struct board *board = map_board(fd);
    if (board == NULL)
        return error_set_errno(err, errno, "could not map shared memory");
    memcpy(board->magic, magic, sizeof magic);
    *out = new_meter(board, fd);
    if (*out == NULL)
        return error_no_memory(err, "counters");
    *out_fd = fd;
    fd = -1;
    return true;
}

struct meter *meter_inherit(const char *text)
{
    uint64_t fd;
    struct stat info;
    if (text == NULL || !text_to_u64(text, &fd) || fd > INT_MAX || fstat((int)fd, &info) != 0 ||
        info.st_size != (off_t)sizeof(struct board))
        return NULL;
    struct board *board = map_board((int)fd);
    if (board == NULL)
        return NULL;
    if (memcmp(board->magic, magic, sizeof magic) == 0)
        return new_meter(board, -1);
    (void)munmap(board, sizeof *board);
    return NULL;
}

void meter_free(struct meter *meter)
{
    if (meter == NULL)
        return;
    (void)munmap(meter->board, sizeof *meter->board);
    close_fd(&meter->fd);
    free(meter);
}

void meter_read(const struct meter *meter, enum meter_operation operation, struct meter_counts *out)
{
    struct counters *from = &meter->board->operations[operation];
    out->sent_bytes = atomic_load(&from->sent_bytes);
    out->received_bytes = atomic_load(&from->received_bytes);
    out->total_us = atomic_load(&from->total_us);
    for (size_t i = 0; i < METER_KIND_COUNT; i++)
        out->errors[i] = atomic_load(&from->errors[i]);
    for (size_t i = 0; i < METER_BOUND_COUNT; i++)
        out->within[i] = atomic_load(&from->within[i]);
    out->requests = atomic_load(&from->requests);
}

/* --- the wrapper
 * ---------------------------------------------------------------------------------- */

struct store_meter {
    struct store store;
    struct store *inner;
    struct meter *meter;
    struct clock clock;
};

static struct store_meter *from_store(struct store *store)
{
    return (struct store_meter *)store;
}

struct span {
    const struct store_meter *store;
    struct counters *counters;
    int64_t started_us;
};

static struct span span_start(struct store *store, enum meter_operation operation)
{
    const struct store_meter *meter = from_store(store);
    return (struct span){.store = meter,
                         .counters = &meter->meter->board->operations[operation],
                         .started_us = clock_monotonic_us(&meter->clock)};
}

static bool is_answer(enum error_kind kind)
{
    return kind == ERROR_NOT_FOUND || kind == ERROR_EXISTS || kind == ERROR_CANCELLED;
}

/* Returns done. */
static bool span_end(const struct span *span, bool done, const struct error *err)
{
    struct counters *counters = span->counters;
    int64_t us = clock_monotonic_us(&span->store->clock) - span->started_us;
    if (!done && !is_answer(err->kind))
        atomic_fetch_add(&counters->errors[err->kind], 1);
    atomic_fetch_add(&counters->total_us, us > 0 ? (uint64_t)us : 0);
    /* From the largest to the smallest, and read the other way round: whoever reads in between
     * never finds more in a bucket than in a larger one. */
    atomic_fetch_add(&counters->requests, 1);
    for (size_t i = METER_BOUND_COUNT; i-- > 0 && us <= meter_bounds_us[i];)
        atomic_fetch_add(&counters->within[i], 1);
    return done;
}

static bool meter_put(struct store *store, const char *key, const void *bytes, size_t len,
                      const uint8_t *sha256, struct error *err)
{
    struct span span = span_start(store, METER_PUT);
    bool done = store_put(from_store(store)->inner, key, bytes, len, sha256, err);
    if (done)
        atomic_fetch_add(&span.counters->sent_bytes, len);
    return span_end(&span, done, err);
}

static bool meter_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                      size_t *out_got, struct error *err)
{
    struct span span = span_start(store, METER_GET);
    bool done = store_get(from_store(store)->inner, key, offset, want, out, out_got, err);
    if (done)
        atomic_fetch_add(&span.counters->received_bytes, *out_got);
    return span_end(&span, done, err);
}

static bool meter_stat(struct store *store, const char *key, struct store_object *out,
                       struct error *err)
{
    struct span span = span_start(store, METER_STAT);
    return span_end(&span, store_stat(from_store(store)->inner, key, out, err), err);
}

static bool meter_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                       struct error *err)
{
    struct span span = span_start(store, METER_LIST);
    return span_end(&span, store_list(from_store(store)->inner, prefix, visit, context, err), err);
}

static bool meter_remove(struct store *store, const char *key, struct error *err)
{
    struct span span = span_start(store, METER_REMOVE);
    return span_end(&span, store_remove(from_store(store)->inner, key, err), err);
}

static bool meter_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                       struct error *err)
{
    struct span span = span_start(store, METER_STAT);
    return span_end(&span, store_lock(from_store(store)->inner, key, renew, out_until_us, err),
                    err);
}

static bool meter_protection(struct store *store, struct store_protection *out, struct error *err)
{
    struct span span = span_start(store, METER_STAT);
    return span_end(&span, store_protection(from_store(store)->inner, out, err), err);
}

static bool meter_changes(struct store *store, const char *prefix, bool removed_too,
                          store_change_fn visit, void *context, struct error *err)
{
    struct span span = span_start(store, METER_LIST);
    return span_end(
        &span, store_changes(from_store(store)->inner, prefix, removed_too, visit, context, err),
        err);
}

static bool meter_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    struct span span = span_start(store, METER_TIME);
    return span_end(&span, store_time(from_store(store)->inner, out_unix_us, err), err);
}

static const char *meter_create_only(struct store *store)
{
    return store_create_only(from_store(store)->inner);
}

static void meter_close(struct store *store)
{
    store_close(from_store(store)->inner);
    meter_free(from_store(store)->meter);
    free(store);
}

static const struct store_ops meter_ops = {
    .name = "meter",
    .put = meter_put,
    .get = meter_get,
    .stat = meter_stat,
    .list = meter_list,
    .remove = meter_remove,
    .lock = meter_lock,
    .protection = meter_protection,
    .changes = meter_changes,
    .time = meter_time,
    .create_only = meter_create_only,
    .close = meter_close,
};

bool store_meter_open(struct store *inner, struct meter *meter, const struct clock *clock,
                      struct store **out, struct error *err)
{
    struct store_meter *store = calloc(1, sizeof *store);
    if (store == NULL) {
        store_close(inner);
        meter_free(meter);
        return error_no_memory(err, "a store");
    }
    *store = (struct store_meter){.store = {.ops = &meter_ops},
                                  .inner = inner,
                                  .meter = meter,
                                  .clock = clock != NULL ? *clock : clock_system};
    *out = &store->store;
    return true;
}
