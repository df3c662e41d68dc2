/*
 * Talk on stderr, one line each: text for people or JSON for machines. Event names are stable
 * ("snapshot.finished"), because alerts match them. Who handles an error logs it, once; modules
 * below `snapshot` do not log above debug level, they return errors.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Set once at the start by the main files. */
void log_configure(enum log_level level, bool json);
bool log_enabled(enum log_level level);

/* log_event(LOG_INFO, "snapshot.started", "full snapshot of %s", name) */
void log_event(enum log_level level, const char *event, const char *format, ...) FORMAT(3, 4);

/* An error where it is handled: text, hint and kind. */
void log_error(const char *event, const struct error *err);

/* "error", "warning", "info", "debug" */
MUST_CHECK bool log_level_from_text(const char *text, enum log_level *out);

#endif
