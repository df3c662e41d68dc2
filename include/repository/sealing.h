/*
 * Sealed objects (FORMAT.md, "Sealing"): a head of 56 bytes in front, then pieces, each of which
 * opens only in this object, at this position, in this repository.
 *
 *   metadata   sealed with the generation's metadata key: who may write can read it
 *   content    sealed with a key of its own for every object, which is wrapped for the generation's
 *              content key: who may only write cannot open it afterwards
 */
#ifndef REPOSITORY_SEALING_H
#define REPOSITORY_SEALING_H

#include "base/buf.h"
#include "repository/envelope.h"
#include "repository/keyring.h"
#include "repository/repository.h"

enum {
    SEALED_HEAD_BYTES = ENVELOPE_BYTES + 24,
    CONTENT_WRAPPED_BYTES = SEAL_KEY_BYTES + SEAL_BOX_OVERHEAD,
};

/* Where a piece belongs. */
struct seal_place {
    enum object_kind kind;
    struct seal_id id;
    const char *name; /* of the object; "": not part of it */
    uint64_t position;
};

bool repository_is_sealed(const struct repository *repository);
/* False with a key that may only write. True for a repository that is not sealed. */
bool repository_can_read(const struct repository *repository);
/* Of the head of an object: envelope, or envelope and seal id. */
size_t repository_head_bytes(const struct repository *repository);

/* The generation to write with, and a random id of a new object. */
void seal_id_new(const struct repository *repository, struct seal_id *out);
void seal_head_put(struct buf *out, enum object_kind kind, const struct repository *repository,
                   const struct seal_id *id);
/* Reads envelope and seal id. Errors of envelope_check. */
MUST_CHECK bool seal_head_read(struct reader *reader, enum object_kind kind,
                               const struct repository *repository, struct seal_id *out,
                               struct error *err);

/* Appends the sealed piece: len + SEAL_OVERHEAD bytes. */
MUST_CHECK bool metadata_seal(const struct repository *repository, const struct seal_place *place,
                              const void *plain, size_t len, struct buf *out, struct error *err);
/* Appends what was sealed. ERROR_CORRUPT names `what`: it was changed, or belongs elsewhere, or is
 * of a generation that none of the keys opens, or is more than out may hold. */
MUST_CHECK bool metadata_open(const struct repository *repository, const struct seal_place *place,
                              const void *sealed, size_t len, const char *what, struct buf *out,
                              struct error *err);
/* Keyed with the generation: says whether bytes are the same. */
MUST_CHECK bool metadata_digest(const struct repository *repository,
                                const uint8_t generation[KEY_ID_BYTES], const void *bytes,
                                size_t len, const char *what, uint8_t out[SEAL_DIGEST_BYTES],
                                struct error *err);

struct content_key {
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t wrapped[CONTENT_WRAPPED_BYTES];
};

MUST_CHECK bool content_key_new(const struct repository *repository, const struct seal_id *id,
                                struct content_key *out, struct error *err);
/* ERROR_REFUSED with a key that may only write. */
MUST_CHECK bool content_key_open(const struct repository *repository, const struct seal_id *id,
                                 const uint8_t wrapped[CONTENT_WRAPPED_BYTES], const char *what,
                                 uint8_t out[SEAL_KEY_BYTES], struct error *err);
/* out has room for len + SEAL_OVERHEAD; see seal_encrypt. */
void content_seal(const struct repository *repository, const struct seal_place *place,
                  const uint8_t key[SEAL_KEY_BYTES], const void *plain, size_t len, uint8_t *out);
/* out has room for len - SEAL_OVERHEAD. ERROR_CORRUPT. */
MUST_CHECK bool content_open(const struct repository *repository, const struct seal_place *place,
                             const uint8_t key[SEAL_KEY_BYTES], const void *sealed, size_t len,
                             const char *what, uint8_t *out, struct error *err);

/* ERROR_REFUSED with the next step when the key may only write. */
MUST_CHECK bool repository_check_can_read(const struct repository *repository, const char *what,
                                          struct error *err);

/* For what runs for long: takes the generations of keys that are new, so that what is stored from
 * now on is sealed with the newest. What keeps it from that is said in the log, and stops nothing:
 * with a key that was removed the process goes on, and cannot be started again. */
void repository_renew_keys(const struct repository *repository);

/* A store that takes nothing in plain: what a sealed repository writes through. Takes neither inner
 * nor repository; repository must stay where it is. Gives *out. */
MUST_CHECK bool seal_guard_open(struct store *inner, struct keyring *keyring,
                                const uint8_t id[REPOSITORY_ID_BYTES], struct store **out,
                                struct error *err);

#endif
