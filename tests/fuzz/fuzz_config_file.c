/* The configuration file: every option's parser. What has no problem can be used and shown. */
#include "config/config.h"
#include "config/config_fill.h"
#include "tests/fuzz/memory_file.h"

#include "base/cleanup.h"
#include "tests/fuzz/outcome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 loses a buffer of its own on some malformed texts. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static void use(const struct config *config)
{
    struct error err;
    struct store_options store = {0};
    struct repository_settings repository = {0};
    struct snapshot_options snapshot = {0};
    struct retention_policy retention = {0};
    struct time_zone *zone = NULL;
    if (config->problem_count != 0)
        abort();
    (void)outcome_check(config_fill_store(config, &store, &err), &err);
    (void)outcome_check(config_fill_repository(config, &repository, &err), &err);
    (void)outcome_check(config_fill_retention(config, &zone, &retention, &err), &err);
    config_fill_snapshot(config, &snapshot);
    time_zone_free(zone);
}

static void show(const struct config *config)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4 << 20);
    for (int i = 0; i < OPTION_COUNT; i++) {
        config_put_masked(config, (enum option_id)i, &out);
        config_put_origin(config, (enum option_id)i, &out);
        buf_clear(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct config config;
    CLEANUP(memory_file_close) struct memory_file file = memory_file_open(data, size);
    const struct config_sources sources = {.file = file.path, .getenv = no_environment};
    if (config_load(&sources, &config, &err)) {
        show(&config);
        if (config_check(&config, &err))
            use(&config);
    }
    config_release(&config);
    return 0;
}
