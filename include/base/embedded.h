/*
 * Files of this repository that are carried inside the programs: the runbooks and the SQL of the
 * helpdesk adapters. Names are those of the tree without "runbooks/": "carrier-outage.yaml",
 * "adapters/rt5/adapter.sql". The table is made by the Makefile (EMBEDDED), sorted by name.
 */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; /* NULL ends the table */
    const char *text; /* NUL-terminated beyond `size` */
    size_t size;
};

extern const struct embedded_file embedded_files[];

/* NULL when there is none of this name. */
const struct embedded_file *embedded_find(const char *name);

#endif
