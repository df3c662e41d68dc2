/*
 * The first 32 bytes of every binary object (FORMAT.md, "Envelope"): what it is, which repository
 * it belongs to, and whether it is sealed. An object with a cipher this build cannot apply is
 * refused.
 */
#ifndef REPOSITORY_ENVELOPE_H
#define REPOSITORY_ENVELOPE_H

#include "base/buf.h"
#include "repository/repository.h"

enum { ENVELOPE_BYTES = 32 };

enum object_kind {
    OBJECT_PACK = 1,
    OBJECT_MANIFEST = 2,
    OBJECT_WAL = 3,
    OBJECT_HISTORY = 4,
    OBJECT_RECORD = 5, /* a JSON object of a sealed repository */
};

void envelope_put(struct buf *out, enum object_kind kind, const struct repository *repository);

/* Reads and checks it. ERROR_CORRUPT: not an object of ours or of another kind; ERROR_REFUSED: it
 * belongs to another repository; ERROR_UNSUPPORTED: newer version or an unknown cipher. A sealed
 * repository takes sealed objects only, any other one plain ones. */
MUST_CHECK bool envelope_check(struct reader *reader, enum object_kind kind,
                               const struct repository *repository, struct error *err);

#endif
