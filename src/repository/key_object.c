#include "repository/key_object.h"

#include "base/text.h"
#include "document/value.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_OBJECT_MAX_BYTES = 8192, KEYS_MAX = 4096 };

#define FORMAT_NAME "mainstay-key"

static const char *const kind_names[] = {[KEY_PASSPHRASE] = "passphrase",
                                         [KEY_FILE] = "key-file",
                                         [KEY_COMMAND] = "command",
                                         [KEY_RECIPIENT] = "recipient"};
static const char *const grant_names[] = {[GRANT_ALL] = "all", [GRANT_WRITE] = "write"};

/* Members that are bytes in hexadecimal, in the order in which they are signed. */
static const struct {
    const char *key;
    size_t offset;
    size_t len;
} byte_members[] = {
    {"generation", offsetof(struct key_object, generation), KEY_ID_BYTES},
    {"slot", offsetof(struct key_object, slot), KEY_ID_BYTES},
    {"salt", offsetof(struct key_object, salt), KEY_SALT_BYTES},
    {"public_key", offsetof(struct key_object, public_key), SEAL_KEY_BYTES},
    {"proof", offsetof(struct key_object, proof), SEAL_DIGEST_BYTES},
    {"signer", offsetof(struct key_object, signer), SEAL_KEY_BYTES},
    {"content_public", offsetof(struct key_object, content_public), SEAL_KEY_BYTES},
};

enum { BYTES_LARGEST = KEY_WRAPPED_MAX };

const char *key_kind_name(enum key_kind kind)
{
    return kind_names[kind];
}

const char *key_grant_name(enum key_grant grant)
{
    return grant_names[grant];
}

const char *key_object_key(const struct key_object *object, char out[KEY_KEY_SIZE])
{
    char generation[KEY_ID_SIZE];
    char slot[KEY_ID_SIZE];
    text_hex(object->generation, KEY_ID_BYTES, generation);
    text_hex(object->slot, KEY_ID_BYTES, slot);
    (void)snprintf(out, KEY_KEY_SIZE, KEY_PREFIX "%s-%s.json", generation, slot);
    return out;
}

/* --- as text ------------------------------------------------------------------------------------
 */

static bool set_hex(struct value *root, const char *key, const void *bytes, size_t len,
                    struct error *err)
{
    char hex[2 * BYTES_LARGEST + 1];
    text_hex(bytes, len, hex);
    return value_set_text(root, key, hex, err);
}

bool key_object_print(const struct key_object *object, struct buf *out, struct error *err)
{
    char created[TEXT_SIZE];
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL || !value_set_text(root, "format", FORMAT_NAME, err) ||
        !value_set_u64(root, "version", 1, err) ||
        !value_set_u64(root, "number", object->number, err) ||
        !value_set_text(root, "kind", kind_names[object->kind], err) ||
        !value_set_text(root, "grant", grant_names[object->grant], err) ||
        !value_set_text(root, "label", object->label, err) ||
        !value_set_text(root, "created", text_time_exact_us(object->created_us, created), err) ||
        !value_set_u64(root, "passes", object->cost.passes, err) ||
        !value_set_u64(root, "memory_bytes", object->cost.memory_bytes, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(byte_members); i++)
        if (!set_hex(root, byte_members[i].key, (const char *)object + byte_members[i].offset,
                     byte_members[i].len, err))
            return false;
    return set_hex(root, "wrapped", object->wrapped, object->wrapped_len, err) &&
           set_hex(root, "signature", object->signature, KEY_SIGNATURE_BYTES, err) &&
           value_print(root, true, out, err) && buf_check(out, "a key", err);
}

static bool get_hex(const struct value *root, const char *key, void *out, size_t len,
                    struct error *err)
{
    const char *text;
    if (!value_get_text(root, key, &text, err))
        return false;
    return (strlen(text) == 2 * len && text_from_hex(text, out, len)) ||
           error_set(err, ERROR_CORRUPT, "\"%s\" is not %zu bytes", key, len);
}

static bool get_name(const struct value *root, const char *key, const char *const *names,
                     size_t count, unsigned *out, struct error *err)
{
    const char *text;
    if (!value_get_text(root, key, &text, err))
        return false;
    for (unsigned i = 1; i < count; i++)
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return true;
        }
    return error_set(err, ERROR_CORRUPT, "its %s is \"%.40s\"", key, text);
}

static bool get_texts(const struct value *root, struct key_object *object, struct error *err)
{
    const char *format;
    const char *label;
    const char *created;
    uint64_t version;
    unsigned kind;
    unsigned grant;
    if (!value_get_text(root, "format", &format, err) ||
        !value_get_u64(root, "version", &version, err) ||
        !value_get_u64(root, "number", &object->number, err) ||
        !get_name(root, "kind", kind_names, ARRAY_LEN(kind_names), &kind, err) ||
        !get_name(root, "grant", grant_names, ARRAY_LEN(grant_names), &grant, err) ||
        !value_get_text(root, "label", &label, err) ||
        !value_get_text(root, "created", &created, err) ||
        !value_get_u64(root, "passes", &object->cost.passes, err) ||
        !value_get_u64(root, "memory_bytes", &object->cost.memory_bytes, err))
        return false;
    if (strcmp(format, FORMAT_NAME) != 0 || version != 1 || object->number == 0 ||
        strlen(label) >= sizeof object->label || !text_to_time_us(created, &object->created_us))
        return error_set(err, ERROR_CORRUPT, "a member has a value that cannot be");
    object->kind = (enum key_kind)kind;
    object->grant = (enum key_grant)grant;
    (void)snprintf(object->label, sizeof object->label, "%s", label);
    return true;
}

static bool get_object(const struct value *root, struct key_object *object, struct error *err)
{
    if (!get_texts(root, object, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(byte_members); i++)
        if (!get_hex(root, byte_members[i].key, (char *)object + byte_members[i].offset,
                     byte_members[i].len, err))
            return false;
    object->wrapped_len = SEAL_BOX_OVERHEAD +
                          (object->grant == GRANT_ALL ? KEY_PAYLOAD_ALL : KEY_PAYLOAD_WRITE);
    return get_hex(root, "wrapped", object->wrapped, object->wrapped_len, err) &&
           get_hex(root, "signature", object->signature, KEY_SIGNATURE_BYTES, err);
}

bool key_object_parse(const char *key, const void *text, size_t len, struct key_object *out,
                      struct error *err)
{
    char expected[KEY_KEY_SIZE];
    struct key_object object = {0};
    CLEANUP(value_cleanup)
    struct value *root = value_parse(text, len, KEY_OBJECT_MAX_BYTES, key, err);
    bool done = root != NULL && get_object(root, &object, err);
    if (done && strcmp(key_object_key(&object, expected), key) != 0)
        done = error_set(err, ERROR_CORRUPT, "it is not the one its name says");
    if (!done) {
        err->kind = err->kind == ERROR_INVALID ? ERROR_CORRUPT : err->kind;
        return error_wrap(err, "key \"%s\" is damaged", key);
    }
    *out = object;
    return true;
}

/* --- what vouches for it ------------------------------------------------------------------------
 */

static void put_scope(struct buf *out, const char *purpose, const struct key_scope *scope)
{
    buf_put(out, purpose, strlen(purpose) + 1);
    buf_put(out, scope->repository, sizeof scope->repository);
    buf_put(out, scope->config, sizeof scope->config);
}

void key_object_prove(const struct key_object *object, const struct key_scope *scope,
                      const uint8_t proof_key[SEAL_KEY_BYTES], uint8_t out[SEAL_DIGEST_BYTES])
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, KEY_OBJECT_MAX_BYTES);
    put_scope(&text, "mainstay-key-proof", scope);
    buf_put(&text, object->slot, KEY_ID_BYTES);
    buf_put_u8(&text, (uint8_t)object->kind);
    buf_put_u8(&text, (uint8_t)object->grant);
    buf_put(&text, object->public_key, SEAL_KEY_BYTES);
    buf_put(&text, object->signer, SEAL_KEY_BYTES);
    seal_digest(proof_key, text.data, text.len, out);
}

/* All of it but the signature. */
static void put_signed(struct buf *out, const struct key_scope *scope,
                       const struct key_object *object)
{
    put_scope(out, "mainstay-key-signature", scope);
    buf_put_u64(out, object->number);
    buf_put_u8(out, (uint8_t)object->kind);
    buf_put_u8(out, (uint8_t)object->grant);
    buf_put_text(out, object->label);
    buf_put_u64(out, (uint64_t)object->created_us);
    buf_put_u64(out, object->cost.passes);
    buf_put_u64(out, object->cost.memory_bytes);
    for (size_t i = 0; i < ARRAY_LEN(byte_members); i++)
        buf_put(out, (const char *)object + byte_members[i].offset, byte_members[i].len);
    buf_put(out, object->wrapped, object->wrapped_len);
}

bool key_object_sign(struct key_object *object, const struct key_scope *scope,
                     const uint8_t seed[SEAL_KEY_BYTES], struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, KEY_OBJECT_MAX_BYTES);
    key_sign_public(seed, object->signer);
    put_signed(&text, scope, object);
    if (!buf_check(&text, "a key", err))
        return false;
    key_sign(seed, text.data, text.len, object->signature);
    return true;
}

bool key_object_is_signed(const struct key_object *object, const struct key_scope *scope)
{
    struct error ignored;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, KEY_OBJECT_MAX_BYTES);
    put_signed(&text, scope, object);
    return buf_check(&text, "a key", &ignored) &&
           key_verify(object->signer, text.data, text.len, object->signature);
}

/* --- all of them --------------------------------------------------------------------------------
 */

struct name_list {
    char (*names)[KEY_KEY_SIZE];
    size_t count;
};

static bool is_key_name(const char *key)
{
    uint8_t bytes[KEY_ID_BYTES];
    char hex[KEY_ID_SIZE];
    if (strlen(key) != KEY_KEY_SIZE - 1 || !text_ends_with(key, ".json") ||
        key[strlen(KEY_PREFIX) + 2 * (size_t)KEY_ID_BYTES] != '-')
        return false;
    (void)snprintf(hex, sizeof hex, "%s", key + strlen(KEY_PREFIX));
    return text_from_hex(hex, bytes, sizeof bytes);
}

static bool add_name(void *context, const struct store_object *object, struct error *err)
{
    struct name_list *list = context;
    if (!is_key_name(object->key))
        return true;
    if (list->count == KEYS_MAX)
        return error_set(err, ERROR_UNSUPPORTED, "cannot read more than %d keys", KEYS_MAX);
    char(*names)[KEY_KEY_SIZE] = realloc(list->names, (list->count + 1) * sizeof *names);
    if (names == NULL)
        return error_no_memory(err, "the list of keys");
    list->names = names;
    memcpy(names[list->count++], object->key, KEY_KEY_SIZE);
    return true;
}

static bool load_objects(struct store *store, const struct name_list *names,
                         struct key_objects *list, struct error *err)
{
    uint8_t text[KEY_OBJECT_MAX_BYTES];
    list->objects = calloc(names->count + 1, sizeof *list->objects);
    if (list->objects == NULL)
        return error_no_memory(err, "the list of keys");
    for (size_t i = 0; i < names->count; i++) {
        size_t len;
        bool read = store_get(store, names->names[i], 0, sizeof text, text, &len, err);
        if (!read && err->kind == ERROR_NOT_FOUND)
            continue; /* removed since it was listed */
        if (!read ||
            !key_object_parse(names->names[i], text, len, &list->objects[list->count], err))
            return false;
        list->count++;
    }
    return true;
}

bool key_objects_load(struct store *store, struct key_objects *out, struct error *err)
{
    struct name_list names = {0};
    struct key_objects list = {0};
    bool done = store_list(store, KEY_PREFIX, add_name, &names, err) &&
                load_objects(store, &names, &list, err);
    free(names.names);
    if (!done) {
        key_objects_release(&list);
        return error_wrap(err, "could not read the repository's keys");
    }
    *out = list;
    return true;
}

void key_objects_release(struct key_objects *list)
{
    free(list->objects);
    *list = (struct key_objects){0};
}
