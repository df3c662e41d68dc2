/* The row of every command; each is defined beside its function (cmd_<noun>.c). */
#ifndef CLI_COMMAND_ROWS_H
#define CLI_COMMAND_ROWS_H

#include "cli/command.h"

extern const struct command command_repo_init;
extern const struct command command_repo_gc;
extern const struct command command_repo_key;
extern const struct command command_snapshot_create;
extern const struct command command_snapshot_list;
extern const struct command command_snapshot_show;
extern const struct command command_snapshot_verify;
extern const struct command command_snapshot_pin;
extern const struct command command_snapshot_unpin;
extern const struct command command_snapshot_expire;
extern const struct command command_restore;
extern const struct command command_restore_point_create;
extern const struct command command_restore_point_list;
extern const struct command command_wal_stream;
extern const struct command command_wal_status;
extern const struct command command_status;
extern const struct command command_wal_merge;
extern const struct command command_wal_window;
extern const struct command command_wal_get;
extern const struct command command_wal_clean;
extern const struct command command_drill_run;
extern const struct command command_drill_list;
extern const struct command command_drill_show;
extern const struct command command_adapter_list;
extern const struct command command_adapter_show;
extern const struct command command_adapter_install;
extern const struct command command_adapter_check;
extern const struct command command_adapter_import;
extern const struct command command_notice_list;
extern const struct command command_notice_show;
extern const struct command command_notice_cancel;
extern const struct command command_notice_redrive;
extern const struct command command_notice_dispatch;
extern const struct command command_notice_suppress;
extern const struct command command_notice_unsuppress;
extern const struct command command_notice_suppressions;
extern const struct command command_notice_import;
extern const struct command command_runbook_list;
extern const struct command command_runbook_show;
extern const struct command command_runbook_lint;
extern const struct command command_runbook_schema;
extern const struct command command_runbook_bundle;
extern const struct command command_runbook_import;
extern const struct command command_runbook_key;
extern const struct command command_runbook_plan;
extern const struct command command_runbook_test;
extern const struct command command_runbook_run;
extern const struct command command_runbook_status;
extern const struct command command_runbook_approve;
extern const struct command command_runbook_signal;
extern const struct command command_runbook_pause;
extern const struct command command_runbook_resume;
extern const struct command command_runbook_cancel;
extern const struct command command_runbook_recover;
extern const struct command command_runbook_undo;
extern const struct command command_runbook_report;
extern const struct command command_audit_verify;
extern const struct command command_doctor;
extern const struct command command_config_check;
extern const struct command command_config_show;
extern const struct command command_config_example;
extern const struct command command_help;
extern const struct command command_version;
extern const struct command command_completion;
extern const struct command command_man;

#endif
