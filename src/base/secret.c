#include "base/secret.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_MAX_BYTES = 16384 };

void secret_wipe(void *bytes, size_t len)
{
    if (bytes != NULL)
        explicit_bzero(bytes, len);
}

/* ---- locked memory ---- */

static size_t page_aligned(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (len + page - 1) / page * page;
}

void *secret_alloc(size_t len)
{
    size_t size = page_aligned(len);
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return NULL;
    (void)mlock(bytes, size); /* over the limit it is memory that may be swapped */
    (void)madvise(bytes, size, MADV_DONTDUMP);
    return bytes;
}

void secret_free(void *bytes, size_t len)
{
    if (bytes == NULL)
        return;
    secret_wipe(bytes, len);
    (void)munmap(bytes, page_aligned(len));
}

bool secret_can_lock(size_t len)
{
    size_t size = page_aligned(len);
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return false;
    bool locked = mlock(bytes, size) == 0;
    (void)munmap(bytes, size);
    return locked;
}

/* Large blocks go back to the kernel at once; glibc fills smaller ones. */
void secret_wipe_freed(void)
{
    enum { LARGE_BYTES = 128 << 10, FILL = 1 };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_PERTURB, FILL);
}

/* ---- texts ---- */

void secret_release(struct secret *secret)
{
    secret_free(secret->text, secret->len + 1);
    *secret = (struct secret){0};
}

static bool set_bytes(struct secret *secret, const char *bytes, size_t len, struct error *err)
{
    char *copy = secret_alloc(len + 1);
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

/* ---- files ---- */

static bool check_mode(int fd, const char *path, struct error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return error_set_errno(err, errno, "could not inspect \"%s\"", path);
    bool everybody = (info.st_mode & S_IRWXO) != 0;
    if (!S_ISREG(info.st_mode) || (!everybody && (info.st_mode & S_IWGRP) == 0))
        return true; /* what is piped in belongs to whoever wrote it */
    (void)error_set(err, ERROR_REFUSED, "secret file \"%s\" can be %s (mode %04o)", path,
                    everybody ? "used by everybody on this machine" : "replaced by its group",
                    (unsigned)info.st_mode & 07777);
    return error_hint(err, "chmod 0400 (or 0440 for its group); a Secret of Kubernetes is mounted "
                           "with defaultMode: 0440.");
}

bool secret_read_private_file(const char *path, struct buf *out, struct error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open \"%s\"", path);
    return check_mode(fd, path, err) && file_read_rest(fd, path, out, err);
}

typedef bool (*read_fn)(const char *path, struct buf *out, struct error *err);

static bool set_first_line(struct secret *secret, const char *path, const struct buf *content,
                           struct error *err)
{
    const char *text = (const char *)content->data;
    size_t len = 0;
    while (len < content->len && text[len] != '\n' && text[len] != '\r' && text[len] != '\0')
        len++;
    /* Cut there, a file of random bytes would be a secret that is soon guessed. */
    if (len < content->len && text[len] == '\0')
        return error_set(err, ERROR_INVALID, "secret file \"%s\" has a zero byte: it is no text",
                         path);
    if (len == 0)
        return error_set(err, ERROR_INVALID, "secret file \"%s\" is empty", path);
    return set_bytes(secret, text, len, err);
}

static bool take_first_line(struct secret *secret, const char *path, read_fn read_all,
                            struct error *err)
{
    struct buf content;
    buf_init(&content, SECRET_MAX_BYTES);
    bool done = read_all(path, &content, err) && set_first_line(secret, path, &content, err);
    secret_wipe(content.data, content.cap);
    buf_release(&content);
    return done;
}

bool secret_read_file(struct secret *secret, const char *path, struct error *err)
{
    return take_first_line(secret, path, secret_read_private_file, err);
}

bool secret_read_issued_file(struct secret *secret, const char *path, struct error *err)
{
    return take_first_line(secret, path, file_read_all, err);
}

bool secret_is_set(const struct secret *secret)
{
    return secret->text != NULL;
}

const char *secret_mask(const struct secret *secret)
{
    return secret_is_set(secret) ? "***" : "";
}
