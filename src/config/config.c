#include "config/config.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "config/config_mask.h"
#include "document/yaml.h"
#include "repository/key_source.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_VARIABLE "MAINSTAY_CONFIG"

static const char *const usual_files[] = {"./mainstay.yaml", "/etc/mainstay/mainstay.yaml"};

void config_release(struct config *config)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char *text = config->settings[i].text;
        if (text != NULL && option_row((enum option_id)i)->secret)
            secret_wipe(text, strlen(text));
        free(text);
    }
    free(config->file);
    free(config->problems);
    key_material_free(config->keys);
    *config = (struct config){0};
}

/* Gives the new problem, or NULL when there are enough of them. */
static struct config_problem *add_problem(struct config *config, const char *format, ...)
    FORMAT(2, 3);

static struct config_problem *add_problem(struct config *config, const char *format, ...)
{
    va_list args;
    if (config->problem_count == CONFIG_MAX_PROBLEMS)
        return NULL;
    struct config_problem *problem = &config->problems[config->problem_count++];
    *problem = (struct config_problem){0};
    va_start(args, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, args);
    va_end(args);
    return problem;
}

static void set_hint(struct config_problem *problem, const char *format, ...) FORMAT(2, 3);

static void set_hint(struct config_problem *problem, const char *format, ...)
{
    va_list args;
    if (problem == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(problem->hint, sizeof problem->hint, format, args);
    va_end(args);
}

static void put_place(const struct config *config, enum option_id id,
                      const struct config_setting *setting, struct buf *out)
{
    char name[OPTION_NAME_SIZE];
    if (setting->origin == ORIGIN_FILE)
        buf_printf(out, "%s:%d:%d", config->file, setting->line, setting->column);
    else if (setting->origin == ORIGIN_ENVIRONMENT)
        buf_printf(out, "%s", option_variable(id, name));
    else if (setting->origin == ORIGIN_FLAG)
        buf_printf(out, "--%s", option_flag(id, name));
    else
        buf_printf(out, "default");
}

/* Says what is wrong with a value and what would be right; secrets are not repeated. */
static void refuse_value(struct config *config, enum option_id id,
                         const struct config_setting *setting)
{
    char allowed[OPTION_ALLOWED_SIZE];
    struct buf place;
    const struct option_row *row = option_row(id);
    buf_init(&place, 4096);
    put_place(config, id, setting, &place);
    const char *where = buf_text(&place);
    struct config_problem *problem = add_problem(
        config, "%s: %s cannot be \"%.80s\", allowed is %s", where ? where : "", row->name,
        row->secret ? "***" : setting->text, option_allowed(id, allowed));
    set_hint(problem, "An example: %s", row->example);
    buf_release(&place);
}

/* Takes over a value that beats what was there. */
static bool set_value(struct config *config, enum option_id id, struct config_setting setting,
                      struct error *err)
{
    CLEANUP(free_pointer) char *copy = strdup(setting.text);
    if (copy == NULL)
        return error_no_memory(err, "a setting");
    if (!option_accepts(id, copy))
        refuse_value(config, id, &setting);
    free(config->settings[id].text);
    setting.text = TAKE(copy);
    config->settings[id] = setting;
    return true;
}

static bool load_defaults(struct config *config, struct error *err)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *standard = option_row((enum option_id)i)->standard;
        if (standard[0] == '\0')
            continue;
        config->settings[i].text = strdup(standard);
        if (config->settings[i].text == NULL)
            return error_no_memory(err, "a setting");
    }
    return true;
}

static bool is_section(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *option = option_row((enum option_id)i)->name;
        if (strncmp(option, name, len) == 0 && option[len] == '.')
            return true;
    }
    return false;
}

/* The option that somebody may have meant: a near full name, else the same key elsewhere. */
static const char *nearest_option(const char *name)
{
    const char *names[OPTION_COUNT];
    const char *last = strrchr(name, '.');
    last = last == NULL ? name : last + 1;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        names[i] = option_row((enum option_id)i)->name;
    const char *nearest = text_nearest(name, names, OPTION_COUNT);
    for (size_t i = 0; nearest == NULL && i < OPTION_COUNT; i++) {
        if (strcmp(strchr(names[i], '.') + 1, last) == 0)
            nearest = names[i];
    }
    return nearest;
}

static const char *nearest_section(const char *name)
{
    static const char *const sections[] = {
        "repository", "postgres",  "store",    "snapshot", "restore", "wal",     "daemon",
        "alert",      "retention", "helpdesk", "webhook",  "runbook", "process", "log"};
    return text_nearest(name, sections, ARRAY_LEN(sections));
}

static void refuse_key(struct config *config, const struct yaml_pair *pair, const char *name)
{
    bool section = pair->value->kind == YAML_MAPPING;
    const char *nearest = section ? nearest_section(name) : nearest_option(name);
    struct config_problem *problem = add_problem(config, "%s:%d:%d: unknown key \"%.100s\"",
                                                 config->file, pair->line, pair->column, name);
    if (nearest == NULL && !section)
        nearest = nearest_section(name);
    if (nearest != NULL)
        set_hint(problem, "Did you mean \"%s\"?", nearest);
    else
        set_hint(problem, "`mainstay config example` shows every key.");
}

static bool read_mapping(struct config *config, const char *prefix, const struct yaml_node *mapping,
                         struct error *err);

static bool read_option(struct config *config, enum option_id id, const struct yaml_pair *pair,
                        struct error *err)
{
    const struct yaml_node *value = pair->value;
    if (value->kind != YAML_SCALAR) {
        (void)add_problem(config, "%s:%d:%d: %s must be a text, not %s", config->file, value->line,
                          value->column, option_row(id)->name, yaml_kind_name(value->kind));
        return true;
    }
    if (config->settings[id].origin == ORIGIN_FILE) {
        (void)add_problem(config, "%s:%d:%d: %s is there twice", config->file, pair->line,
                          pair->column, option_row(id)->name);
        return true;
    }
    if (value->text[0] == '\0' && !value->quoted)
        return true; /* "url:" without a value: as if it was not there */
    struct config_setting setting = {
        .text = value->text, .origin = ORIGIN_FILE, .line = value->line, .column = value->column};
    return set_value(config, id, setting, err);
}

static bool read_pair(struct config *config, const char *prefix, const struct yaml_pair *pair,
                      struct error *err)
{
    enum option_id id;
    CLEANUP(free_pointer)
    char *name = text_format("%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", pair->key);
    if (name == NULL)
        return error_no_memory(err, "a key");
    if (option_by_name(name, &id))
        return read_option(config, id, pair, err);
    if (!is_section(name)) {
        refuse_key(config, pair, name);
        return true;
    }
    if (pair->value->kind == YAML_MAPPING)
        return read_mapping(config, name, pair->value, err);
    bool empty = pair->value->kind == YAML_SCALAR && pair->value->text[0] == '\0';
    if (!empty)
        (void)add_problem(config, "%s:%d:%d: %s must be a mapping, not %s", config->file,
                          pair->value->line, pair->value->column, name,
                          yaml_kind_name(pair->value->kind));
    return true;
}

static bool read_mapping(struct config *config, const char *prefix, const struct yaml_node *mapping,
                         struct error *err)
{
    for (size_t i = 0; i < mapping->count; i++) {
        if (!read_pair(config, prefix, &mapping->pairs[i], err))
            return false;
    }
    return true;
}

/* A file that is no YAML is one problem; what is in it cannot be known. */
static bool read_text(struct config *config, struct buf *content, struct error *err)
{
    CLEANUP(yaml_cleanup) struct yaml_node *root = NULL;
    struct error problem;
    const char *text = content->len == 0 ? "" : (const char *)content->data;
    if (!yaml_parse(text, content->len, config->file, &root, &problem)) {
        set_hint(add_problem(config, "%s", problem.text), "%s", problem.hint);
        return true;
    }
    if (root->kind != YAML_MAPPING) {
        (void)add_problem(config, "%s:%d:%d: must be a mapping, not %s", config->file, root->line,
                          root->column, yaml_kind_name(root->kind));
        return true;
    }
    return read_mapping(config, "", root, err);
}

/* Gives the file to read, or NULL when there is none. */
static bool choose_file(const struct config_sources *sources, char **out, struct error *err)
{
    const char *chosen = sources->file;
    if (chosen == NULL)
        chosen = sources->getenv(CONFIG_VARIABLE);
    for (size_t i = 0; chosen == NULL && i < ARRAY_LEN(usual_files); i++) {
        if (access(usual_files[i], F_OK) == 0)
            chosen = usual_files[i];
    }
    *out = chosen == NULL ? NULL : strdup(chosen);
    return chosen == NULL || *out != NULL ? true : error_no_memory(err, "a path");
}

static bool load_file(const struct config_sources *sources, struct config *config,
                      struct error *err)
{
    struct buf content;
    if (!choose_file(sources, &config->file, err))
        return false;
    if (config->file == NULL)
        return true;
    buf_init(&content, YAML_MAX_BYTES + 1);
    bool done = file_read_all(config->file, &content, err);
    if (!done)
        (void)error_hint(err, "Name an existing file with --config or %s.", CONFIG_VARIABLE);
    done = done && read_text(config, &content, err);
    secret_wipe(content.data, content.cap);
    buf_release(&content);
    return done;
}

static bool load_environment(const struct config_sources *sources, struct config *config,
                             struct error *err)
{
    char name[OPTION_NAME_SIZE];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        char *text = sources->getenv(option_variable(id, name));
        struct config_setting setting = {.text = text, .origin = ORIGIN_ENVIRONMENT};
        if (text != NULL && text[0] != '\0' && !set_value(config, id, setting, err))
            return false;
    }
    return true;
}

/* Everybody on the machine can read the arguments of a process. */
static void refuse_password_in_flag(struct config *config, enum option_id id, const char *text)
{
    char flag[OPTION_NAME_SIZE];
    char variable[OPTION_NAME_SIZE];
    if (!option_row(id)->secret || !config_has_password(text))
        return;
    struct config_problem *problem = add_problem(
        config,
        "--%s: a password on the command line can be read by everybody on "
        "this machine",
        option_flag(id, flag));
    set_hint(problem, "Put it into a file (--postgres-password-file), ~/.pgpass or %s.",
             option_variable(id, variable));
}

static bool load_flags(const struct config_sources *sources, struct config *config,
                       struct error *err)
{
    for (size_t i = 0; i < sources->flag_count; i++) {
        const struct config_flag *flag = &sources->flags[i];
        char *text = strdup(flag->text);
        if (text == NULL)
            return error_no_memory(err, "a setting");
        struct config_setting setting = {.text = text, .origin = ORIGIN_FLAG};
        bool done = set_value(config, flag->option, setting, err);
        refuse_password_in_flag(config, flag->option, text);
        free(text);
        if (!done)
            return false;
    }
    return true;
}

bool config_load(const struct config_sources *sources, struct config *out, struct error *err)
{
    *out = (struct config){0};
    out->problems = calloc(CONFIG_MAX_PROBLEMS, sizeof *out->problems);
    if (out->problems == NULL)
        return error_no_memory(err, "the configuration");
    return load_defaults(out, err) && load_file(sources, out, err) &&
           load_environment(sources, out, err) && load_flags(sources, out, err);
}

bool config_check(const struct config *config, struct error *err)
{
    if (config->problem_count == 0)
        return true;
    const struct config_problem *first = &config->problems[0];
    (void)error_set(err, ERROR_USAGE, "%s", first->text);
    if (config->problem_count > 1)
        return error_hint(err, "%s There are %zu problems; `mainstay config check` lists them all.",
                          first->hint, config->problem_count);
    return first->hint[0] == '\0' ? false : error_hint(err, "%s", first->hint);
}

bool config_check_files(struct config *config, struct error *err)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        enum option_type type = option_row((enum option_id)i)->type;
        const char *path = config->settings[i].text;
        struct buf place;
        if ((type != OPTION_PATH && type != OPTION_SECRET_FILE) || path == NULL)
            continue;
        if (access(path, R_OK) == 0)
            continue;
        const char *reason = strerrordesc_np(errno);
        buf_init(&place, 4096);
        put_place(config, (enum option_id)i, &config->settings[i], &place);
        const char *where = buf_text(&place);
        (void)add_problem(config, "%s: %s: could not read \"%s\": %s", where ? where : "",
                          option_row((enum option_id)i)->name, path, reason);
        bool fits = buf_check(&place, "a path", err);
        buf_release(&place);
        if (!fits)
            return false;
    }
    return true;
}

const char *config_text(const struct config *config, enum option_id id)
{
    return config->settings[id].text;
}

bool config_bool(const struct config *config, enum option_id id)
{
    bool flag = false;
    const char *text = config->settings[id].text;
    return text != NULL && text_to_bool(text, &flag) && flag;
}

int64_t config_amount(const struct config *config, enum option_id id)
{
    const char *text = config->settings[id].text;
    int64_t amount = 0;
    uint64_t bytes = 0;
    if (text == NULL)
        return 0;
    if (option_row(id)->type == OPTION_DURATION)
        return text_to_duration_us(text, &amount) ? amount : 0;
    if (option_row(id)->type == OPTION_INT)
        return text_to_i64(text, &amount) ? amount : 0;
    return text_to_bytes(text, &bytes) ? (int64_t)bytes : 0;
}

bool config_require(const struct config *config, enum option_id id, const char **out,
                    struct error *err)
{
    char variable[OPTION_NAME_SIZE];
    char flag[OPTION_NAME_SIZE];
    const struct option_row *row = option_row(id);
    const char *text = config->settings[id].text;
    if (text != NULL && text[0] != '\0') {
        *out = text;
        return true;
    }
    (void)error_set(err, ERROR_USAGE, "%s is not set", row->name);
    return error_hint(err, "Use --%s %s, %s or the key %s in mainstay.yaml.",
                      row->alias != NULL ? row->alias : option_flag(id, flag), row->example,
                      option_variable(id, variable), row->name);
}

void config_put_masked(const struct config *config, enum option_id id, struct buf *out)
{
    const char *text = config->settings[id].text;
    if (text == NULL)
        return;
    if (option_row(id)->secret)
        config_mask(text, out);
    else
        buf_printf(out, "%s", text);
}

void config_put_origin(const struct config *config, enum option_id id, struct buf *out)
{
    put_place(config, id, &config->settings[id], out);
}
