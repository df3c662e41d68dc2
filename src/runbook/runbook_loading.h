/*
 * What loading a runbook keeps besides the runbook: the problems, and where each text stands in the
 * file, so that what is checked afterwards can point at it.
 */
#ifndef RUNBOOK_LOADING_H
#define RUNBOOK_LOADING_H

#include "runbook/problems.h"
#include "runbook_shape.h"

#include <regex.h>

/* Of a list or a mapping of names. */
enum { RUNBOOK_MAX_ELEMENTS = 1000 };

/* Where a field of the runbook stands in the file. */
struct place {
    const void *field; /* char **, of an element of a list too; else the field itself */
    const struct key *key;
    const void *object; /* the struct that the field is in */
    int line;
    int column;
};

struct loading {
    struct runbook *runbook;
    struct runbook_problems *problems;
    struct place *places;
    size_t place_count;
    size_t place_cap;
    regex_t patterns[FORM_COUNT]; /* compiled when they are first needed */
    bool compiled[FORM_COUNT];
};

/* Adds an error where the field stands; on line 0 when it stands nowhere. */
struct runbook_problem *loading_refuse(struct loading *loading, const void *field,
                                       const char *format, ...) FORMAT(3, 4);

/* Whether the text fits the pattern of the form (runbook_text.c). */
bool loading_fits(struct loading *loading, enum text_form form, const char *text);
/* Whether there are characters in it that a person who reads the file does not see as they are. A
 * message to customers may turn the direction of text. */
bool text_has_hidden(const char *text, bool lines, bool message);

/* References, conditions, templates, and what the structs promise each other (runbook_check.c).
 * False only when memory is short. */
MUST_CHECK bool runbook_check_places(struct loading *loading, struct error *err);
MUST_CHECK bool runbook_check_content(struct loading *loading, struct error *err);

/* "^count\\(...": what a guard may be. Groups: 1 selection, 2 operator, 3 number or limit. */
#define GUARD_PATTERN                                   \
    "^count\\(([a-z][a-z0-9-]*)\\) *(<=|<|!=|=|>=|>) *" \
    "([0-9]{1,18}|limits\\.max_tickets|limits\\.max_notices)$"

#endif
