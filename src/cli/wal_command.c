#include "cli/wal_command.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command_rows.h"
#include "config/config_mask.h"
#include "restore/recovery_settings.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static bool put_program(struct buf *out, struct error *err)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len <= 0)
        return error_set_errno(err, errno, "could not find out where this program is");
    path[len] = '\0';
    if (access(path, X_OK) != 0)
        return error_set_errno(err, errno, "could not use \"%s\" as restore_command", path);
    return recovery_put_argument(path, out, err);
}

/* Gives an absolute path; the file need not be there. */
static char *absolute(const char *path)
{
    char here[PATH_MAX];
    if (path[0] == '/' || getcwd(here, sizeof here) == NULL)
        return strdup(path);
    return path_join(here, path);
}

static bool is_path(enum option_id id, const char *text)
{
    enum option_type type = option_row(id)->type;
    bool is_directory = id == OPTION_REPOSITORY_URL && strchr(text, ':') == NULL;
    return type == OPTION_PATH || type == OPTION_SECRET_FILE || is_directory;
}

static bool put_option(const struct config *config, enum option_id id, struct buf *out,
                       struct error *err)
{
    char name[OPTION_NAME_SIZE];
    const char *text = config_text(config, id);
    if (option_row(id)->secret && config_has_password(text)) {
        (void)error_set(err, ERROR_REFUSED,
                        "cannot write restore_command: %s has a password in it, and everybody who "
                        "may read the server's settings would see it",
                        option_row(id)->name);
        return error_hint(err, "Put it into a file and give the file with --config.");
    }
    CLEANUP(free_pointer) char *value = is_path(id, text) ? absolute(text) : strdup(text);
    if (value == NULL)
        return error_no_memory(err, "a path");
    (void)option_flag(id, name);
    if (option_row(id)->type == OPTION_BOOL) { /* alone it is "true", and takes no next word */
        buf_printf(out, " --%s=%s", name, value);
        return true;
    }
    buf_printf(out, " --%s", name);
    return recovery_put_argument(value, out, err);
}

bool wal_command_put_get(const struct invocation *call, bool pad_gap, struct buf *out,
                         struct error *err)
{
    const struct config *config = &call->config;
    if (!put_program(out, err))
        return false;
    buf_printf(out, " wal get%s", pad_gap ? " --pad-gap" : "");
    if (config->file != NULL) {
        CLEANUP(free_pointer) char *file = absolute(config->file);
        if (file == NULL)
            return error_no_memory(err, "a path");
        buf_printf(out, " --config");
        if (!recovery_put_argument(file, out, err))
            return false;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        enum config_origin origin = config->settings[i].origin;
        bool written = origin == ORIGIN_FLAG || origin == ORIGIN_ENVIRONMENT;
        if (!written || !command_takes_option(&command_wal_get, (enum option_id)i) ||
            config_text(config, (enum option_id)i) == NULL)
            continue;
        if (!put_option(config, (enum option_id)i, out, err))
            return false;
    }
    buf_printf(out, " %%f %%p");
    return buf_check(out, "restore_command", err);
}

bool wal_command_put_clean(struct buf *out, struct error *err)
{
    if (!put_program(out, err))
        return false;
    buf_printf(out, " wal clean");
    return buf_check(out, "recovery_end_command", err);
}
