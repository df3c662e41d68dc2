/* What a store says in XML: listings and problems; and what STS and its like say. */
#include "store/s3_answer.h"
#include "store/s3_key_answer.h"
#include "store/s3_versions.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct s3_page page = {0};
    struct s3_problem problem = {.status = 403};
    if (!s3_page_parse(&page, data, size, &err) && err.kind == ERROR_NONE)
        abort();
    s3_page_release(&page);
    struct s3_version_page versions = {0};
    if (s3_version_page_parse(&versions, data, size, &err))
        s3_version_page_release(&versions);
    struct s3_keys keys = {0};
    char text[S3_KEY_PROBLEM_MAX];
    (void)!s3_key_answer_sts(&keys, data, size, &err);
    (void)!s3_key_answer_json(&keys, data, size, &err);
    s3_keys_release(&keys);
    s3_key_answer_problem(data, size, text);
    s3_problem_parse(&problem, data, size);
    (void)s3_problem_report(&problem, "put object \"k\"", &err);
    return 0;
}
