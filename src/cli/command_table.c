#include "cli/command_rows.h"

#include "base/macros.h"

#include <string.h>

static const struct command *const commands[] = {
    &command_repo_init,
    &command_repo_gc,
    &command_repo_key,
    &command_snapshot_create,
    &command_snapshot_list,
    &command_snapshot_show,
    &command_snapshot_verify,
    &command_snapshot_pin,
    &command_snapshot_unpin,
    &command_snapshot_expire,
    &command_restore,
    &command_restore_point_create,
    &command_restore_point_list,
    &command_wal_stream,
    &command_wal_status,
    &command_status,
    &command_wal_merge,
    &command_wal_window,
    &command_wal_get,
    &command_wal_clean,
    &command_drill_run,
    &command_drill_list,
    &command_drill_show,
    &command_adapter_list,
    &command_adapter_show,
    &command_adapter_install,
    &command_adapter_check,
    &command_adapter_import,
    &command_notice_list,
    &command_notice_show,
    &command_notice_cancel,
    &command_notice_redrive,
    &command_notice_dispatch,
    &command_notice_suppress,
    &command_notice_unsuppress,
    &command_notice_suppressions,
    &command_notice_import,
    &command_runbook_list,
    &command_runbook_show,
    &command_runbook_lint,
    &command_runbook_schema,
    &command_runbook_bundle,
    &command_runbook_import,
    &command_runbook_key,
    &command_runbook_plan,
    &command_runbook_test,
    &command_runbook_run,
    &command_runbook_status,
    &command_runbook_approve,
    &command_runbook_signal,
    &command_runbook_pause,
    &command_runbook_resume,
    &command_runbook_cancel,
    &command_runbook_recover,
    &command_runbook_undo,
    &command_runbook_report,
    &command_audit_verify,
    &command_doctor,
    &command_config_check,
    &command_config_show,
    &command_config_example,
    &command_help,
    &command_version,
    &command_completion,
    &command_man,
};

size_t command_count(void)
{
    return ARRAY_LEN(commands);
}

const struct command *command_at(size_t at)
{
    return commands[at];
}

const char *command_name(const struct command *command, char out[COMMAND_NAME_SIZE])
{
    (void)snprintf(out, COMMAND_NAME_SIZE, "%s%s%s", command->noun,
                   command->verb == NULL ? "" : " ", command->verb == NULL ? "" : command->verb);
    return out;
}

const struct command *command_of_noun(const char *noun)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i]->noun, noun) == 0)
            return commands[i];
    }
    return NULL;
}

size_t command_flag_count(const struct command *command)
{
    size_t count = 0;
    while (count < COMMAND_MAX_FLAGS && command->flags[count].name != NULL)
        count++;
    return count;
}

bool command_takes_option(const struct command *command, enum option_id id)
{
    return (command->groups & option_row(id)->group) != 0;
}
