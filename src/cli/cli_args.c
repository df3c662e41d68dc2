/* argv into an invocation: command words first, then flags and operands in any order. */
#include "cli/command.h"

#include "base/macros.h"
#include "base/text.h"

#include <string.h>

enum { MAX_NAMES = 96 };

/* Names to choose the nearest one from. */
struct names {
    const char *items[MAX_NAMES];
    size_t count;
    char derived[OPTION_COUNT][OPTION_NAME_SIZE];
};

static void add_name(struct names *names, const char *name)
{
    if (name != NULL && names->count < MAX_NAMES)
        names->items[names->count++] = name;
}

static bool suggest(const char *word, const struct names *names, const char *prefix,
                    const char *otherwise, struct error *err)
{
    const char *nearest = text_nearest(word, names->items, names->count);
    if (nearest == NULL)
        return error_hint(err, "%s", otherwise);
    return error_hint(err, "Did you mean \"%s%s\"?", prefix, nearest);
}

static bool unknown_noun(const char *word, struct error *err)
{
    struct names names = {.count = 0};
    for (size_t i = 0; i < command_count(); i++) {
        if (!command_at(i)->hidden)
            add_name(&names, command_at(i)->noun);
    }
    (void)error_set(err, ERROR_USAGE, "unknown command \"%.80s\"", word);
    return suggest(word, &names, "mainstay ", "`mainstay help` lists the commands.", err);
}

static void add_verbs(struct names *names, const char *noun)
{
    for (size_t i = 0; i < command_count(); i++) {
        if (strcmp(command_at(i)->noun, noun) == 0)
            add_name(names, command_at(i)->verb);
    }
}

static bool unknown_verb(const char *noun, const char *word, struct error *err)
{
    struct names names = {.count = 0};
    char prefix[COMMAND_NAME_SIZE];
    char otherwise[COMMAND_NAME_SIZE * 2];
    add_verbs(&names, noun);
    (void)snprintf(prefix, sizeof prefix, "mainstay %s ", noun);
    (void)snprintf(otherwise, sizeof otherwise, "`mainstay %s --help` lists them.", noun);
    if (word == NULL)
        (void)error_set(err, ERROR_USAGE, "`mainstay %s` needs a verb", noun);
    else
        (void)error_set(err, ERROR_USAGE, "unknown command \"%s %.80s\"", noun, word);
    return suggest(word == NULL ? "" : word, &names, prefix, otherwise, err);
}

static const struct command *find_verb(const char *noun, const char *verb)
{
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *command = command_at(i);
        if (strcmp(command->noun, noun) == 0 && command->verb != NULL &&
            strcmp(command->verb, verb) == 0)
            return command;
    }
    return NULL;
}

/* The words between which the parser walks. */
struct words {
    char **at; /* NULL-terminated */
    bool only_operands;
};

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Splits "--name=value". *out_value is NULL without "=". False when the name is too long. */
static bool split_flag(const char *word, char name[OPTION_NAME_SIZE], const char **out_value)
{
    const char *equals = strchr(word, '=');
    size_t len = equals == NULL ? strlen(word) : (size_t)(equals - word);
    if (len < 2 || len - 2 >= OPTION_NAME_SIZE)
        return false;
    (void)snprintf(name, OPTION_NAME_SIZE, "%.*s", (int)(len - 2), word + 2);
    *out_value = equals == NULL ? NULL : equals + 1;
    return true;
}

/* The value of a flag: behind "=" or the next word. */
static bool take_value(struct words *words, const char *name, const char **value, struct error *err)
{
    if (*value != NULL)
        return true;
    if (*words->at == NULL)
        return error_set(err, ERROR_USAGE, "--%s needs a value", name);
    *value = *words->at++;
    return true;
}

static bool no_value(const char *name, const char *value, struct error *err)
{
    if (value == NULL)
        return true;
    return error_set(err, ERROR_USAGE, "--%s takes no value", name);
}

/* --json, --config, --help: every command has them. *out_found says whether it was one. */
static bool global_flag(struct invocation *call, struct words *words, const char *name,
                        const char *value, bool *out_found, struct error *err)
{
    *out_found = true;
    if (strcmp(name, "json") == 0) {
        call->json = true;
        return no_value(name, value, err);
    }
    if (strcmp(name, "help") == 0) {
        call->help = true;
        return no_value(name, value, err);
    }
    if (strcmp(name, "config") == 0) {
        if (!take_value(words, name, &value, err))
            return false;
        call->config_file = value;
        return true;
    }
    *out_found = false;
    return true;
}

static bool too_many(struct error *err)
{
    return error_set(err, ERROR_USAGE, "more than %d options", CALL_MAX_FLAGS);
}

static const struct command_flag *find_flag(const struct command *command, const char *name)
{
    for (size_t i = 0; i < command_flag_count(command); i++) {
        if (strcmp(command->flags[i].name, name) == 0)
            return &command->flags[i];
    }
    return NULL;
}

/* "-p", "-pVALUE" */
static const struct command_flag *find_letter(const struct command *command, const char *word)
{
    for (size_t i = 0; i < command_flag_count(command); i++) {
        if (command->flags[i].letter != 0 && word[1] == command->flags[i].letter)
            return &command->flags[i];
    }
    return NULL;
}

static bool command_flag(struct invocation *call, struct words *words,
                         const struct command_flag *flag, const char *value, struct error *err)
{
    if (flag->value == NULL && !no_value(flag->name, value, err))
        return false;
    if (flag->value != NULL && !take_value(words, flag->name, &value, err))
        return false;
    if (call->value_count == CALL_MAX_FLAGS)
        return too_many(err);
    call->values[call->value_count++] = (struct flag_value){.name = flag->name,
                                                            .text = value == NULL ? "" : value};
    return true;
}

/* A switch of the table stands alone for "true". */
static bool option_value(struct invocation *call, struct words *words, enum option_id id,
                         const char *name, const char *value, struct error *err)
{
    if (value == NULL && option_row(id)->type == OPTION_BOOL)
        value = "true";
    if (!take_value(words, name, &value, err))
        return false;
    if (call->option_count == CALL_MAX_FLAGS)
        return too_many(err);
    call->options[call->option_count++] = (struct config_flag){.option = id, .text = value};
    return true;
}

static bool unknown_flag(const struct command *command, const char *name, struct error *err)
{
    struct names names = {.count = 0};
    char otherwise[COMMAND_NAME_SIZE * 2];
    char full[COMMAND_NAME_SIZE];
    enum option_id elsewhere;
    (void)command_name(command, full);
    for (size_t i = 0; i < command_flag_count(command); i++)
        add_name(&names, command->flags[i].name);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!command_takes_option(command, (enum option_id)i))
            continue;
        add_name(&names, option_flag((enum option_id)i, names.derived[i]));
        add_name(&names, option_row((enum option_id)i)->alias);
    }
    add_name(&names, "json");
    add_name(&names, "config");
    add_name(&names, "help");
    (void)snprintf(otherwise, sizeof otherwise, "`mainstay %s --help` lists the options.", full);
    if (option_by_flag(name, &elsewhere)) {
        (void)error_set(err, ERROR_USAGE, "`mainstay %s` does not take --%s", full, name);
        return error_hint(err, "%s", otherwise);
    }
    (void)error_set(err, ERROR_USAGE, "unknown option \"--%s\" of `mainstay %s`", name, full);
    return suggest(name, &names, "--", otherwise, err);
}

static bool parse_flag(struct invocation *call, struct words *words, const char *word,
                       struct error *err)
{
    char name[OPTION_NAME_SIZE];
    const char *value;
    bool found;
    enum option_id id;
    if (is_help(word)) {
        call->help = true;
        return true;
    }
    const struct command_flag *flag = find_letter(call->command, word);
    if (flag != NULL)
        return command_flag(call, words, flag, word[2] == '\0' ? NULL : word + 2, err);
    if (!text_starts_with(word, "--") || !split_flag(word, name, &value))
        return error_set(err, ERROR_USAGE, "unknown option \"%.80s\"", word);
    if (!global_flag(call, words, name, value, &found, err))
        return false;
    if (found)
        return true;
    flag = find_flag(call->command, name);
    if (flag != NULL)
        return command_flag(call, words, flag, value, err);
    if (option_by_flag(name, &id) && command_takes_option(call->command, id))
        return option_value(call, words, id, name, value, err);
    return unknown_flag(call->command, name, err);
}

static bool parse_operand(struct invocation *call, const char *word, struct error *err)
{
    char full[COMMAND_NAME_SIZE];
    (void)command_name(call->command, full);
    if (call->command->operand == NULL)
        return error_set(err, ERROR_USAGE, "`mainstay %s` takes no argument: \"%.80s\"", full,
                         word);
    if (call->operand != NULL && call->command->second_operand != NULL &&
        call->second_operand == NULL) {
        call->second_operand = word;
        return true;
    }
    if (call->operand != NULL)
        return error_set(err, ERROR_USAGE, "`mainstay %s` takes only one %s: \"%.80s\"", full,
                         call->command->operand, word);
    call->operand = word;
    return true;
}

static bool parse_arguments(struct invocation *call, struct words *words, struct error *err)
{
    while (*words->at != NULL) {
        const char *word = *words->at++;
        if (!words->only_operands && strcmp(word, "--") == 0) {
            words->only_operands = true;
            continue;
        }
        bool is_flag = !words->only_operands && word[0] == '-' && word[1] != '\0';
        if (is_flag ? !parse_flag(call, words, word, err) : !parse_operand(call, word, err))
            return false;
    }
    const struct command *command = call->command;
    bool first = call->operand != NULL || command->operand == NULL || command->operand_optional;
    bool second = call->second_operand != NULL || command->second_operand == NULL;
    if (call->help || (first && second))
        return true;
    char full[COMMAND_NAME_SIZE];
    return error_set(err, ERROR_USAGE, "`mainstay %s` needs %s", command_name(command, full),
                     first ? command->second_operand : command->operand);
}

/* Flags that every command has may stand in front of it. */
static bool parse_leading_flags(struct invocation *call, struct words *words, struct error *err)
{
    char name[OPTION_NAME_SIZE];
    const char *value;
    bool found = true;
    while (*words->at != NULL && (*words->at)[0] == '-') {
        const char *word = *words->at++;
        if (is_help(word)) {
            call->help = true;
            continue;
        }
        if (!text_starts_with(word, "--") || !split_flag(word, name, &value))
            found = false;
        else if (!global_flag(call, words, name, value, &found, err))
            return false;
        if (!found)
            return error_set(err, ERROR_USAGE, "option \"%.80s\" must follow the command", word);
    }
    return true;
}

/* Sets call->command, or leaves it NULL for an overview. */
static bool parse_command(struct invocation *call, struct words *words, struct error *err)
{
    const char *noun = *words->at;
    if (noun == NULL) {
        if (call->help)
            return true;
        (void)error_set(err, ERROR_USAGE, "a command is missing");
        return error_hint(err, "`mainstay help` lists the commands.");
    }
    words->at++;
    const struct command *first = command_of_noun(noun);
    if (first == NULL)
        return unknown_noun(noun, err);
    call->noun = first->noun;
    if (first->verb == NULL) {
        call->command = first;
        return true;
    }
    const char *verb = *words->at;
    if (verb == NULL || verb[0] == '-') {
        call->help |= verb != NULL && is_help(verb);
        return call->help ? true : unknown_verb(noun, NULL, err);
    }
    words->at++;
    call->command = find_verb(noun, verb);
    return call->command != NULL ? true : unknown_verb(noun, verb, err);
}

bool invocation_parse(struct invocation *call, int argc, char **argv, struct error *err)
{
    struct words words = {.at = argv + (argc > 0 ? 1 : 0)};
    for (char **at = words.at; *at != NULL; at++) /* so that a usage error is JSON too */
        call->json |= strcmp(*at, "--json") == 0;
    if (words.at[0] != NULL && strcmp(words.at[0], "--version") == 0) {
        call->command = command_of_noun("version");
        return true;
    }
    if (!parse_leading_flags(call, &words, err) || !parse_command(call, &words, err))
        return false;
    return call->command == NULL ? true : parse_arguments(call, &words, err);
}

const char *invocation_value(const struct invocation *call, const char *flag)
{
    const char *text = NULL;
    for (size_t i = 0; i < call->value_count; i++) {
        if (strcmp(call->values[i].name, flag) == 0)
            text = call->values[i].text;
    }
    return text;
}

const char *invocation_next_value(const struct invocation *call, const char *flag, size_t *at)
{
    while (*at < call->value_count) {
        const struct flag_value *value = &call->values[(*at)++];
        if (strcmp(value->name, flag) == 0)
            return value->text;
    }
    return NULL;
}

bool invocation_has(const struct invocation *call, const char *flag)
{
    return invocation_value(call, flag) != NULL;
}
