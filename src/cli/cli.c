#include "cli/cli.h"

#include "base/harden.h"
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

/* What has to be started is started first. */
static bool confine(struct invocation *call, struct error *err)
{
    if (!call->command->confined || !config_bool(&call->config, OPTION_PROCESS_SECCOMP))
        return true;
    return (!command_takes_option(call->command, OPTION_REPOSITORY_KEY_COMMAND) ||
            config_run_key_command(&call->config, err)) &&
           harden_confine(err);
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
    return confine(call, err);
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

/* PostgreSQL takes 1 to 125 from a restore_command for "that is all there is" and goes on without;
 * above that it stops. 143 is what SIGTERM would have given: it was told to stop itself. */
static int exit_code_of(const struct invocation *call, const struct error *failure)
{
    enum { FAILED_FOR_SERVER = 254, TERMINATED_FOR_SERVER = 143 };
    if (call->command == NULL || !call->command->for_server)
        return error_exit_code(failure->kind);
    return failure->kind == ERROR_CANCELLED ? TERMINATED_FOR_SERVER : FAILED_FOR_SERVER;
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
        exit_code = exit_code_of(&call, &err);
    }
    config_release(&call.config);
    return exit_code;
}
