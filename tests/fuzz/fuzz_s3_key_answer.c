/* Keys in the answers of an STS (XML), and of metadata services (JSON); and refusals. */
#include "store/s3_key_answer.h"
#include "tests/fuzz/outcome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef bool (*answer_fn)(struct s3_keys *out, const void *body, size_t len, struct error *err);

/* What is accepted goes into headers: printable, and there. */
static void check(const struct secret *secret)
{
    for (size_t i = 0; i < secret->len; i++)
        if (secret->text[i] <= ' ' || secret->text[i] > '~')
            abort();
}

static void feed(answer_fn parse, const uint8_t *data, size_t size)
{
    struct error err;
    struct s3_keys keys = {0};
    if (outcome_check(parse(&keys, data, size, &err), &err)) {
        if (!secret_is_set(&keys.access_key) || !secret_is_set(&keys.secret_key))
            abort();
        check(&keys.access_key);
        check(&keys.secret_key);
        check(&keys.session_token);
    }
    s3_keys_release(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char problem[S3_KEY_PROBLEM_MAX];
    feed(s3_key_answer_sts, data, size);
    feed(s3_key_answer_json, data, size);
    s3_key_answer_problem(data, size, problem);
    for (const char *at = problem; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            abort();
    return 0;
}
