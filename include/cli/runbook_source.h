/* Where a command's runbook comes from: the one of this NAME that the program carries, or a file. */
#ifndef CLI_RUNBOOK_SOURCE_H
#define CLI_RUNBOOK_SOURCE_H

#include "cli/command.h"
#include "runbook/runbook.h"

/* Gives *out. */
MUST_CHECK bool runbook_source_load(const struct invocation *call, const char *name_or_file,
                                    struct runbook **out, struct error *err);

#endif
