/*
 * Commands as rows of tables: what `mainstay <noun> <verb>` is called, takes, shows as an example,
 * and the function that does it. Parsing, help, completion and manual pages read the same rows.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { COMMAND_MAX_FLAGS = 20, COMMAND_MAX_EXAMPLES = 3, COMMAND_NAME_SIZE = 48 };

/* A flag that only the command line has. */
struct command_flag {
    const char *name;     /* "snapshot" */
    const char *value;    /* "ID"; NULL: a switch */
    const char *standard; /* what applies without it; NULL: nothing to say */
    const char *help;
    char letter; /* 'p': "-p VALUE" is the same; 0: it has none */
};

struct invocation;
typedef bool (*command_fn)(struct invocation *call, struct error *err);

struct command {
    const char *noun;
    const char *verb; /* NULL: the noun is the whole command */
    const char *summary;
    const char *details; /* full sentences; NULL allowed */
    unsigned groups;     /* enum option_group: the options that it takes */
    struct command_flag flags[COMMAND_MAX_FLAGS];
    const char *operand; /* "ID"; NULL: none */
    bool operand_optional;
    const char *second_operand; /* NULL: none; required where it is */
    const char *examples[COMMAND_MAX_EXAMPLES];
    bool hidden;       /* left out of the overview */
    bool for_server;   /* PostgreSQL runs it: 1 says "not there", whatever fails is above 125 */
    bool confined;     /* starts no program: its system calls are limited (base/harden.h) */
    bool shows_config; /* runs with a configuration that has problems */
    command_fn run;
};

/* All commands, in the order of the overview. */
size_t command_count(void);
const struct command *command_at(size_t at);
/* "snapshot create" */
const char *command_name(const struct command *command, char out[COMMAND_NAME_SIZE]);
/* The first command of a noun, or NULL. */
const struct command *command_of_noun(const char *noun);
/* Flags that are not set end the array. */
size_t command_flag_count(const struct command *command);
bool command_takes_option(const struct command *command, enum option_id id);

/* What the outside world is: given, so that tests give another one. */
struct cli_world {
    FILE *out; /* data */
    FILE *err; /* talk */
    char *(*getenv)(const char *name);
};

enum { CALL_MAX_FLAGS = 64 };

struct flag_value {
    const char *name;
    const char *text; /* "" for a switch */
};

/* One command with its arguments; everything in it is borrowed from argv and the tables. */
struct invocation {
    const struct cli_world *world;
    const struct command *command; /* NULL: an overview is asked for */
    const char *noun;              /* of an overview: NULL = everything */
    bool help;
    bool json;
    const char *config_file;
    struct config_flag options[CALL_MAX_FLAGS];
    size_t option_count;
    struct flag_value values[CALL_MAX_FLAGS];
    size_t value_count;
    const char *operand;
    const char *second_operand;
    struct config config;
    int exit_code; /* of a command that did its work and found something bad */
};

/* ERROR_USAGE names what is wrong and the nearest right word. */
MUST_CHECK bool invocation_parse(struct invocation *call, int argc, char **argv, struct error *err);
/* The values of a flag that may be repeated, in order: *at begins with 0; NULL after the last. */
const char *invocation_next_value(const struct invocation *call, const char *flag, size_t *at);
/* The (last) value of a flag, NULL without it. */
const char *invocation_value(const struct invocation *call, const char *flag);
bool invocation_has(const struct invocation *call, const char *flag);

#endif
