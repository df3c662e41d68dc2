/*
 * One store as several processes see it, one step at a time: every process has a view; a view dies
 * at a given call (from then on every call fails), and before another one it lets somebody else do
 * something. Time stands still unless it is told to go on: objects are stamped with it.
 * For one thread.
 */
#ifndef TESTS_LIB_STORE_SCRIPT_H
#define TESTS_LIB_STORE_SCRIPT_H

#include "base/clock.h"
#include "store/store.h"

enum script_op { SCRIPT_OTHER, SCRIPT_PUT, SCRIPT_REMOVE };

struct script_stamp {
    char *key;
    int64_t stored_us;
};

struct script {
    struct store *inner; /* a store in memory */
    int64_t now_us;      /* one microsecond more with every call */
    struct script_stamp *stamps;
    size_t stamp_count;
};

struct script_view {
    struct store store; /* give &view.store to a repository */
    struct script *script;
    int calls;
    int dies_at; /* number of the call that fails, 1 is the first; 0: never */
    int hook_at; /* before this call the hook is called, once; 0: never */
    void (*hook)(void *context);
    void *context;
    const char *hook_key;   /* instead of hook_at: before the first call for a key that begins so */
    enum script_op hook_op; /* and that is this one; 0: any */
};

void script_init(struct script *script, int64_t now_us);
void script_release(struct script *script);
void script_view_init(struct script_view *view, struct script *script);
/* The script's time; it never sleeps. */
struct clock script_clock(struct script *script);

#endif
