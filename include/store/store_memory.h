/* A store that lives and dies with the process: for tests of everything above stores. */
#ifndef STORE_STORE_MEMORY_H
#define STORE_STORE_MEMORY_H

#include "store/store.h"

/* Gives *out. */
MUST_CHECK bool store_memory_open(struct store **out, struct error *err);

#endif
