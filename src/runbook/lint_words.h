/* Words that the content rules look for, in English, German, French and Spanish. */
#ifndef LINT_WORDS_H
#define LINT_WORDS_H

enum lint_fact {
    LINT_REFUND,       /* cancel for a full refund */
    LINT_REPLY,        /* a way to answer */
    LINT_UNKNOWN_DATE, /* the date is not known yet */
    LINT_SAFETY,       /* recall, safety */
};

enum lint_verdict { LINT_FOUND, LINT_MISSING, LINT_NOT_OUR_LANGUAGE };

/* Whether a text in this locale has a word of the fact. */
enum lint_verdict lint_has_fact(const char *locale, const char *text, enum lint_fact fact);

#endif
