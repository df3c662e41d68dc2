/*
 * tool_cluster_files DIRECTORY: reads a stopped cluster with our code. Prints pg_control as
 * "key=value" lines, and checks the page checksum of every page of every relation file. Exit code
 * 4 when a page is wrong.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "postgres/control_file.h"
#include "postgres/page.h"
#include "postgres/relation_path.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    uint64_t files;
    uint64_t others;
    uint64_t pages;
    uint64_t new_pages;
    uint64_t zero_pages;
    uint64_t bad;
} count;

static bool print_control(const char *root, struct error *err)
{
    CLEANUP(free_pointer) char *path = path_join(root, "global/pg_control");
    struct control_file control;
    struct buf bytes;
    char checkpoint[TEXT_SIZE];
    char redo[TEXT_SIZE];
    buf_init(&bytes, 65536);
    bool done = path != NULL && file_read_all(path, &bytes, err) &&
                control_file_parse(bytes.data, bytes.len, &control, err);
    buf_release(&bytes);
    if (!done)
        return false;
    printf("system=%" PRIu64 " control=%" PRIu32 " catalog=%" PRIu32 " state=%" PRIu32 "\n",
           control.system_identifier, control.control_version, control.catalog_version,
           control.state);
    printf("checkpoint=%s redo=%s timeline=%" PRIu32 "\n", text_lsn(control.checkpoint, checkpoint),
           text_lsn(control.redo, redo), control.timeline);
    printf("block=%" PRIu32 " segment_blocks=%" PRIu32 " wal_block=%" PRIu32 " wal_segment=%" PRIu32
           " checksums=%d hints=%d\n",
           control.block_size, control.relation_segment_blocks, control.wal_block_size,
           control.wal_segment_bytes, control.data_checksums, control.wal_log_hints);
    return true;
}

static void check_page(const uint8_t *page, const char *path, uint32_t block)
{
    count.pages++;
    bool zero = bytes_are_zero(page, PAGE_BYTES);
    count.zero_pages += zero;
    count.new_pages += page_is_new(page);
    if (!zero && !page_is_new(page) && !page_header_is_sane(page))
        printf("odd_header=%s block=%" PRIu32 "\n", path, block);
    if (page_verifies(page, block, UINT64_MAX))
        return;
    count.bad++;
    printf("bad=%s block=%" PRIu32 "\n", path, block);
}

static bool check_file(const char *path, const char *name, const struct relation_path *relation,
                       struct error *err)
{
    static uint8_t pages[PAGE_BYTES * 64];
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open \"%s\"", path);
    uint32_t block = relation->segment * 131072;
    uint64_t offset = 0;
    for (size_t got = sizeof pages; got == sizeof pages; offset += got) {
        if (!file_read_at(fd, path, pages, sizeof pages, offset, &got, err))
            return false;
        for (size_t at = 0; at + PAGE_BYTES <= got; at += PAGE_BYTES)
            check_page(pages + at, name, block++);
    }
    return true;
}

static bool check_tree(const char *root, struct error *err)
{
    char *copy = strdup(root);
    char *roots[] = {copy, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    bool done = tree != NULL;
    for (FTSENT *entry = tree != NULL ? fts_read(tree) : NULL; done && entry != NULL;
         entry = fts_read(tree)) {
        struct relation_path relation;
        const char *name = entry->fts_path + strlen(root) + (entry->fts_pathlen > strlen(root));
        if (entry->fts_info != FTS_F)
            continue;
        if (!relation_path_parse(name, &relation)) {
            count.others++;
            continue;
        }
        count.files++;
        done = check_file(entry->fts_path, name, &relation, err);
    }
    if (tree != NULL)
        (void)fts_close(tree);
    free(copy);
    return done;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (argc != 2) {
        (void)fprintf(stderr, "usage: tool_cluster_files DIRECTORY\n");
        return 2;
    }
    if (!print_control(argv[1], &err) || !check_tree(argv[1], &err)) {
        (void)fprintf(stderr, "error=%s: %s\n", error_kind_name(err.kind), err.text);
        return error_exit_code(err.kind);
    }
    printf("files=%" PRIu64 " others=%" PRIu64 " pages=%" PRIu64 " new=%" PRIu64 " zero=%" PRIu64
           " bad=%" PRIu64 "\n",
           count.files, count.others, count.pages, count.new_pages, count.zero_pages, count.bad);
    return count.bad == 0 ? 0 : 4;
}
