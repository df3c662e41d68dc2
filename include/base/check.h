/* One checked precondition: what was found and the statement or command that puts it right. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

enum check_verdict { CHECK_OK, CHECK_WARNING, CHECK_FAILED };

struct check_result {
    char name[48]; /* stable: "wal_level" */
    enum check_verdict verdict;
    char text[512]; /* what was found */
    char fix[512];  /* exact statement or command; "" when there is nothing to do */
};

#endif
