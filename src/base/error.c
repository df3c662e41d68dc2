#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Longest prefix kept whole when context is put in front of a text that is already long. */
enum { CONTEXT_BYTES = 256 };

static const struct {
    const char *name;
    int exit_code;
} kinds[] = {
    [ERROR_NONE] = {"none", 0},
    [ERROR_USAGE] = {"usage", 2},
    [ERROR_INVALID] = {"invalid", 1},
    [ERROR_NOT_FOUND] = {"not_found", 3},
    [ERROR_EXISTS] = {"exists", 1},
    [ERROR_CORRUPT] = {"corrupt", 4},
    [ERROR_REFUSED] = {"refused", 5},
    [ERROR_UNSUPPORTED] = {"unsupported", 1},
    [ERROR_DENIED] = {"denied", 1},
    [ERROR_UNAVAILABLE] = {"unavailable", 1},
    [ERROR_IO] = {"io", 1},
    [ERROR_NO_SPACE] = {"no_space", 1},
    [ERROR_NO_MEMORY] = {"no_memory", 1},
    [ERROR_CANCELLED] = {"cancelled", 1},
};

bool(error_set)(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list args;

    *err = (struct error){.kind = kind};
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return false;
}

static enum error_kind kind_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOENT:
        return ERROR_NOT_FOUND;
    case EEXIST:
        return ERROR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERROR_DENIED;
    case ENOSPC:
    case EDQUOT:
        return ERROR_NO_SPACE;
    case ENOMEM:
        return ERROR_NO_MEMORY;
    default:
        return ERROR_IO;
    }
}

bool(error_set_errno)(struct error *err, int errno_value, const char *format, ...)
{
    char number[32];
    char what[CONTEXT_BYTES * 2];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *reason = strerrordesc_np(errno_value);
    (void)snprintf(number, sizeof number, "error %d", errno_value);
    (void)error_set(err, kind_of_errno(errno_value), "%s: %s", what,
                    reason != NULL ? reason : number);
    return false;
}

bool(error_wrap)(struct error *err, const char *format, ...)
{
    char context[CONTEXT_BYTES];
    char reason[sizeof err->text];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(context, sizeof context, format, args);
    va_end(args);
    memcpy(reason, err->text, sizeof reason);
    (void)snprintf(err->text, sizeof err->text, "%s: %.*s", context,
                   (int)(sizeof err->text - sizeof context - 3), reason);
    return false;
}

bool(error_hint)(struct error *err, const char *format, ...)
{
    va_list args;

    if (err->hint[0] != '\0')
        return false;
    va_start(args, format);
    (void)vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    return false;
}

bool(error_no_memory)(struct error *err, const char *what)
{
    (void)error_set(err, ERROR_NO_MEMORY, "could not allocate memory for %s", what);
    return false;
}

const char *error_kind_name(enum error_kind kind)
{
    return kinds[kind].name;
}

int error_exit_code(enum error_kind kind)
{
    return kinds[kind].exit_code;
}
