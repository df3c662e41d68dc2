/*
 * Texts with names in them: "Dear {{ customer.name }}". There is no logic: a name is looked up,
 * its value is escaped for where it stands, and values are never looked into again, so braces in a
 * ticket's subject stay braces. A name without a value is an error, never a blank.
 *
 * "{{ name }}" with optional blanks; names are [a-z][a-z0-9_.]*; "{{{" and an unclosed "{{" are
 * errors. "\{{" writes two braces.
 *
 * Values may be hostile. What turns the direction of text around them (U+202A to U+202E, U+2066 to
 * U+2069) is dropped always; bytes that are not UTF-8 become U+FFFD. Control characters are C0, C1,
 * DEL and the separators U+2028 and U+2029.
 */
#ifndef DOCUMENT_TEMPLATE_H
#define DOCUMENT_TEMPLATE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

enum { TEMPLATE_NAME_SIZE = 64 };

enum template_escape {
    TEMPLATE_TEXT,   /* control characters except newline and tab are dropped from values */
    TEMPLATE_HTML,   /* the same, and & < > " ' become entities */
    TEMPLATE_HEADER, /* one line: CR, LF or any control character is an error, also in the text */
};

/* The value of a name, borrowed until the next call; NULL when there is none. */
typedef const char *(*template_lookup_fn)(void *context, const char *name);

/* Appends the rendered text. ERROR_INVALID names the missing name or the position. */
MUST_CHECK bool template_render(const char *text, enum template_escape escape,
                                template_lookup_fn lookup, void *context, struct buf *out,
                                struct error *err);

/* Calls visit for each name, for checks before there are values; false from visit stops. */
typedef bool (*template_visit_fn)(void *context, const char *name, struct error *err);
MUST_CHECK bool template_visit(const char *text, template_visit_fn visit, void *context,
                               struct error *err);

#endif
