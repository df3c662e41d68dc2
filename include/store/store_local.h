/*
 * A store in a local directory: one file per object, mode 0600, directories 0700. A put writes a
 * temporary file, fsyncs it, links it to its name (link(2) fails on an existing name, so
 * create-only holds between processes) and fsyncs the directories. Temporary files live in the
 * sub-directory
 * ".tmp" and are never listed; those older than a day are removed when the store is opened.
 */
#ifndef STORE_STORE_LOCAL_H
#define STORE_STORE_LOCAL_H

#include "store/store.h"

/* Opens the directory `root`, which is created (with parents) by the first put; one that
 * was there already must stay the same directory, else puts are ERROR_UNAVAILABLE. Gives *out. */
MUST_CHECK bool store_local_open(const char *root, struct store **out, struct error *err);

#endif
