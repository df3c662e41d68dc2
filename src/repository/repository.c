#include "repository/repository.h"

#include "base/text.h"
#include "codec/digest.h"
#include "document/value.h"
#include "repository/sealing.h"

#include <string.h>

#define FORMAT_NAME "mainstay-repository"
#define SEALED_FEATURE "sealed"
#define SEALED_CIPHER "xchacha20-poly1305"

enum { CONFIG_MAX_BYTES = 64 << 10, PACK_MIN_BYTES = 1 << 20, PACK_LARGEST_BYTES = 64 << 20 };

const char *const repository_lasting_prefixes[] = {
    REPOSITORY_CONFIG_KEY, KEY_PREFIX, "snapshots/", "packs/", "wal/", "history/",
    "restore-points/",     "drills/",  NULL};

bool repository_prunes(const char *prefix)
{
    static const char *const pruned[] = {KEY_PREFIX, "packs/", "wal/", "drills/"};
    for (size_t i = 0; i < ARRAY_LEN(pruned); i++)
        if (strcmp(pruned[i], prefix) == 0)
            return true;
    return false;
}

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

static bool set_encryption(struct value *config, bool sealed, struct error *err)
{
    struct value *features = value_set_new_array(config, "features", err);
    return features != NULL && (!sealed || value_append_text(features, SEALED_FEATURE, err));
}

static bool config_print(const struct repository *repository, bool sealed, struct buf *out,
                         struct error *err)
{
    char id[2 * REPOSITORY_ID_BYTES + 1];
    char created[TEXT_SIZE];
    text_hex(repository->id, REPOSITORY_ID_BYTES, id);
    CLEANUP(value_cleanup) struct value *config = value_new_object(err);
    if (config == NULL || !value_set_text(config, "format", FORMAT_NAME, err) ||
        !value_set_u64(config, "version", REPOSITORY_FORMAT_VERSION, err) ||
        !value_set_text(config, "id", id, err) ||
        !value_set_text(config, "created", text_time_us(repository->created_us, created), err) ||
        !set_encryption(config, sealed, err) ||
        !value_set_text(config, "codec", codec_name(repository->settings.codec), err) ||
        !value_set_i64(config, "level", repository->settings.level, err) ||
        !value_set_u64(config, "pack_bytes", repository->settings.pack_bytes, err) ||
        !value_set_text(config, "cipher", sealed ? SEALED_CIPHER : "none", err) ||
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

static void scope_of(const struct repository *repository, const struct buf *config,
                     struct key_scope *out)
{
    memcpy(out->repository, repository->id, sizeof out->repository);
    digest_sha256(config->data, config->len, out->config);
}

/* The keys first: a repository without mainstay.json does not exist. */
static bool create_keys(const struct repository *repository, const struct buf *config,
                        const struct key_slot_request *slot, struct error *err)
{
    struct key_scope scope;
    scope_of(repository, config, &scope);
    return slot == NULL || keyring_create(repository->store, &scope, slot, err);
}

bool repository_create(struct store *store, const struct repository_settings *settings,
                       const struct clock *clock, const struct random_source *random,
                       struct repository *out, struct error *err)
{
    return repository_create_sealed(store, settings, clock, random, NULL, out, err);
}

bool repository_create_sealed(struct store *store, const struct repository_settings *settings,
                              const struct clock *clock, const struct random_source *random,
                              const struct key_slot_request *slot, struct repository *out,
                              struct error *err)
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
    if (!config_print(&repository, slot != NULL, &text, err) ||
        !buf_check(&text, "mainstay.json", err) || !create_keys(&repository, &text, slot, err))
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
static bool check_features(const struct value *config, bool *out_sealed, struct error *err)
{
    const struct value *features;
    const struct value *slots;
    const char *cipher;
    const char *feature;
    if (!value_get_array(config, "features", &features, err) ||
        !value_get_array(config, "key_slots", &slots, err) ||
        !value_get_text(config, "cipher", &cipher, err))
        return false;
    *out_sealed = false;
    for (size_t i = 0; i < value_count(features); i++) {
        if (!value_at_text(features, i, &feature, err))
            return false;
        if (strcmp(feature, SEALED_FEATURE) == 0) {
            *out_sealed = true;
            continue;
        }
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot use this repository: it needs the feature \"%.100s\", which this "
                         "program does not know",
                         feature);
    }
    if (strcmp(cipher, *out_sealed ? SEALED_CIPHER : "none") != 0 || value_count(slots) > 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot use this repository: it is encrypted with \"%.100s\", which this "
                         "program cannot apply",
                         cipher);
    return true;
}

static bool check_format(const struct value *config, bool *out_sealed, struct error *err)
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
    return check_features(config, out_sealed, err);
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

/* Reads mainstay.json into text and *out. */
static bool read_repository(struct store *store, struct buf *text, struct repository *out,
                            bool *out_sealed, struct error *err)
{
    struct repository repository = {.store = store};
    if (!read_config(store, text, err))
        return false;
    CLEANUP(value_cleanup)
    struct value *config = value_parse(text->data, text->len, CONFIG_MAX_BYTES,
                                       REPOSITORY_CONFIG_KEY, err);
    if (config == NULL || !check_format(config, out_sealed, err) ||
        !get_settings(config, &repository, err)) {
        if (err->kind != ERROR_UNSUPPORTED && err->kind != ERROR_NO_MEMORY)
            err->kind = ERROR_CORRUPT;
        return err->kind == ERROR_CORRUPT
                   ? error_wrap(err, "object \"" REPOSITORY_CONFIG_KEY "\" is damaged")
                   : false;
    }
    *out = repository;
    return true;
}

/* What was asked for and cannot be applied is an error, never ignored: somebody who can write to
 * the store may have put another mainstay.json there. */
static bool check_wish(const struct key_options *keys, bool sealed, struct error *err)
{
    if (sealed && keys != NULL && keys->wish == ENCRYPTION_NONE)
        return error_set(err, ERROR_REFUSED,
                         "cannot use this repository: repository.encryption is \"none\", and the "
                         "repository is sealed");
    bool asked = keys != NULL && (keys->wish == ENCRYPTION_SEALED || key_options_given(keys) ||
                                  keys->signer != NULL);
    if (sealed || !asked)
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot use this repository: the configuration asks for encryption, and the "
                    "repository is not sealed");
    return error_hint(err, "Nothing was stored. A repository is sealed when it is made: mainstay "
                           "repo init --repository-encryption sealed");
}

static bool unlock(struct repository *repository, const struct buf *config,
                   const struct key_options *keys, struct error *err)
{
    static const struct key_options no_keys;
    struct key_scope scope;
    CLEANUP(key_material_cleanup) struct key_material *loaded_here = NULL;
    const struct key_material *material = keys == NULL ? NULL : keys->loaded;
    struct store *inner = repository->store;
    scope_of(repository, config, &scope);
    if (material == NULL) {
        if (!key_material_load(keys == NULL ? &no_keys : keys, &loaded_here, err))
            return false;
        material = loaded_here;
    }
    if (!keyring_open(inner, &scope, material, &repository->keyring, err))
        return false;
    if (seal_guard_open(inner, repository->keyring, repository->id, &repository->store, err))
        return true;
    keyring_free(repository->keyring);
    return false;
}

bool repository_open_with(struct store *store, const struct key_options *keys,
                          struct repository *out, struct error *err)
{
    bool sealed = false;
    struct repository repository;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, CONFIG_MAX_BYTES);
    if (!read_repository(store, &text, &repository, &sealed, err) ||
        !check_wish(keys, sealed, err) || (sealed && !unlock(&repository, &text, keys, err)))
        return false;
    *out = repository;
    return true;
}

bool repository_open(struct store *store, struct repository *out, struct error *err)
{
    return repository_open_with(store, NULL, out, err);
}

bool repository_recreate_keys(struct store *store, const void *copy, size_t len,
                              const struct key_slot_request *request,
                              uint8_t out_slot[KEY_ID_BYTES], struct error *err)
{
    bool sealed = false;
    struct key_scope scope;
    struct repository repository;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, CONFIG_MAX_BYTES);
    if (!read_repository(store, &text, &repository, &sealed, err))
        return false;
    if (!sealed)
        return error_set(err, ERROR_REFUSED, "this repository is not sealed: it has no keys");
    scope_of(&repository, &text, &scope);
    return keyring_recreate(store, &scope, copy, len, request, out_slot, err);
}

void repository_close(struct repository *repository)
{
    if (repository->keyring == NULL)
        return;
    store_close(repository->store);
    keyring_free(repository->keyring);
    *repository = (struct repository){0};
}
