/* tool_server_check CONNINFO: prints the findings, one "name verdict: text [fix]" a line. */
#include "base/stop.h"
#include "postgres/server_check.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    static struct check_list list;
    if (argc != 2)
        return 2;
    stop_install_handlers();
    struct connection_options options = {.conninfo = argv[1]};
    server_check(&options, &list);
    for (size_t i = 0; i < list.count; i++)
        printf("%s %s: %s [%s]\n", list.results[i].name,
               check_verdict_name(list.results[i].verdict), list.results[i].text,
               list.results[i].fix);
    return check_worst(&list) == CHECK_FAILED;
}
