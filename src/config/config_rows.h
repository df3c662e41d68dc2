/* The second half of the table of options. Private to src/config. */
#ifndef CONFIG_CONFIG_ROWS_H
#define CONFIG_CONFIG_ROWS_H

#include "config/config_table.h"

/* Rows without a name are in config_table.c. */
extern const struct option_row service_rows[OPTION_COUNT];

#endif
