/* Texts that are generated from the tables of commands and options. */
#ifndef CLI_CLI_TEXTS_H
#define CLI_CLI_TEXTS_H

#include "cli/command.h"

#define MAINSTAY_VERSION "0.1.0"

/* All commands, or those of one noun. */
void help_put_overview(const char *noun, struct buf *out);
void help_put_command(const struct command *command, struct buf *out);
/* "mainstay restore --to DIR [--snapshot ID] [OPTION]..." */
void help_put_synopsis(const struct command *command, struct buf *out);

void completion_put_bash(struct buf *out);

/* groff man: mainstay(1), mainstay.yaml(5), mainstayd(8). */
void man_put_commands(struct buf *out);
void man_put_config(struct buf *out);
void man_put_daemon(struct buf *out);

#endif
