/* UTF-8 as RFC 3629 has it: shortest forms, no surrogates, nothing above U+10FFFF. */
#ifndef DOCUMENT_UTF8_H
#define DOCUMENT_UTF8_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes of the character that starts at `at` (not its end); 0 when it is none. */
size_t utf8_length(const char *at);
bool utf8_is_valid(const char *text);

/* Appends the text with everything that drives a terminal or turns the direction of what is around
 * it, and every byte that is no UTF-8, replaced by `instead` ("" = dropped). */
void utf8_put_clean(const char *text, const char *instead, struct buf *out);

#endif
