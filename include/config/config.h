/*
 * The settings of one invocation: for every option of the table its value and where it comes from.
 * A flag beats the environment, which beats the file, which beats the default.
 *
 * Loading looks at everything and collects all problems: unknown keys (with line, column and the
 * nearest known key), wrong types, values out of range. config_check turns them into an error;
 * until it has succeeded only the texts may be used. Nothing here connects to anything.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/error.h"
#include "config/config_table.h"

enum config_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_FLAG };

struct config_setting {
    char *text; /* NULL = not set */
    enum config_origin origin;
    int line; /* ORIGIN_FILE */
    int column;
};

struct config_problem {
    char text[512];
    char hint[256];
};

enum { CONFIG_MAX_PROBLEMS = 64 };

struct key_material;

struct config {
    struct config_setting settings[OPTION_COUNT];
    struct key_material *keys; /* what repository.key-command printed; NULL: not asked */
    char *file;                /* the file that was read; NULL = none */
    struct config_problem *problems;
    size_t problem_count;
};

/* A flag as the command line gave it. */
struct config_flag {
    enum option_id option;
    const char *text;
};

struct config_sources {
    const char *file;                /* --config; NULL: $MAINSTAY_CONFIG, ./mainstay.yaml, then
                                        /etc/mainstay/mainstay.yaml: the first that exists */
    const struct config_flag *flags; /* the last one of an option wins */
    size_t flag_count;
    char *(*getenv)(const char *name);
};

/* False for what keeps it from looking (a named file that cannot be read, memory); problems inside
 * are in out->problems. Gives *out (config_release), also on failure. */
MUST_CHECK bool config_load(const struct config_sources *sources, struct config *out,
                            struct error *err);
void config_release(struct config *config);

/* ERROR_USAGE with the first problem, and how many there are, when there are any. */
MUST_CHECK bool config_check(const struct config *config, struct error *err);

/* Adds a problem for every named file that cannot be read; for `config check`. */
MUST_CHECK bool config_check_files(struct config *config, struct error *err);

/* The value as text, NULL when not set. Borrowed. */
const char *config_text(const struct config *config, enum option_id id);
bool config_bool(const struct config *config, enum option_id id);
/* Number, bytes or microseconds, as the option's type is; 0 when not set. */
int64_t config_amount(const struct config *config, enum option_id id);
/* ERROR_USAGE when not set: names flag, file key and variable. Borrowed. */
MUST_CHECK bool config_require(const struct config *config, enum option_id id, const char **out,
                               struct error *err);

/* For people: the value with passwords masked, appended to out. */
void config_put_masked(const struct config *config, enum option_id id, struct buf *out);
/* "default", "/etc/mainstay/mainstay.yaml:3:8", "MAINSTAY_LOG_LEVEL", "--log-level" */
void config_put_origin(const struct config *config, enum option_id id, struct buf *out);

/* The commented example of mainstay.yaml, generated from the table. */
void config_put_example(struct buf *out);

#endif
