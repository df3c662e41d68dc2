/*
 * Preloaded into the programs of a test: keeps every object that is put into a local directory,
 * also when it is removed or replaced later. The local store names an object with link(2); it is
 * given one more name, MAINSTAY_TEST_OBJECTS/<directory of the store>/<key>.<pid>-<number>.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY "/.tmp/put-"

typedef int link_fn(const char *from, const char *to);

/* Every directory above path; several users write here. */
static void make_parents(char *path)
{
    for (char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
        *end = '\0';
        if (mkdir(path, 0777) == 0)
            (void)chmod(path, 0777);
        *end = '/';
    }
}

static void keep(link_fn *real, const char *from, const char *to, const char *objects)
{
    enum { PATH_BYTES = 4096 };
    static atomic_uint count;
    char root[PATH_BYTES];
    char path[PATH_BYTES];
    size_t root_len = (size_t)(strstr(from, TEMPORARY) - from);
    (void)snprintf(root, sizeof root, "%.*s", (int)root_len, from);
    for (char *at = root; *at != '\0'; at++)
        *at = *at == '/' ? '+' : *at;
    if (strncmp(from, to, root_len) != 0 ||
        (size_t)snprintf(path, sizeof path, "%s/%s%s.%d-%u", objects, root, to + root_len,
                         (int)getpid(), atomic_fetch_add(&count, 1)) >= sizeof path)
        abort();
    make_parents(path);
    if (real(from, path) != 0) /* a test that does not see everything must not pass */
        abort();
}

__attribute__((visibility("default"))) int link(const char *from, const char *to)
{
    link_fn *real;
    void *symbol = dlsym(RTLD_NEXT, "link");
    memcpy(&real, &symbol, sizeof real); /* ISO C has no cast from an object to a function */
    const char *objects = getenv("MAINSTAY_TEST_OBJECTS");
    int result = real(from, to);
    int saved = errno;
    if (result == 0 && objects != NULL && strstr(from, TEMPORARY) != NULL)
        keep(real, from, to, objects);
    errno = saved;
    return result;
}
