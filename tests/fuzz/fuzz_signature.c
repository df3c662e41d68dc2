/* Keys in PEM. None of them signed anything. */
#include "base/cleanup.h"
#include "codec/signature.h"
#include "tests/fuzz/outcome.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t signature[SIGNATURE_BYTES] = {1};
    struct error err;
    const char *id;
    struct signing_key *key;
    struct trusted_keys *keys;
    CLEANUP(free_pointer) char *pem = strndup((const char *)data, size);
    if (pem == NULL)
        abort();
    if (trusted_keys_parse(pem, "input", &keys, &err)) {
        (void)outcome_check(signature_check(keys, "text", 4, signature, &id, &err), &err);
        trusted_keys_free(keys);
    }
    if (signing_key_parse(pem, "input", &key, &err)) {
        if (strlen(signing_key_id(key)) != SIGNATURE_KEY_ID_SIZE - 1)
            abort();
        signing_key_free(key);
    }
    return 0;
}
