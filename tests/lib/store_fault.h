/*
 * A store that fails on purpose: for tests of everything that must survive a failing store.
 * Calls are counted from the moment the fault is set, over the operations of its mask.
 */
#ifndef TESTS_LIB_STORE_FAULT_H
#define TESTS_LIB_STORE_FAULT_H

#include "store/store.h"

enum fault_op {
    FAULT_PUT = 1,
    FAULT_GET = 2,
    FAULT_STAT = 4,
    FAULT_LIST = 8, /* fails after half of the objects were visited */
    FAULT_REMOVE = 16,
    FAULT_TIME = 32,
    FAULT_ANY = 63,
};

struct fault {
    unsigned ops;         /* mask of fault_op; 0: none */
    int at_call;          /* 1 is the next one */
    int times;            /* so many calls from there on; 0: for ever */
    enum error_kind kind; /* ERROR_NONE: only damage or kill */
    bool retryable;
    int64_t retry_after_ms;
    bool done_anyway; /* it is carried out, and then said to have failed */
    bool damage;      /* get: the first byte comes wrong */
    bool kill;        /* SIGKILL to this process, before the call or (done_anyway) after it */
};

/* Takes inner, also when it fails. Gives *out. Not for several threads while the fault is set. */
MUST_CHECK bool store_fault_open(struct store *inner, struct store **out, struct error *err);
void store_fault_set(struct store *store, const struct fault *fault);
/* Calls of the fault's operations since it was set. */
int store_fault_calls(const struct store *store);
/* Mask of the operations that it has hit since. */
unsigned store_fault_hits(const struct store *store);

#endif
