#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

void check_add(struct check_list *list, const char *name, enum check_verdict verdict,
               const char *format, ...)
{
    if (list->count >= CHECK_MAX)
        return;
    struct check_result *result = &list->results[list->count++];
    *result = (struct check_result){.verdict = verdict};
    (void)snprintf(result->name, sizeof result->name, "%s", name);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(result->text, sizeof result->text, format, args);
    va_end(args);
}

void check_fix(struct check_list *list, const char *format, ...)
{
    if (list->count == 0)
        return;
    struct check_result *result = &list->results[list->count - 1];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(result->fix, sizeof result->fix, format, args);
    va_end(args);
}

const char *check_verdict_name(enum check_verdict verdict)
{
    static const char *const names[] = {
        [CHECK_OK] = "ok", [CHECK_WARNING] = "warning", [CHECK_FAILED] = "failed"};
    return names[verdict];
}

size_t check_number_of(const struct check_list *list, enum check_verdict verdict)
{
    size_t number = 0;
    for (size_t i = 0; i < list->count; i++)
        number += list->results[i].verdict == verdict;
    return number;
}

enum check_verdict check_worst(const struct check_list *list)
{
    enum check_verdict worst = CHECK_OK;
    for (size_t i = 0; i < list->count; i++)
        if (list->results[i].verdict > worst)
            worst = list->results[i].verdict;
    return worst;
}
