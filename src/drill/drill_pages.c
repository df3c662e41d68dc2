/*
 * Every page of the recovered and stopped cluster against its checksum, as pg_checksums does it:
 * that program is not everywhere, and says no block. After a clean shutdown all pages must be
 * right.
 */
#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/stop.h"
#include "base/text.h"
#include "postgres/page.h"
#include "postgres/relation_path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGES_AT_ONCE = 128, SEGMENT_BLOCKS = 131072, DEPTH_MAX = 5, NAMED_MAX = 5 };

struct scan {
    const char *root;
    uint64_t pages;
    uint64_t damaged;
    struct buf named; /* the first damaged ones */
    uint8_t bytes[PAGES_AT_ONCE * PAGE_BYTES];
};

static void look_at(struct scan *scan, const char *path, const uint8_t *page, uint32_t block)
{
    scan->pages++;
    if (page_verifies(page, block, UINT64_MAX))
        return;
    if (scan->damaged++ < NAMED_MAX)
        buf_printf(&scan->named, "%s%s block %" PRIu32, scan->named.len > 0 ? ", " : "", path,
                   block % SEGMENT_BLOCKS);
}

static bool scan_file(struct scan *scan, const char *path, uint32_t segment, struct error *err)
{
    uint64_t offset = 0;
    size_t got;
    CLEANUP(free_pointer) char *full = path_join(scan->root, path);
    if (full == NULL)
        return error_no_memory(err, "a path");
    CLEANUP(close_fd) int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open \"%s\"", path);
    do {
        if (!stop_check(err) ||
            !file_read_at(fd, path, scan->bytes, sizeof scan->bytes, offset, &got, err))
            return false;
        for (size_t at = 0; at + PAGE_BYTES <= got; at += PAGE_BYTES)
            look_at(scan, path, scan->bytes + at,
                    segment * SEGMENT_BLOCKS + (uint32_t)((offset + at) / PAGE_BYTES));
        offset += got;
    } while (got == sizeof scan->bytes);
    return true;
}

static bool scan_directory(struct scan *scan, const char *path, int depth, struct error *err);

static bool scan_entry(struct scan *scan, const char *directory, const char *name, int depth,
                       struct error *err)
{
    struct stat info;
    struct relation_path relation;
    CLEANUP(free_pointer) char *path = path_join(directory, name);
    CLEANUP(free_pointer) char *full = path == NULL ? NULL : path_join(scan->root, path);
    if (full == NULL)
        return error_no_memory(err, "a path");
    if (stat(full, &info) != 0) /* follows the links of pg_tblspc */
        return error_set_errno(err, errno, "could not inspect \"%s\"", path);
    if (S_ISDIR(info.st_mode))
        return depth >= DEPTH_MAX || scan_directory(scan, path, depth + 1, err);
    return !relation_path_parse(path, &relation) || scan_file(scan, path, relation.segment, err);
}

static bool scan_directory(struct scan *scan, const char *path, int depth, struct error *err)
{
    bool done = true;
    CLEANUP(free_pointer) char *full = path_join(scan->root, path);
    DIR *directory = full == NULL ? NULL : opendir(full);
    if (directory == NULL)
        return error_set_errno(err, errno, "could not open directory \"%s\"", path);
    for (struct dirent *entry = readdir(directory); done && entry != NULL;
         entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            done = scan_entry(scan, path, entry->d_name, depth, err);
    }
    (void)closedir(directory);
    return done;
}

static void scan_free(struct scan **scan)
{
    if (*scan != NULL)
        buf_release(&(*scan)->named);
    free(*scan);
}

bool drill_check_pages(struct drill_job *job, struct drill_check *check, struct error *err)
{
    if (!drill_server_stop(&job->server, err))
        return false;
    if (!job->plan->data_checksums)
        return drill_check_skip(check, strdup("the cluster has no page checksums"), err);
    CLEANUP(scan_free) struct scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL)
        return error_no_memory(err, "pages");
    scan->root = job->scratch.data;
    buf_init(&scan->named, DRILL_TEXT_MAX);
    if (!scan_directory(scan, "global", 1, err) || !scan_directory(scan, "base", 1, err) ||
        !scan_directory(scan, "pg_tblspc", 1, err))
        return false;
    const char *named = buf_text(&scan->named);
    char *found = scan->damaged == 0
                      ? text_format("%" PRIu64 " pages, all right", scan->pages)
                      : text_format("%" PRIu64 " of %" PRIu64 " pages %s damaged: %s",
                                    scan->damaged, scan->pages,
                                    text_plural(scan->damaged, "is", "are"),
                                    named == NULL ? "" : named);
    return drill_check_settle(check, scan->damaged == 0, "no damaged page", found, err);
}
