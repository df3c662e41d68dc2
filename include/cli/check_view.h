/* The findings of `mainstay doctor` and `mainstay adapter check`: a line for each, or JSON. */
#ifndef CLI_CHECK_VIEW_H
#define CLI_CHECK_VIEW_H

#include "base/check.h"
#include "cli/command.h"

MUST_CHECK bool output_checks(const struct invocation *call, const struct check_list *list,
                              struct error *err);

#endif
