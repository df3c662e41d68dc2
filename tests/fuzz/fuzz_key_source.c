/* Files with keys and passphrases. The first byte chooses what the rest is; a signer beside an
 * identity is as good as the first line of the file. */
#include "base/cleanup.h"
#include "base/text.h"
#include "repository/key_source.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/outcome.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken as a key is what the file says, digit for digit. */
static void check_key(const struct key_material *material, const uint8_t *data, size_t size)
{
    uint8_t again[SEAL_KEY_BYTES];
    char digits[2 * SEAL_KEY_BYTES + 1];
    if (size < sizeof digits - 1)
        abort();
    memcpy(digits, data, sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    if (!text_from_hex(digits, again, sizeof again) ||
        memcmp(again, material->key, sizeof again) != 0)
        abort();
}

static void check_passphrase(const struct key_material *material, const uint8_t *data, size_t size)
{
    size_t len = strlen(material->passphrase);
    if (len == 0 || len > PASSPHRASE_MAX || len > size ||
        memcmp(material->passphrase, data, len) != 0)
        abort();
}

static void load(uint8_t kind, const char *path, const uint8_t *data, size_t size)
{
    struct error err;
    struct key_material *material;
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    struct key_options options = {.key_file = kind == 0 ? path : NULL,
                                  .passphrase_file = kind == 1 ? path : NULL,
                                  .identity_file = kind == 2 ? path : NULL,
                                  .signer = kind == 2 ? text : NULL};
    if (text == NULL)
        abort();
    if (!outcome_check(key_material_load(&options, &material, &err), &err))
        return;
    if (kind == 1)
        check_passphrase(material, data, size);
    else
        check_key(material, data, size);
    key_material_free(material);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct memory_file file = memory_file_open(data + 1, size - 1);
    if (fchmod(file.fd, S_IRUSR | S_IWUSR) != 0)
        abort();
    load(data[0] % 3, file.path, data + 1, size - 1);
    memory_file_close(&file);
    return 0;
}
