/*
 * Values as views show them: what is missing or of another type counts as empty, for documents of
 * our own that were checked when they were made.
 */
#ifndef CLI_VALUE_VIEW_H
#define CLI_VALUE_VIEW_H

#include "document/value.h"

/* "" when there is no such text. Borrowed. */
const char *view_text(const struct value *object, const char *key);
/* 0 when there is no such number. */
uint64_t view_number(const struct value *object, const char *key);
/* NULL when there is none. Borrowed. */
const struct value *view_object(const struct value *object, const char *key);
const struct value *view_list(const struct value *object, const char *key);
const struct value *view_item(const struct value *list, size_t at);

#endif
