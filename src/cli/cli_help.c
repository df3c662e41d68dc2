#include "cli/cli_texts.h"

#include <string.h>

enum { TEXT_WIDTH = 92, INDENT = 6 };

/* Indented lines broken at spaces. */
static void put_wrapped(const char *text, int indent, struct buf *out)
{
    size_t width = TEXT_WIDTH - (size_t)indent;
    while (*text != '\0') {
        size_t len = strlen(text);
        if (len > width) {
            len = width;
            while (len > 0 && text[len] != ' ')
                len--;
            if (len == 0)
                len = width;
        }
        buf_printf(out, "%*s%.*s\n", indent, "", (int)len, text);
        text += len;
        while (*text == ' ')
            text++;
    }
}

static bool flag_is_required(const struct command_flag *flag)
{
    return flag->standard != NULL && strcmp(flag->standard, "required") == 0;
}

void help_put_synopsis(const struct command *command, struct buf *out)
{
    char name[COMMAND_NAME_SIZE];
    buf_printf(out, "mainstay %s", command_name(command, name));
    for (size_t i = 0; i < command_flag_count(command); i++) {
        const struct command_flag *flag = &command->flags[i];
        bool required = flag_is_required(flag);
        buf_printf(out, required ? " --%s%s%s" : " [--%s%s%s]", flag->name,
                   flag->value == NULL ? "" : " ", flag->value == NULL ? "" : flag->value);
    }
    if (command->operand != NULL)
        buf_printf(out, command->operand_optional ? " [%s]" : " %s", command->operand);
    if (command->second_operand != NULL)
        buf_printf(out, " %s", command->second_operand);
    buf_printf(out, " [OPTION]...");
}

static bool takes_options(const struct command *command)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (command_takes_option(command, (enum option_id)i))
            return true;
    }
    return false;
}

static void put_option(enum option_id id, struct buf *out)
{
    char flag[OPTION_NAME_SIZE];
    char value[OPTION_NAME_SIZE];
    char allowed[OPTION_ALLOWED_SIZE];
    const struct option_row *row = option_row(id);
    buf_printf(out, "  --%s %s", option_flag(id, flag), option_placeholder(id, value));
    if (row->alias != NULL)
        buf_printf(out, ", --%s %s", row->alias, value);
    buf_printf(out, "\n");
    put_wrapped(row->help, INDENT, out);
    buf_printf(out, "%*s", INDENT, "");
    if (!option_is_free(id))
        buf_printf(out, "Allowed: %s. ", option_allowed(id, allowed));
    buf_printf(out, "Default: %s.\n", row->standard[0] == '\0' ? row->unset : row->standard);
}

static void put_flag(const struct command_flag *flag, struct buf *out)
{
    buf_printf(out, "  --%s%s%s", flag->name, flag->value == NULL ? "" : " ",
               flag->value == NULL ? "" : flag->value);
    if (flag->letter != 0)
        buf_printf(out, ", -%c%s%s", flag->letter, flag->value == NULL ? "" : " ",
                   flag->value == NULL ? "" : flag->value);
    buf_printf(out, "\n");
    put_wrapped(flag->help, INDENT, out);
    if (flag_is_required(flag))
        buf_printf(out, "%*sRequired.\n", INDENT, "");
    else if (flag->standard != NULL)
        buf_printf(out, "%*sDefault: %s.\n", INDENT, "", flag->standard);
}

static void put_common_flags(struct buf *out)
{
    buf_printf(out, "\nOptions of every command:\n"
                    "  --config FILE\n"
                    "      Default: $MAINSTAY_CONFIG, ./mainstay.yaml or "
                    "/etc/mainstay/mainstay.yaml.\n"
                    "  --json\n"
                    "      One JSON object on stdout, on failure too.\n"
                    "  --help\n");
}

void help_put_command(const struct command *command, struct buf *out)
{
    char name[COMMAND_NAME_SIZE];
    buf_printf(out, "mainstay %s: %s\n\nUsage: ", command_name(command, name), command->summary);
    help_put_synopsis(command, out);
    buf_printf(out, "\n");
    if (command->details != NULL) {
        buf_printf(out, "\n");
        put_wrapped(command->details, 0, out);
    }
    if (command_flag_count(command) > 0)
        buf_printf(out, "\nOptions:\n");
    for (size_t i = 0; i < command_flag_count(command); i++)
        put_flag(&command->flags[i], out);
    if (takes_options(command))
        buf_printf(out, "\nOptions that mainstay.yaml and the environment have too:\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (command_takes_option(command, (enum option_id)i))
            put_option((enum option_id)i, out);
    }
    put_common_flags(out);
    if (command->examples[0] != NULL)
        buf_printf(out, "\nExample:\n");
    for (size_t i = 0; i < COMMAND_MAX_EXAMPLES && command->examples[i] != NULL; i++)
        buf_printf(out, "  %s\n", command->examples[i]);
}

void help_put_overview(const char *noun, struct buf *out)
{
    char name[COMMAND_NAME_SIZE];
    buf_printf(out, "mainstay: PostgreSQL snapshots that come back, runbooks that act and "
                    "undo\n\nUsage: mainstay COMMAND [OPTION]...\n\n");
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *command = command_at(i);
        bool wanted = noun == NULL ? !command->hidden : strcmp(noun, command->noun) == 0;
        if (wanted)
            buf_printf(out, "  %-20s %s\n", command_name(command, name), command->summary);
    }
    buf_printf(out, "\n`mainstay COMMAND --help` shows the options of a command with an example.\n"
                    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 verification "
                    "failed, 5 refused.\n");
}
