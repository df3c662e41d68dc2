/* The companion command: a process around cli_run. */
#include "base/harden.h"
#include "base/stop.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const struct cli_world world = {.out = stdout, .err = stderr, .getenv = getenv};
    harden_process();
    stop_install_handlers();
    return cli_run(&world, argc, argv);
}
