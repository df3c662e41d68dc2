/*
 * The XML that S3 and STS answer, read with expat: one callback for each text, with the path of
 * elements that leads to it. Bounded depth and texts; a document type is refused.
 */
#ifndef STORE_S3_XML_H
#define STORE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>

/* A session token is the longest text. */
enum { S3_XML_DEPTH_MAX = 8, S3_XML_TEXT_MAX = 16384 };

struct s3_xml {
    void *parser; /* expat's */
    int depth;
    char name[S3_XML_DEPTH_MAX][48]; /* of the open elements; name[0] stays when all was read */
    char text[S3_XML_TEXT_MAX];      /* of the innermost one */
    size_t text_len;
    const char *failure; /* static text; the first one sticks */
    bool (*on_text)(void *context, const struct s3_xml *xml); /* false: memory is short */
    void *context;
};

/* on_text and context are set, the rest is zero. NULL when all was read, else what is wrong. */
const char *s3_xml_parse(struct s3_xml *xml, const void *bytes, size_t len);

/* True within on_text for a text of the element `name` at this depth (the root has 1). */
bool s3_xml_at(const struct s3_xml *xml, int depth, const char *name);

#endif
