/*
 * The JSON objects of a repository. The first byte chooses which one the rest is. What cannot be
 * read keeps its protection: a pin holds, a lease may hold anything.
 */
#include "base/macros.h"
#include "repository/catalog.h"
#include "repository/drill_record.h"
#include "repository/key_object.h"
#include "repository/lease.h"
#include "repository/pack.h"
#include "repository/pin.h"
#include "repository/restore_point.h"
#include "repository/run_record.h"
#include "repository/term.h"
#include "repository/wal_archive.h"
#include "store/store_memory.h"
#include "tests/fuzz/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_config(const struct repository *repository)
{
    struct error err;
    struct repository opened;
    if (repository_open(repository->store, &opened, &err) &&
        (opened.settings.pack_bytes == 0 || (int)opened.settings.codec >= CODEC_COUNT))
        abort();
}

static void read_lease(const struct repository *repository)
{
    struct error err;
    struct lease_list list;
    if (!lease_list_load(repository, &list, &err))
        return;
    if (list.count != 1)
        abort();
    lease_list_release(&list);
}

static void read_pin(const struct repository *repository)
{
    struct error err;
    struct pin_list list;
    if (!pin_list_load(repository, &list, &err))
        return;
    if (list.count != 1 || (!list.pins[0].readable && !pin_holds(&list.pins[0], INT64_MAX)))
        abort();
    pin_list_release(&list);
}

static void read_point(const struct repository *repository)
{
    struct error err;
    struct restore_point point;
    if (restore_point_get(repository, "before", &point, &err) && strcmp(point.name, "before") != 0)
        abort();
}

static void read_claim(const struct repository *repository)
{
    struct error err;
    struct term_claim claim;
    (void)outcome_check(term_read_claim(repository, 1, &claim, &err), &err);
}

static const struct {
    const char *key;
    void (*read)(const struct repository *repository);
} kinds[] = {
    {REPOSITORY_CONFIG_KEY, read_config},
    {"leases/0123456789abcdef.json", read_lease},
    {"pins/0123456789abcdef-0123456789abcdef.json", read_pin},
    {"restore-points/before.json", read_point},
    {"terms/0000000000000001/0000000000000000.json", read_claim},
};

/* What has such a name and is no such object is a finding of its own, never of the list. */
static void list_others(const struct repository *repository)
{
    struct error err;
    struct catalog snapshots;
    struct wal_catalog chunks;
    struct key_objects keys;
    struct restore_point *points;
    size_t count;
    if (!catalog_load(repository, &snapshots, &err) ||
        !wal_catalog_load(repository, 0, 0, &chunks, &err))
        abort();
    catalog_release(&snapshots);
    wal_catalog_release(&chunks);
    if (outcome_check(restore_point_list(repository, &points, &count, &err), &err))
        free(points);
    if (outcome_check(key_objects_load(repository->store, &keys, &err), &err))
        key_objects_release(&keys);
}

/* Names are written by others, too. */
static void read_names(const struct repository *repository, const uint8_t *data, size_t size)
{
    static const char *const directories[] = {
        "runs/verify/", "drills/", "terms/",     "leases/",         "pins/",
        "wal/",         "packs/",  "snapshots/", "restore-points/", KEY_PREFIX,
    };
    struct error err;
    struct run_list runs;
    struct drill_list drills;
    struct term_view view;
    struct lease_list leases;
    char key[256];
    uint8_t id[PACK_ID_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        (void)snprintf(key, sizeof key, "%s%.*s", directories[i], (int)(size < 200 ? size : 200),
                       (const char *)data);
        if (!store_put(repository->store, key, "{}", 2, NULL, &err))
            return;
        outcome_ignore(pack_id_from_key(key, id));
    }
    if (run_list_load(repository, &runs, &err))
        run_list_release(&runs);
    if (drill_list_load(repository, &drills, &err))
        drill_list_release(&drills);
    (void)outcome_check(term_look(repository, &view, &err), &err);
    if (lease_list_load(repository, &leases, &err))
        lease_list_release(&leases);
    list_others(repository);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct repository repository = {.id = {1}};
    if (size == 0)
        return 0;
    if (!store_memory_open(&repository.store, &err))
        abort();
    size_t kind = data[0] % (ARRAY_LEN(kinds) + 1);
    if (kind == ARRAY_LEN(kinds))
        read_names(&repository, data + 1, size - 1);
    else if (store_put(repository.store, kinds[kind].key, data + 1, size - 1, NULL, &err))
        kinds[kind].read(&repository);
    store_close(repository.store);
    return 0;
}
