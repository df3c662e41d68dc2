#include "cli/runbook_source.h"

#include "base/embedded.h"
#include "base/file.h"
#include "document/yaml.h"

#include <stdio.h>

bool runbook_source_load(const struct invocation *call, const char *name_or_file,
                         struct runbook **out, struct error *err)
{
    char name[256];
    struct buf text;
    (void)call;
    (void)snprintf(name, sizeof name, "built-in/%s.yaml", name_or_file);
    const struct embedded_file *built_in = embedded_find(name + sizeof "built-in/" - 1);
    if (built_in != NULL)
        return runbook_load(built_in->text, built_in->size, name, out, err);
    buf_init(&text, YAML_MAX_BYTES);
    bool done = file_read_all(name_or_file, &text, err) && buf_check(&text, "a runbook", err) &&
                runbook_load((const char *)text.data, text.len, name_or_file, out, err);
    buf_release(&text);
    return done;
}
