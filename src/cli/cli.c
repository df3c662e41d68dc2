#include "cli/cli.h"

#include "base/log.h"
#include "cli/cli_texts.h"
#include "cli/output.h"
#include "config/config_fill.h"

static bool print_help(const struct invocation *call, struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    if (call->command == NULL)
        help_put_overview(call->noun, &text);
    else
        help_put_command(call->command, &text);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool load_config(struct invocation *call, struct error *err)
{
    enum log_level level;
    bool json;
    const struct config_sources sources = {
        .file = call->config_file,
        .flags = call->options,
        .flag_count = call->option_count,
        .getenv = call->world->getenv,
    };
    if (!config_load(&sources, &call->config, err))
        return false;
    if (!call->command->shows_config && !config_check(&call->config, err))
        return false;
    config_fill_log(&call->config, &level, &json);
    log_configure(level, json);
    return true;
}

static bool run(struct invocation *call, int argc, char **argv, struct error *err)
{
    if (!invocation_parse(call, argc, argv, err))
        return false;
    if (call->help)
        return print_help(call, err);
    if (call->command->groups != 0 && !load_config(call, err))
        return false;
    return call->command->run(call, err);
}

int cli_run(const struct cli_world *world, int argc, char **argv)
{
    struct invocation call = {.world = world};
    struct error err;
    int exit_code;
    if (run(&call, argc, argv, &err)) {
        exit_code = call.exit_code;
    } else {
        output_error(&call, &err);
        exit_code = error_exit_code(err.kind);
    }
    config_release(&call.config);
    return exit_code;
}
