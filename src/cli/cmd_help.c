/* mainstay help, version, completion bash, man */
#include "cli/cli_texts.h"
#include "cli/command_rows.h"
#include "cli/output.h"

#include "base/text.h"

#include <string.h>

/* Prints the text, or {name: text} with --json; releases it. */
static bool print_text(const struct invocation *call, const char *name, struct buf *text,
                       struct error *err)
{
    bool done;
    if (call->json) {
        const char *content = buf_text(text);
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        done = root != NULL && content != NULL && value_set_text(root, name, content, err) &&
               output_value(call, root, err);
    } else {
        done = output_write(call, text, err);
    }
    buf_release(text);
    return done;
}

static bool unknown_command(const char *word, struct error *err)
{
    const char *nouns[32];
    size_t count = 0;
    for (size_t i = 0; i < command_count() && count < ARRAY_LEN(nouns); i++)
        nouns[count++] = command_at(i)->noun;
    const char *nearest = text_nearest(word, nouns, count);
    (void)error_set(err, ERROR_USAGE, "unknown command \"%.80s\"", word);
    if (nearest != NULL)
        return error_hint(err, "Did you mean \"mainstay help %s\"?", nearest);
    return error_hint(err, "`mainstay help` lists the commands.");
}

static bool run_help(struct invocation *call, struct error *err)
{
    struct buf text;
    const struct command *command = call->operand == NULL ? NULL : command_of_noun(call->operand);
    if (call->operand != NULL && command == NULL)
        return unknown_command(call->operand, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    if (command != NULL && command->verb == NULL)
        help_put_command(command, &text);
    else
        help_put_overview(call->operand, &text);
    return print_text(call, "help", &text, err);
}

static bool run_version(struct invocation *call, struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, call->json ? "%s" : "mainstay %s\n", MAINSTAY_VERSION);
    return print_text(call, "version", &text, err);
}

static bool run_completion(struct invocation *call, struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    completion_put_bash(&text);
    return print_text(call, "completion", &text, err);
}

static bool run_man(struct invocation *call, struct error *err)
{
    struct buf text;
    static const char *const pages[] = {"mainstay", "mainstay.yaml", "mainstayd"};
    static void (*const put[])(struct buf * out) = {man_put_commands, man_put_config,
                                                    man_put_daemon};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (strcmp(call->operand, pages[i]) != 0)
            continue;
        buf_init(&text, OUTPUT_MAX_BYTES);
        put[i](&text);
        return print_text(call, "page", &text, err);
    }
    const char *nearest = text_nearest(call->operand, pages, ARRAY_LEN(pages));
    (void)error_set(err, ERROR_USAGE, "no manual page \"%.80s\"", call->operand);
    return error_hint(err, "Did you mean \"%s\"?", nearest == NULL ? pages[0] : nearest);
}

const struct command command_help = {
    .noun = "help",
    .summary = "list the commands, or the options of one",
    .operand = "COMMAND",
    .operand_optional = true,
    .examples = {"mainstay help restore"},
    .run = run_help,
};

const struct command command_version = {
    .noun = "version",
    .summary = "print the version",
    .examples = {"mainstay version"},
    .run = run_version,
};

const struct command command_completion = {
    .noun = "completion",
    .verb = "bash",
    .summary = "print the completion script for bash",
    .details = "Put it into /usr/share/bash-completion/completions/mainstay.",
    .examples = {"source <(mainstay completion bash)"},
    .hidden = true,
    .run = run_completion,
};

const struct command command_man = {
    .noun = "man",
    .summary = "print a manual page in groff's format",
    .operand = "PAGE",
    .examples = {"mainstay man mainstay | man -l -", "mainstay man mainstay.yaml | man -l -",
                 "mainstay man mainstayd | man -l -"},
    .hidden = true,
    .run = run_man,
};
