#include "cli/check_view.h"

#include "cli/output.h"

#include "base/text.h"

static bool add_result_value(struct value *array, const struct check_result *result,
                             struct error *err)
{
    struct value *item = value_append_new_object(array, err);
    return item != NULL && value_set_text_lossy(item, "name", result->name, err) &&
           value_set_text(item, "verdict", check_verdict_name(result->verdict), err) &&
           value_set_text_lossy(item, "text", result->text, err) &&
           value_set_text_lossy(item, "fix", result->fix, err);
}

static bool print_json(const struct invocation *call, const struct check_list *list,
                       struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL || !value_set_u64(root, "failed", check_number_of(list, CHECK_FAILED), err) ||
        !value_set_u64(root, "warnings", check_number_of(list, CHECK_WARNING), err))
        return false;
    struct value *array = value_set_new_array(root, "checks", err);
    for (size_t i = 0; array != NULL && i < list->count; i++) {
        if (!add_result_value(array, &list->results[i], err))
            return false;
    }
    return array != NULL && output_value(call, root, err);
}

static void put_result(const struct check_result *result, struct buf *out)
{
    buf_printf(out, "%-8s %-30s ", check_verdict_name(result->verdict), result->name);
    output_put_clean(result->text, out);
    buf_printf(out, "\n");
    if (result->verdict == CHECK_OK || result->fix[0] == '\0')
        return;
    buf_printf(out, "%-8s %-30s fix: ", "", "");
    output_put_clean(result->fix, out);
    buf_printf(out, "\n");
}

static bool print_text(const struct invocation *call, const struct check_list *list,
                       struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    for (size_t i = 0; i < list->count; i++)
        put_result(&list->results[i], &text);
    size_t warnings = check_number_of(list, CHECK_WARNING);
    buf_printf(&text, "%zu %s, %zu %s, %zu failed\n", list->count,
               text_plural(list->count, "check", "checks"), warnings,
               text_plural(warnings, "warning", "warnings"), check_number_of(list, CHECK_FAILED));
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

bool output_checks(const struct invocation *call, const struct check_list *list, struct error *err)
{
    return call->json ? print_json(call, list, err) : print_text(call, list, err);
}
