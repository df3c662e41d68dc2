/* What a store says in XML: listings and problems. */
#include "store/s3_answer.h"

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
    s3_problem_parse(&problem, data, size);
    (void)s3_problem_report(&problem, "put object \"k\"", &err);
    return 0;
}
