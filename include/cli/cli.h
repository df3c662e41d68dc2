/* The whole command line as one function; cli_main.c only adds what belongs to a process. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/command.h"

/* Parses, loads the configuration, runs the command, reports. Gives the exit code. */
int cli_run(const struct cli_world *world, int argc, char **argv);

#endif
