/*
 * Snapshots and clean-ups as processes of their own in one directory, with no grace at all, killed
 * by SIGKILL at random moments: after each round every object that a manifest names is there and
 * sound, read back to the last page.
 *
 * The snapshots have the real parent with its lease, real packs (what of the parent's files stays
 * keeps its packs, the rest lets them go), the real manifest, in the order of
 * src/snapshot/snapshot.c; the pages are made up. `make check-expire` runs 500 rounds; SEED repeats
 * the choices, ROUNDS sets their number.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "repository/expire.h"
#include "repository/verify.h"
#include "snapshot/parent.h"
#include "store/store_local.h"
#include "tests/lib/core_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 60, PROCESSES = 4, PAGES_MAX = 300, REFUSED = 5 };

struct world {
    char *root;
    struct fixture_random random;
    unsigned snapshots;
    int64_t snapshot_us; /* how long one takes, and a clean-up */
    int64_t cleanup_us;
    unsigned killed;
    unsigned finished;
    unsigned refused;
};

struct process {
    bool snapshot;
    unsigned number;
    uint64_t seed;
    unsigned keep;
};

/* --- a snapshot ------------------------------------------------------------------------------- */

struct copying {
    const struct manifest *from;
    struct manifest *to;
    struct page_map_builder map;
};

static bool copy_run(void *context, uint64_t block, const struct page_run *run, struct error *err)
{
    struct copying *copying = context;
    struct page_run copy = *run;
    (void)block;
    if (run->is_data &&
        !manifest_add_pack(copying->to, &copying->from->packs[run->pack], &copy.pack, err))
        return false;
    page_map_builder_add(&copying->map, &copy);
    return true;
}

/* The file as the parent has it: its packs are named again. */
static bool keep_file(const struct manifest *parent, const struct manifest_entry *file,
                      struct manifest *manifest, struct error *err)
{
    struct copying copying = {.from = parent, .to = manifest};
    struct manifest_entry copy = *file;
    page_map_builder_init(&copying.map);
    copy.hashes = NULL;
    copy.flags &= ~(unsigned)ENTRY_HASHES;
    copy.path = strdup(file->path);
    if (!manifest_visit_runs(file, copy_run, &copying, err) ||
        !page_map_builder_finish(&copying.map, err))
        return false;
    copy.map = copying.map.encoded.data;
    copy.map_bytes = copying.map.encoded.len;
    return manifest_add_entry(manifest, &copy, err);
}

/* About two thirds of the parent's files. */
static bool keep_files(const struct parent *parent, struct fixture_random *random,
                       struct manifest *manifest, struct error *err)
{
    for (size_t i = 0; parent->found && i < parent->manifest.pack_count; i++)
        if (parent->pack_states[i] == PACK_MISSING)
            return error_set(err, ERROR_CORRUPT, "a pack of the parent is missing");
    for (size_t i = 0; parent->found && i < parent->manifest.entry_count; i++)
        if (fixture_below(random, 3) != 0 &&
            !keep_file(&parent->manifest, &parent->manifest.entries[i], manifest, err))
            return false;
    return true;
}

static bool write_pages(struct pack_writer *writer, struct fixture_random *random, size_t count,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t sequence;
        uint8_t page[PAGE_BYTES];
        fixture_page(page, PAGE_NOISE, i + 1, random);
        if (!pack_writer_add(writer, page, &sequence, err))
            return false;
    }
    return pack_writer_finish(writer, err);
}

/* One new file in packs of its own. */
static bool add_file(const struct repository *repository, const struct process *process,
                     struct fixture_random *random, struct manifest *manifest, struct error *err)
{
    struct page_map_builder map;
    size_t pages = 1 + (size_t)fixture_below(random, PAGES_MAX);
    struct pack_writer_options options = {.threads = 1, .uploads = 2};
    CLEANUP(pack_writer_cleanup) struct pack_writer *writer = NULL;
    struct manifest_entry entry = {
        .kind = ENTRY_FILE, .mode = 0600, .size_bytes = pages * PAGE_BYTES};
    memcpy(options.writer_id, &process->seed, sizeof options.writer_id);
    if (!pack_writer_new(repository, &options, &writer, err) ||
        !write_pages(writer, random, pages, err))
        return false;
    size_t count;
    const struct written_pack *packs = pack_writer_packs(writer, &count);
    page_map_builder_init(&map);
    for (size_t i = 0; i < count; i++) {
        struct page_run run = {.is_data = true, .count = packs[i].ref.page_count};
        if (!manifest_add_pack(manifest, &packs[i].ref, &run.pack, err))
            return false;
        page_map_builder_add(&map, &run);
    }
    entry.path = text_format("file%u", process->number);
    if (entry.path == NULL || !page_map_builder_finish(&map, err))
        return false;
    entry.map = map.encoded.data;
    entry.map_bytes = map.encoded.len;
    return manifest_add_entry(manifest, &entry, err);
}

static bool take(const struct repository *repository, const struct process *process,
                 struct error *err)
{
    struct parent parent = {0};
    struct lease lease = {0};
    struct manifest manifest;
    struct fixture_random random = {.state = process->seed};
    struct snapshot_info *info = &manifest.info;
    manifest_init(&manifest);
    fixture_info(info, process->number);
    struct lease_options announce = {
        .snapshot_id = info->id, .clock = &clock_system, .random = &random_system};
    struct parent_server server = {.identity = {.system_identifier = info->system_identifier,
                                                .timeline = info->timeline,
                                                .position = UINT64_MAX}};
    bool done = parent_choose(repository, &server, &announce, &lease, &parent, err) &&
                keep_files(&parent, &random, &manifest, err) &&
                add_file(repository, process, &random, &manifest, err) &&
                manifest_sort(&manifest, err) && lease_check(&lease, err) &&
                manifest_write(repository, &manifest, err);
    lease_release(&lease);
    parent_release(&parent);
    manifest_release(&manifest);
    return done;
}

/* --- a clean-up ------------------------------------------------------------------------------- */

static bool clean_inside(const struct sweep *sweep, const struct process *process,
                         struct error *err)
{
    uint64_t count;
    uint64_t bytes;
    struct expire_plan plan;
    struct expire_result result;
    struct garbage_plan garbage;
    struct retention_policy policy = {.keep_last = process->keep};
    if (!expire_plan(sweep, &policy, &plan, err))
        return false;
    bool done = expire_run(sweep, &plan, &result, err);
    expire_plan_release(&plan);
    if (!done || !garbage_plan(sweep, NULL, &garbage, err))
        return false;
    done = garbage_run(sweep, &garbage, &count, &bytes, err);
    garbage_plan_release(&garbage);
    return done;
}

static bool clean(const struct repository *repository, const struct process *process,
                  struct error *err)
{
    struct sweep sweep;
    struct sweep_options options = {.lease_age_us = INT64_C(24) * 3600 * 1000000,
                                    .clock = &clock_system,
                                    .random = &random_system};
    if (!sweep_begin(repository, &options, &sweep, err))
        return false;
    bool done = clean_inside(&sweep, process, err);
    sweep_end(&sweep);
    return done;
}

/* --- processes -------------------------------------------------------------------------------- */

static int run(const char *root, const struct process *process)
{
    struct error err;
    struct store *store;
    struct repository repository;
    if (store_local_open(root, &store, &err) && repository_open(store, &repository, &err) &&
        (process->snapshot ? take(&repository, process, &err) : clean(&repository, process, &err)))
        return 0;
    if (err.kind == ERROR_REFUSED) /* another clean-up, or taken for dead: as it should be */
        return REFUSED;
    (void)fprintf(stderr, "%s: %s\n", process->snapshot ? "snapshot" : "clean-up", err.text);
    return 1;
}

static pid_t begin(const struct world *world, const struct process *process)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(run(world->root, process));
    return pid;
}

static void finish(struct world *world, pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        world->killed++;
        return;
    }
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == REFUSED);
    if (WEXITSTATUS(status) == 0)
        world->finished++;
    else
        world->refused++;
}

static void nap(struct world *world, int64_t up_to_us)
{
    clock_sleep_us(&clock_system, (int64_t)fixture_below(&world->random, (uint64_t)up_to_us));
}

static struct process choose(struct world *world, bool snapshot)
{
    return (struct process){.snapshot = snapshot,
                            .number = snapshot ? ++world->snapshots : 0,
                            .seed = fixture_next(&world->random),
                            .keep = 1 + (unsigned)fixture_below(&world->random, 3)};
}

static int64_t alone_us(struct world *world, bool snapshot)
{
    int64_t from_us = clock_monotonic_us(&clock_system);
    struct process process = choose(world, snapshot);
    unsigned finished = world->finished;
    finish(world, begin(world, &process));
    assert_int_equal(world->finished, finished + 1);
    return clock_monotonic_us(&clock_system) - from_us;
}

/* Everybody is dead: their leases look as old as they will be one day. */
static void age_leases(const struct world *world)
{
    char *path = text_format("%s/leases", world->root);
    assert_non_null(path);
    DIR *directory = opendir(path);
    for (struct dirent *entry = directory == NULL ? NULL : readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        const struct timespec times[2] = {{.tv_sec = time(NULL) - 3 * 86400},
                                          {.tv_sec = time(NULL) - 3 * 86400}};
        if (entry->d_name[0] != '.')
            assert_int_equal(utimensat(dirfd(directory), entry->d_name, times, 0), 0);
    }
    if (directory != NULL)
        (void)closedir(directory);
    free(path);
}

static void check_whole(const struct world *world, int round)
{
    struct error err;
    struct store *store;
    struct repository repository;
    struct verify_report report;
    struct verify_options options = {.threads = 1};
    assert_true(store_local_open(world->root, &store, &err));
    assert_true(repository_open(store, &repository, &err));
    if (!verify_run(&repository, &options, &report, &err))
        fail_msg("round %d: %s", round, err.text);
    if (report.problem_count > 0)
        fail_msg("round %d: %s: %s", round, report.problems[0].object, report.problems[0].text);
    assert_true(report.snapshots_checked > 0);
    verify_report_release(&report);
    store_close(store);
}

static void play(struct world *world)
{
    pid_t pids[PROCESSES];
    bool dies[PROCESSES];
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process process = choose(world, fixture_below(&world->random, 2) == 0);
        dies[i] = fixture_below(&world->random, 2) == 0;
        pids[i] = begin(world, &process);
        nap(world, (process.snapshot ? world->snapshot_us : world->cleanup_us) / 2);
        if (dies[i] &&
            fixture_below(&world->random, 2) == 0) /* now, while the others are not here */
            (void)kill(pids[i], SIGKILL);
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        if (dies[i])
            (void)kill(pids[i], SIGKILL);
        finish(world, pids[i]);
    }
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    uint64_t value;
    const char *text = getenv(name);
    return text != NULL && text_to_u64(text, &value) ? value : otherwise;
}

static void test_nothing_that_a_manifest_names_is_lost_by_processes_that_are_killed(void **state)
{
    struct error err;
    struct store *store;
    struct repository repository;
    struct repository_settings settings;
    struct world world = {.random = {.state = number_from("SEED", (uint64_t)getpid())}};
    int rounds = (int)number_from("ROUNDS", ROUNDS);
    (void)state;
    print_message("# SEED=%d ROUNDS=%d\n", (int)world.random.state, rounds);
    world.root = fixture_directory();
    repository_default_settings(&settings);
    settings.pack_bytes = 1 << 20;
    assert_true(store_local_open(world.root, &store, &err));
    assert_true(
        repository_create(store, &settings, &clock_system, &random_system, &repository, &err));
    store_close(store);
    world.snapshot_us = alone_us(&world, true);
    world.snapshot_us = alone_us(&world, true);
    world.cleanup_us = alone_us(&world, false);
    for (int round = 1; round <= rounds; round++) {
        play(&world);
        age_leases(&world);
        check_whole(&world, round);
    }
    print_message("# %u killed, %u finished, %u refused\n", world.killed, world.finished,
                  world.refused);
    assert_true(world.killed >= (unsigned)rounds / 2 && world.finished >= (unsigned)rounds / 2);
    /* When all is quiet, two clean-ups remove what the dead left behind. */
    for (int i = 0; i < 2; i++) {
        (void)alone_us(&world, false);
        age_leases(&world);
    }
    check_whole(&world, rounds + 1);
    fixture_remove(world.root);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_that_a_manifest_names_is_lost_by_processes_that_are_killed),
    };
    return cmocka_run_group_tests_name("expire_killed", tests, NULL, NULL);
}
