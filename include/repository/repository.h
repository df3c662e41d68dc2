/*
 * A repository: one database cluster's snapshots in a store. FORMAT.md is the specification.
 *
 * The repository borrows the store (the caller closes it last). mainstay.json holds what every
 * reader must know: id, format version, features, codec, key slots. A repository that needs a
 * feature, codec or cipher this build does not have is refused, never half-read.
 */
#ifndef REPOSITORY_REPOSITORY_H
#define REPOSITORY_REPOSITORY_H

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "codec/compress.h"
#include "repository/key_object.h"
#include "store/store.h"

#include <stdint.h>

enum { REPOSITORY_ID_BYTES = 16 };

#define REPOSITORY_CONFIG_KEY "mainstay.json"
#define REPOSITORY_FORMAT_VERSION 1

struct repository_settings {
    enum codec codec;    /* default CODEC_ZSTD */
    int level;           /* default 1; the meaning is the codec's */
    uint32_t pack_bytes; /* target size of a pack: 16 to 64 MiB, default 32 MiB */
};

struct keyring;
struct key_options;
struct key_slot_request;

struct repository {
    struct store *store; /* borrowed; of a sealed repository: a guard around it, owned */
    uint8_t id[REPOSITORY_ID_BYTES];
    int64_t created_us;
    struct repository_settings settings;
    struct keyring *keyring; /* NULL: it is not sealed */
};

/* What is sealed into every object of a sealed repository: 24 bytes. */
struct seal_id {
    uint8_t generation[8]; /* of the keys */
    uint8_t object[16];    /* random */
};

/* Beginnings of the keys of what lasts, which a store may lock; ends in NULL. Leases, terms,
 * records of runs, pins and probes come and go. */
extern const char *const repository_lasting_prefixes[];

/* Whether our own jobs remove objects with this beginning without waiting for a lock: packs that
 * nobody needs, WAL that was merged, keys that were taken back, old proofs. */
bool repository_prunes(const char *prefix);

void repository_default_settings(struct repository_settings *out);

/* Writes mainstay.json. ERROR_EXISTS when there is one; ERROR_REFUSED when the store's prefix holds
 * other objects (somebody else's data). */
MUST_CHECK bool repository_create(struct store *store, const struct repository_settings *settings,
                                  const struct clock *clock, const struct random_source *random,
                                  struct repository *out, struct error *err);

/* The same, sealed. The slot is the first one and must grant all. *out is as it was created,
 * without keys: open it. */
MUST_CHECK bool repository_create_sealed(struct store *store,
                                         const struct repository_settings *settings,
                                         const struct clock *clock,
                                         const struct random_source *random,
                                         const struct key_slot_request *slot,
                                         struct repository *out, struct error *err);

/* Reads and checks mainstay.json. ERROR_NOT_FOUND (hint: repo init), ERROR_UNSUPPORTED for a newer
 * version, an unknown feature or a cipher we cannot apply, ERROR_CORRUPT otherwise. */
MUST_CHECK bool repository_open(struct store *store, struct repository *out, struct error *err);
/* Opens a sealed one, too. ERROR_DENIED: no key, or not the right one; ERROR_REFUSED: the options
 * ask for encryption and the repository is not sealed, or the other way round. */
MUST_CHECK bool repository_open_with(struct store *store, const struct key_options *keys,
                                     struct repository *out, struct error *err);
/* Makes a slot of a copy of the keys in a repository that has lost its own (keyring_recreate).
 * ERROR_REFUSED for one that is not sealed. */
MUST_CHECK bool repository_recreate_keys(struct store *store, const void *copy, size_t len,
                                         const struct key_slot_request *request,
                                         uint8_t out_slot[KEY_ID_BYTES], struct error *err);
/* Wipes the keys. Nothing to do for one that is not sealed, or zeroed. */
void repository_close(struct repository *repository);

#endif
