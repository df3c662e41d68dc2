/*
 * YAML as people write configuration in it: mappings, sequences and scalars that stay texts
 * ("no", "1e3" and "012" mean what is written; whoever reads them decides the type). Every node and
 * every key knows its line and column (from 1), so that messages can point at them; a value that is
 * missing has those of its key or list.
 *
 * Refused, with position: anchors, aliases, tags, duplicate keys, keys that are not scalars, more
 * than one document, nesting deeper than YAML_MAX_DEPTH, more than YAML_MAX_BYTES. libfyaml
 * underneath; its types do not leave src/document.
 */
#ifndef DOCUMENT_YAML_H
#define DOCUMENT_YAML_H

#include "base/error.h"

#include <stddef.h>

enum { YAML_MAX_BYTES = 1024 * 1024, YAML_MAX_DEPTH = 32 };

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    int line;
    int column;
    char *text;  /* YAML_SCALAR: NUL-terminated; "" for an empty value */
    bool quoted; /* YAML_SCALAR: tells "" from nothing and "null" from null */
    size_t count;
    struct yaml_node **items; /* YAML_SEQUENCE */
    struct yaml_pair *pairs;  /* YAML_MAPPING, in the order of the file */
};

struct yaml_pair {
    char *key;
    int line;
    int column;
    struct yaml_node *value;
};

/* Borrows the text; `name` (the file) starts the messages: "mainstay.yaml:3:5: ...". A text without
 * a document (empty, only comments) gives an empty mapping. ERROR_INVALID. Gives *out. */
MUST_CHECK bool yaml_parse(const char *text, size_t len, const char *name, struct yaml_node **out,
                           struct error *err);
void yaml_free(struct yaml_node *node); /* NULL is allowed */
/* For CLEANUP(yaml_cleanup). */
void yaml_cleanup(struct yaml_node **node);

/* The pair of a mapping, or NULL. */
const struct yaml_pair *yaml_find(const struct yaml_node *mapping, const char *key);

/* "a text", "a list", "a mapping": for messages. */
const char *yaml_kind_name(enum yaml_kind kind);

#endif
