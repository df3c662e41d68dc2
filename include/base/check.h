/*
 * Findings of `mainstay doctor`: plain data, so that every module can contribute (the server, the
 * store, the configuration) and one place prints them. A check never fails as a function: what went
 * wrong is its result.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include "base/macros.h"

#include <stddef.h>

enum check_verdict { CHECK_OK, CHECK_WARNING, CHECK_FAILED };

enum { CHECK_NAME_SIZE = 48, CHECK_TEXT_SIZE = 512, CHECK_FIX_SIZE = 512, CHECK_MAX = 64 };

struct check_result {
    char name[CHECK_NAME_SIZE]; /* stable: "server.wal_level" */
    enum check_verdict verdict;
    char text[CHECK_TEXT_SIZE]; /* what is: "wal_level is replica" */
    char fix[CHECK_FIX_SIZE];   /* the statement or step that mends it; empty when all is well */
};

struct check_list {
    struct check_result results[CHECK_MAX];
    size_t count; /* more than CHECK_MAX are dropped */
};

/* Appends a result. */
void check_add(struct check_list *list, const char *name, enum check_verdict verdict,
               const char *format, ...) FORMAT(4, 5);
/* Sets the fix of the result appended last. */
void check_fix(struct check_list *list, const char *format, ...) FORMAT(2, 3);

/* "ok", "warning", "failed" */
const char *check_verdict_name(enum check_verdict verdict);
size_t check_number_of(const struct check_list *list, enum check_verdict verdict);
/* The worst verdict in the list; CHECK_OK for an empty one. */
enum check_verdict check_worst(const struct check_list *list);

#endif
