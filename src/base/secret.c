#include "base/secret.h"

#include "base/buf.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { SECRET_MAX_BYTES = 16384 };

void secret_wipe(void *bytes, size_t len)
{
    if (bytes != NULL)
        explicit_bzero(bytes, len);
}

void secret_release(struct secret *secret)
{
    secret_wipe(secret->text, secret->len);
    free(secret->text);
    *secret = (struct secret){0};
}

static bool set_bytes(struct secret *secret, const char *bytes, size_t len, struct error *err)
{
    char *copy = malloc(len + 1);
    if (copy == NULL)
        return error_no_memory(err, "a secret");
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    secret_release(secret);
    *secret = (struct secret){.text = copy, .len = len};
    return true;
}

bool secret_set(struct secret *secret, const char *text, struct error *err)
{
    return set_bytes(secret, text, strlen(text), err);
}

bool secret_read_file(struct secret *secret, const char *path, struct error *err)
{
    struct buf content;
    buf_init(&content, SECRET_MAX_BYTES);
    bool done = file_read_all(path, &content, err);
    if (done) {
        size_t len = 0;
        while (len < content.len && content.data[len] != '\n' && content.data[len] != '\r' &&
               content.data[len] != '\0')
            len++;
        done = len > 0 ? set_bytes(secret, (const char *)content.data, len, err)
                       : error_set(err, ERROR_INVALID, "secret file \"%s\" is empty", path);
    }
    secret_wipe(content.data, content.cap);
    buf_release(&content);
    return done;
}

bool secret_is_set(const struct secret *secret)
{
    return secret->text != NULL;
}

const char *secret_mask(const struct secret *secret)
{
    return secret_is_set(secret) ? "***" : "";
}
