/*
 * Texts inside XML, HTML and Markdown, whatever they hold: ticket content is hostile as a matter of
 * course. Bytes that are no UTF-8, characters that XML 1.0 does not allow (section 2.2), and what
 * turns the direction of the text around it become U+FFFD.
 */
#ifndef DOCUMENT_MARKUP_H
#define DOCUMENT_MARKUP_H

#include "base/buf.h"

#include <stdint.h>

/* What stands for a character that means something in XML and HTML; NULL: it means nothing. */
const char *markup_entity(uint32_t code);

/* For element content and for attribute values in either kind of quotes, in XML and in HTML. Lines
 * and tabs stay. */
void markup_put(const char *text, struct buf *out);

/* For one line of Markdown, also in a cell of a table: nothing in it is markup. */
void markup_put_markdown(const char *text, struct buf *out);

#endif
