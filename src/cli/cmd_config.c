/* mainstay config check|show|example */
#include "cli/command_rows.h"
#include "cli/output.h"

#include "base/text.h"

static bool add_problem_value(struct value *list, const struct config_problem *problem,
                              struct error *err)
{
    struct value *item = value_append_new_object(list, err);
    return item != NULL && value_set_text_lossy(item, "text", problem->text, err) &&
           value_set_text_lossy(item, "hint", problem->hint, err);
}

static bool print_check_json(const struct invocation *call, struct error *err)
{
    const struct config *config = &call->config;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL || !value_set_bool(root, "ok", config->problem_count == 0, err))
        return false;
    if (config->file != NULL ? !value_set_text_lossy(root, "file", config->file, err)
                             : !value_set_null(root, "file", err))
        return false;
    struct value *list = value_set_new_array(root, "problems", err);
    for (size_t i = 0; list != NULL && i < config->problem_count; i++) {
        if (!add_problem_value(list, &config->problems[i], err))
            return false;
    }
    return list != NULL && output_value(call, root, err);
}

static bool print_check_text(const struct invocation *call, struct error *err)
{
    struct buf text;
    const struct config *config = &call->config;
    buf_init(&text, OUTPUT_MAX_BYTES);
    for (size_t i = 0; i < config->problem_count; i++) {
        output_put_clean(config->problems[i].text, &text);
        buf_printf(&text, "\n");
        if (config->problems[i].hint[0] != '\0') {
            buf_printf(&text, "  hint: ");
            output_put_clean(config->problems[i].hint, &text);
            buf_printf(&text, "\n");
        }
    }
    if (config->problem_count == 0) {
        output_put_clean(config->file == NULL ? "no configuration file" : config->file, &text);
        buf_printf(&text, ": no problems\n");
    } else {
        buf_printf(&text, "%zu %s\n", config->problem_count,
                   text_plural(config->problem_count, "problem", "problems"));
    }
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool run_check(struct invocation *call, struct error *err)
{
    if (!config_check_files(&call->config, err))
        return false;
    if (call->config.problem_count > 0)
        call->exit_code = error_exit_code(ERROR_USAGE);
    return call->json ? print_check_json(call, err) : print_check_text(call, err);
}

/* One option as texts; released by the caller. */
struct shown_option {
    struct buf value;
    struct buf origin;
};

static void shown_release(struct shown_option *shown)
{
    buf_release(&shown->value);
    buf_release(&shown->origin);
}

static bool show_option(const struct config *config, enum option_id id, struct shown_option *out,
                        struct error *err)
{
    buf_init(&out->value, OUTPUT_MAX_BYTES);
    buf_init(&out->origin, OUTPUT_MAX_BYTES);
    config_put_masked(config, id, &out->value);
    config_put_origin(config, id, &out->origin);
    if (buf_text(&out->value) == NULL || buf_text(&out->origin) == NULL)
        return error_no_memory(err, "the configuration");
    return true;
}

static bool add_option_value(const void *context, size_t at, struct value *list, struct error *err)
{
    const struct config *config = context;
    enum option_id id = (enum option_id)at;
    CLEANUP(shown_release) struct shown_option shown;
    struct value *item = value_set_new_object(list, option_row(id)->name, err);
    if (!show_option(config, id, &shown, err) || item == NULL)
        return false;
    bool set = config_text(config, id) == NULL
                   ? value_set_null(item, "value", err)
                   : value_set_text_lossy(item, "value", buf_text(&shown.value), err);
    return set && value_set_text_lossy(item, "origin", buf_text(&shown.origin), err);
}

static bool add_option_row(const void *context, size_t at, struct text_table *table,
                           struct error *err)
{
    const struct config *config = context;
    enum option_id id = (enum option_id)at;
    CLEANUP(shown_release) struct shown_option shown;
    if (!show_option(config, id, &shown, err))
        return false;
    const char *value = config_text(config, id) == NULL ? "-" : buf_text(&shown.value);
    const char *const cells[] = {option_row(id)->name, value, buf_text(&shown.origin)};
    return text_table_add(table, cells, err);
}

static const struct text_column show_columns[] = {
    {"OPTION", false}, {"VALUE", false}, {"ORIGIN", false}};

static bool run_show(struct invocation *call, struct error *err)
{
    const struct output_list list = {.name = "options",
                                     .by_name = true,
                                     .columns = show_columns,
                                     .column_count = ARRAY_LEN(show_columns),
                                     .count = OPTION_COUNT,
                                     .context = &call->config,
                                     .add_value = add_option_value,
                                     .add_row = add_option_row};
    return config_check(&call->config, err) && output_list(call, &list, err);
}

static bool run_example(struct invocation *call, struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    config_put_example(&text);
    bool done;
    if (call->json) {
        const char *example = buf_text(&text);
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        done = root != NULL && example != NULL && value_set_text(root, "example", example, err) &&
               output_value(call, root, err);
    } else {
        done = output_write(call, &text, err);
    }
    buf_release(&text);
    return done;
}

const struct command command_config_check = {
    .noun = "config",
    .verb = "check",
    .summary = "check the configuration without touching anything",
    .details = "Reads file, environment and flags and lists everything that is wrong at once, with "
               "line and column. Exit code 2 when there is a problem.",
    .groups = GROUP_ALL,
    .examples = {"mainstay config check --config /etc/mainstay/mainstay.yaml"},
    .shows_config = true,
    .run = run_check,
};

const struct command command_config_show = {
    .noun = "config",
    .verb = "show",
    .summary = "show every option with its value and where it comes from",
    .details = "Passwords are masked.",
    .groups = GROUP_ALL,
    .examples = {"mainstay config show"},
    .run = run_show,
};

const struct command command_config_example = {
    .noun = "config",
    .verb = "example",
    .summary = "print a mainstay.yaml with every option, commented",
    .examples = {"mainstay config example > mainstay.yaml"},
    .run = run_example,
};
