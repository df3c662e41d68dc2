#include "repository/repository.h"

#include "base/text.h"
#include "document/value.h"

#include <string.h>

#define FORMAT_NAME "mainstay-repository"

enum { CONFIG_MAX_BYTES = 64 << 10, PACK_MIN_BYTES = 1 << 20, PACK_LARGEST_BYTES = 64 << 20 };

const char *const repository_lasting_prefixes[] = {
    REPOSITORY_CONFIG_KEY, "snapshots/", "packs/", "wal/", "history/",
    "restore-points/",     "drills/",    NULL};

void repository_default_settings(struct repository_settings *out)
{
    *out = (struct repository_settings){.codec = CODEC_ZSTD, .level = 1, .pack_bytes = 32 << 20};
}

static bool check_settings(const struct repository_settings *settings, struct error *err)
{
    int min;
    int max;
    int usual;
    codec_levels(settings->codec, &min, &max, &usual);
    if (settings->level < min || settings->level > max)
        return error_set(err, ERROR_USAGE, "cannot use level %d with codec %s: %d to %d exist",
                         settings->level, codec_name(settings->codec), min, max);
    if (settings->pack_bytes < PACK_MIN_BYTES || settings->pack_bytes > PACK_LARGEST_BYTES)
        return error_set(err, ERROR_USAGE, "cannot use packs of %u bytes: 1 MiB to 64 MiB exist",
                         settings->pack_bytes);
    return true;
}

static bool config_print(const struct repository *repository, struct buf *out, struct error *err)
{
    char id[2 * REPOSITORY_ID_BYTES + 1];
    char created[TEXT_SIZE];
    text_hex(repository->id, REPOSITORY_ID_BYTES, id);
    CLEANUP(value_cleanup) struct value *config = value_new_object(err);
    if (config == NULL || !value_set_text(config, "format", FORMAT_NAME, err) ||
        !value_set_u64(config, "version", REPOSITORY_FORMAT_VERSION, err) ||
        !value_set_text(config, "id", id, err) ||
        !value_set_text(config, "created", text_time_us(repository->created_us, created), err) ||
        value_set_new_array(config, "features", err) == NULL ||
        !value_set_text(config, "codec", codec_name(repository->settings.codec), err) ||
        !value_set_i64(config, "level", repository->settings.level, err) ||
        !value_set_u64(config, "pack_bytes", repository->settings.pack_bytes, err) ||
        !value_set_text(config, "cipher", "none", err) ||
        value_set_new_array(config, "key_slots", err) == NULL)
        return false;
    return value_print(config, true, out, err);
}

static bool refuse_object(void *context, const struct store_object *object, struct error *err)
{
    (void)context;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot create a repository here: the store already holds \"%s\"", object->key);
    return error_hint(err, "Choose an empty directory, or another bucket or prefix.");
}

bool repository_create(struct store *store, const struct repository_settings *settings,
                       const struct clock *clock, const struct random_source *random,
                       struct repository *out, struct error *err)
{
    struct store_object existing;
    struct repository repository = {.store = store, .settings = *settings};
    if (!check_settings(settings, err))
        return false;
    if (store_stat(store, REPOSITORY_CONFIG_KEY, &existing, err))
        return error_set(err, ERROR_EXISTS, "cannot create a repository here: there is one");
    if (err->kind != ERROR_NOT_FOUND || !store_list(store, "", refuse_object, NULL, err))
        return false;

    repository.created_us = clock_now_us(clock);
    random_fill(random, repository.id, sizeof repository.id);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, CONFIG_MAX_BYTES);
    if (!config_print(&repository, &text, err) || !buf_check(&text, "mainstay.json", err))
        return false;
    if (!store_put(store, REPOSITORY_CONFIG_KEY, text.data, text.len, NULL, err))
        return error_wrap(err, "could not create the repository");
    *out = repository;
    return true;
}

static bool read_config(struct store *store, struct buf *out, struct error *err)
{
    size_t got;
    uint8_t *to = buf_reserve(out, CONFIG_MAX_BYTES);
    if (to == NULL)
        return error_no_memory(err, "mainstay.json");
    if (!store_get(store, REPOSITORY_CONFIG_KEY, 0, CONFIG_MAX_BYTES, to, &got, err)) {
        if (err->kind != ERROR_NOT_FOUND)
            return error_wrap(err, "could not open the repository");
        (void)error_set(err, ERROR_NOT_FOUND,
                        "there is no repository here: the store has no "
                        "object \"" REPOSITORY_CONFIG_KEY "\"");
        return error_hint(err, "Check the URL, or create one with: mainstay repo init");
    }
    out->len = got;
    return true;
}

/* What a later version may have put there, and what we therefore must not touch. */
static bool check_features(const struct value *config, struct error *err)
{
    const struct value *features;
    const struct value *slots;
    const char *cipher;
    const char *feature;
    if (!value_get_array(config, "features", &features, err) ||
        !value_get_array(config, "key_slots", &slots, err) ||
        !value_get_text(config, "cipher", &cipher, err))
        return false;
    if (value_count(features) > 0) {
        if (!value_at_text(features, 0, &feature, err))
            return false;
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot use this repository: it needs the feature \"%.100s\", which this "
                         "program does not know",
                         feature);
    }
    if (strcmp(cipher, "none") != 0 || value_count(slots) > 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot use this repository: it is encrypted with \"%.100s\", which this "
                         "program cannot apply",
                         cipher);
    return true;
}

static bool check_format(const struct value *config, struct error *err)
{
    const char *format;
    uint64_t version;
    if (!value_get_text(config, "format", &format, err))
        return false;
    if (strcmp(format, FORMAT_NAME) != 0)
        return error_set(err, ERROR_CORRUPT, "its format is \"%.100s\"", format);
    if (!value_get_u64(config, "version", &version, err))
        return false;
    if (version != REPOSITORY_FORMAT_VERSION) {
        (void)error_set(err, ERROR_UNSUPPORTED,
                        "cannot use this repository: it has format version %llu, this program "
                        "knows %d",
                        (unsigned long long)version, REPOSITORY_FORMAT_VERSION);
        return error_hint(err, "Use the version of mainstay that wrote it, or a newer one.");
    }
    return check_features(config, err);
}

static bool get_settings(const struct value *config, struct repository *repository,
                         struct error *err)
{
    const char *id;
    const char *created;
    const char *codec;
    uint32_t level;
    struct repository_settings *settings = &repository->settings;
    if (!value_get_text(config, "id", &id, err) ||
        !value_get_text(config, "created", &created, err) ||
        !value_get_text(config, "codec", &codec, err) ||
        !value_get_u32(config, "level", &level, err) ||
        !value_get_u32(config, "pack_bytes", &settings->pack_bytes, err))
        return false;
    if (!text_from_hex(id, repository->id, REPOSITORY_ID_BYTES) ||
        !text_to_time_us(created, &repository->created_us))
        return error_set(err, ERROR_CORRUPT, "its id or time of creation cannot be");
    if (!codec_from_name(codec, &settings->codec))
        return error_set(err, ERROR_UNSUPPORTED, "the codec \"%.100s\" is unknown", codec);
    settings->level = (int)level;
    return check_settings(settings, err);
}

bool repository_open(struct store *store, struct repository *out, struct error *err)
{
    struct repository repository = {.store = store};
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, CONFIG_MAX_BYTES);
    if (!read_config(store, &text, err))
        return false;
    CLEANUP(value_cleanup)
    struct value *config = value_parse(text.data, text.len, CONFIG_MAX_BYTES, REPOSITORY_CONFIG_KEY,
                                       err);
    if (config == NULL || !check_format(config, err) || !get_settings(config, &repository, err)) {
        if (err->kind != ERROR_UNSUPPORTED && err->kind != ERROR_NO_MEMORY)
            err->kind = ERROR_CORRUPT;
        return err->kind == ERROR_CORRUPT
                   ? error_wrap(err, "object \"" REPOSITORY_CONFIG_KEY "\" is damaged")
                   : false;
    }
    *out = repository;
    return true;
}
