/*
 * The bytes of a pack (FORMAT.md, "Pack"): pages of 8 KiB in frames of up to 32, compressed
 * together; behind them an index with the length of every frame and a hash of every page.
 *
 * A page's address is (pack, ordinal). With the index at hand, one ranged read fetches the frame
 * that holds it.
 */
#ifndef REPOSITORY_PACK_H
#define REPOSITORY_PACK_H

#include "repository/envelope.h"
#include "repository/page_map.h"
#include "repository/repository.h"
#include "repository/sealing.h"

enum {
    FRAME_PAGES = 32,
    FRAME_BYTES = FRAME_PAGES * PAGE_BYTES,
    PACK_ID_BYTES = STORE_HASH_BYTES,
    PACK_WRITER_BYTES = 8,
    PACK_HEADER_BYTES = ENVELOPE_BYTES + PACK_WRITER_BYTES,
    PACK_TRAILER_BYTES = 32,
    PACK_MAX_PAGES = 65536,
    PACK_MAX_BYTES = 128 << 20, /* a reader refuses more; writers aim at 16 to 64 MiB */
    PACK_KEY_SIZE = sizeof "packs/ab/.pack" + 2 * PACK_ID_BYTES,
};

/* What a manifest says about a pack it needs. */
struct pack_ref {
    uint8_t id[PACK_ID_BYTES]; /* SHA-256 of the object */
    uint64_t size_bytes;
    uint32_t index_bytes; /* without the trailer */
    uint32_t page_count;
    struct seal_id seal; /* of a sealed repository; zeros otherwise */
};

/* "packs/ab/ab12….pack". Returns out. */
const char *pack_key(const uint8_t id[PACK_ID_BYTES], char out[PACK_KEY_SIZE]);
/* The id of a key; false when it is not the key of a pack. */
MUST_CHECK bool pack_id_from_key(const char *key, uint8_t out[PACK_ID_BYTES]);

struct pack_frame {
    uint64_t offset; /* in the object */
    uint32_t stored_bytes;
    uint32_t first_ordinal;
    uint8_t page_count; /* 1 to FRAME_PAGES */
    uint8_t codec;
};

struct pack_index {
    struct pack_frame *frames;
    uint32_t frame_count;
    uint64_t *page_hashes; /* XXH3-64 of each page */
    uint32_t page_count;
    /* Of a sealed repository, borrowed; NULL otherwise. */
    const struct repository *sealed_by;
    struct seal_id seal;
    bool has_key; /* false: the key in use may only write */
    uint8_t content_key[SEAL_KEY_BYTES];
};

/* Appends the index and the trailer to a pack that holds header and frames. */
void pack_index_put(struct buf *pack, const struct pack_index *index);
/* The same, apart from the pack: offset says where in the object it will lie. */
void pack_tail_put(struct buf *out, uint64_t offset, const struct pack_index *index);

/* Parses index and trailer: the last index_bytes + PACK_TRAILER_BYTES bytes of the object of
 * size_bytes. Everything that could lead a reader out of bounds is checked here. Gives *out. */
MUST_CHECK bool pack_index_parse(const void *tail, size_t tail_len, uint64_t size_bytes,
                                 const char *what, struct pack_index *out, struct error *err);
/* The same for the tail of a sealed object, as it is stored (pack_tail_bytes). */
MUST_CHECK bool pack_sealed_tail_parse(const struct repository *repository,
                                       const struct pack_ref *ref, const void *tail,
                                       size_t tail_len, const char *what, struct pack_index *out,
                                       struct error *err);
/* Appends the sealed tail to a pack that holds head and frames. *out_index_bytes: for its ref. */
MUST_CHECK bool pack_sealed_tail_put(const struct repository *repository, struct buf *pack,
                                     const struct pack_index *index,
                                     const uint8_t wrapped[CONTENT_WRAPPED_BYTES],
                                     uint32_t *out_index_bytes, struct error *err);
/* How many bytes at the end of the object hold the index and what belongs to it. */
size_t pack_tail_bytes(const struct repository *repository, const struct pack_ref *ref);
void pack_index_release(struct pack_index *index);

/* The frame that holds the page; ordinal must be below page_count. */
const struct pack_frame *pack_index_find(const struct pack_index *index, uint32_t ordinal);

/* Opens and decompresses one frame into out (FRAME_BYTES) and checks its page hashes. ERROR_REFUSED
 * with a key that may only write. */
MUST_CHECK bool pack_frame_decode(const struct pack_index *index, const struct pack_frame *frame,
                                  struct codec_context *codec, const void *stored, uint8_t *out,
                                  const char *what, struct error *err);

#endif
