/* status and webhook: a text is recorded and queued; whoever dispatches sends it. */
#include "run_internal.h"

#include <stdlib.h>
#include <string.h>

struct update {
    const char *subject;
    const char *text;
    bool is_status;
};

static bool status_detail(struct run *run, const struct update *update, struct value *detail,
                          struct error *err)
{
    const struct runbook_step *spec = run->step.spec;
    return value_set_text(detail, "step", run->step.id, err) &&
           value_set_text(detail, "component", spec->component, err) &&
           value_set_text(detail, "state", spec->state, err) &&
           value_set_text_lossy(detail, "text", update->text, err);
}

static bool write_update(struct run *run, void *context, struct error *err)
{
    const struct update *update = context;
    const struct runbook_step *spec = run->step.spec;
    const struct run_post post = {
        .key = run->step.id,
        .template_name = spec->template_name[0] == '\0' ? run->step.id : spec->template_name,
        .subject = update->subject,
        .text = update->text,
    };
    CLEANUP(value_cleanup) struct value *detail = value_new_object(err);
    if (detail == NULL || !status_detail(run, update, detail, err) ||
        !run_post_queue(run, &spec->webhooks, &post, err) ||
        !run_step_set_text(run, "text", update->text, err))
        return false;
    return run_event(run, update->is_status ? "status" : "webhook", detail, err) &&
           (!update->is_status || run_clock_restart(run, err));
}

bool step_status_run(struct run *run, enum step_outcome *out, struct error *err)
{
    struct update update = {.subject = run->step.spec->title,
                            .is_status = run->step.spec->uses == USES_STATUS};
    if (!value_get_text(run->step.planned, "text", &update.text, err) ||
        !value_get_text_or(run->step.planned, "subject", update.subject, &update.subject, err))
        return false;
    *out = STEP_DONE;
    return run_transaction(run, write_update, &update, err);
}
