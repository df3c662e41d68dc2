/*
 * The language as tables: for each mapping of the YAML a shape, for each of its keys a row. Loading
 * (runbook_load.c), releasing and the JSON Schema (runbook_schema.c) walk the same rows, so that
 * they cannot disagree.
 */
#ifndef RUNBOOK_SHAPE_H
#define RUNBOOK_SHAPE_H

#include "base/macros.h"
#include "runbook/runbook.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_type {
    KEY_CONST,    /* must be names[0]; stored nowhere */
    KEY_TEXT,     /* char * */
    KEY_ENUM,     /* an enum: the index into names */
    KEY_BOOL,     /* bool */
    KEY_COUNT,    /* 64 bits: the number times `scale` */
    KEY_DURATION, /* int64_t, microseconds */
    KEY_TEXTS,    /* struct text_list */
    KEY_PAIRS,    /* struct text_list of "key=value", from a mapping */
    KEY_GUARD,    /* struct runbook_guard, from "count(affected) < 5" */
    KEY_OBJECT,   /* a struct at the offset, from a mapping */
    KEY_OBJECTS,  /* pointer and count, from a list of mappings */
    KEY_MAP,      /* pointer and count, from a mapping of names to what `value` says */
};

/* What a text may be: a row of text_forms. */
enum text_form {
    FORM_TEXT,  /* anything, several lines */
    FORM_LINE,  /* one line */
    FORM_VALUE, /* one line that may look like a number: a parameter's value */
    FORM_NAME,
    FORM_IDENTIFIER,
    FORM_LOCALE,
    FORM_VERSION,
    FORM_DATE,
    FORM_TIME_OF_DAY,
    FORM_TIMESTAMP,
    FORM_FIXTURE,
    FORM_COUNT_NAME, /* "affected", "affected/no-label" */
    FORM_CONDITION,
    FORM_REGEX,
    FORM_COUNT,
};

struct text_form_row {
    const char *pattern; /* POSIX extended and ECMA alike; NULL: none */
    const char *what;    /* "a name as carrier-outage" */
    size_t max_bytes;
    bool lines; /* may have line breaks */
};
const struct text_form_row *text_form(enum text_form form);

/* What a text names. */
enum key_reference { REFERS_NONE, REFERS_SELECTION, REFERS_TEMPLATE, REFERS_OWNER, REFERS_CHOICE };

/* Which names a text may have in {{ }}; in the others there are none. */
enum key_scope {
    SCOPE_NONE,
    SCOPE_PARAMS,
    SCOPE_ROW,     /* and row.segment */
    SCOPE_MESSAGE, /* as the purpose of the template says */
};

struct shape;

struct key {
    const char *name;
    enum key_type type;
    size_t offset;
    size_t count_offset; /* KEY_OBJECTS, KEY_MAP */
    unsigned kinds;      /* in a shape with kinds: the bits of those that have it; 0 = all */
    bool required;       /* ... also not empty */
    enum text_form form; /* KEY_TEXT; the elements of KEY_TEXTS */
    bool may_be_null;    /* KEY_TEXT: NULL, not "", where it is missing */
    enum key_reference refers;
    enum key_scope scope;
    const char *const *names;  /* KEY_ENUM, KEY_CONST, elements of KEY_TEXTS: ended by NULL */
    int64_t min;               /* KEY_COUNT, KEY_DURATION */
    int64_t max;               /* 0 = none */
    int64_t scale;             /* KEY_COUNT: 0 = 1 */
    const char *standard;      /* default as text; NULL: zero */
    const struct shape *shape; /* KEY_OBJECT, KEY_OBJECTS, KEY_MAP */
    const char *help;
};

/* A mapping, and the struct that it fills. */
struct shape {
    const char *what; /* "a step" */
    const struct key *keys;
    size_t key_count;
    size_t size;              /* of the struct; what KEY_OBJECT has shares that of its parent */
    size_t line_offset;       /* of `int line`; SIZE_MAX: none */
    size_t name_offset;       /* KEY_MAP: where the key goes */
    enum text_form name;      /* KEY_MAP: what it may be */
    const struct key *value;  /* KEY_MAP of something that is no mapping: its only row */
    const struct key *rest;   /* keys that are in no row, named as its shape says: a KEY_MAP */
    const char *kind_key;     /* "uses": decides which rows there are; NULL: all */
    const char *const *kinds; /* its values */
    const char *const *kind_helps;
};

extern const struct shape shape_runbook;
extern const struct shape shape_step; /* runbook_step_shapes.c */

#endif
