#include "repository/envelope.h"

#include <string.h>

static const char magic[8] = {'M', 'A', 'I', 'N', 'S', 'T', 'A', 'Y'};

enum { CIPHER_NONE = 0, CIPHER_XCHACHA20_POLY1305 = 1 };

static uint8_t cipher_of(const struct repository *repository)
{
    return repository->keyring == NULL ? CIPHER_NONE : CIPHER_XCHACHA20_POLY1305;
}

void envelope_put(struct buf *out, enum object_kind kind, const struct repository *repository)
{
    buf_put(out, magic, sizeof magic);
    buf_put_u8(out, REPOSITORY_FORMAT_VERSION);
    buf_put_u8(out, (uint8_t)kind);
    buf_put_u8(out, cipher_of(repository));
    buf_put_u8(out, 0); /* key slot */
    buf_put_u32(out, 0);
    buf_put(out, repository->id, REPOSITORY_ID_BYTES);
}

bool envelope_check(struct reader *reader, enum object_kind kind,
                    const struct repository *repository, struct error *err)
{
    const uint8_t *head;
    const uint8_t *id;
    uint32_t reserved;
    if (!reader_bytes(reader, sizeof magic + 4, &head, err) ||
        !reader_u32(reader, &reserved, err) || !reader_bytes(reader, REPOSITORY_ID_BYTES, &id, err))
        return false;
    if (memcmp(head, magic, sizeof magic) != 0)
        return error_set(err, ERROR_CORRUPT,
                         "%s is damaged: it does not start as an object of "
                         "mainstay does",
                         reader->what);
    if (head[8] != REPOSITORY_FORMAT_VERSION || reserved != 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot read %s: it has format version %u, this program knows %d",
                         reader->what, head[8], REPOSITORY_FORMAT_VERSION);
    if (head[9] != kind)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: it is an object of kind %u, not %d",
                         reader->what, head[9], (int)kind);
    if (head[10] == CIPHER_NONE && repository->keyring != NULL)
        return error_set(err, ERROR_CORRUPT,
                         "cannot trust %s: it is not sealed, and the repository is", reader->what);
    if (head[10] != cipher_of(repository) || head[11] != 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot read %s: it is encrypted with cipher %u (key slot %u), which "
                         "this program cannot apply",
                         reader->what, head[10], head[11]);
    if (memcmp(id, repository->id, REPOSITORY_ID_BYTES) != 0)
        return error_set(err, ERROR_REFUSED, "cannot use %s: it belongs to another repository",
                         reader->what);
    return true;
}
