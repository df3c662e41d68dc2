/* The companion command: a process around cli_run. */
#include "base/stop.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Memory holds passwords and keys: no core file, no reading by other processes of this user. */
static void keep_memory_private(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
    const struct cli_world world = {.out = stdout, .err = stderr, .getenv = getenv};
    keep_memory_private();
    stop_install_handlers();
    return cli_run(&world, argc, argv);
}
