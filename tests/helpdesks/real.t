#!/bin/bash
# Request Tracker and Redmine as Debian packages them: their real schema, made by their own programs, in a
# throwaway cluster; the contract of every adapter; and then the tags as the application itself sees them.
# `make check-helpdesks` installs the packages and runs this.
# time limit: 1200
. "$(dirname "$0")/../lib/scene.sh"
. "$TESTS_ROOT/helpdesks/contract.sh"

[[ -x /usr/sbin/rt-setup-database-5 && -d /usr/share/redmine ]] ||
    skip_all "request-tracker5 and redmine are not installed: make check-helpdesks"
scene_cluster desk || exit 1

# --- Request Tracker --------------------------------------------------------------------------------

desk_schema_rt5() {
    mkdir -p "$TEST_DIR/rt.d"
    cat >"$TEST_DIR/RT_SiteConfig.pm" <<PERL
Set(\$rtname, 'test');
Set(\$Organization, 'test.example');
Set(\$WebDomain, '127.0.0.1');
Set(\$DatabaseType, 'Pg');
Set(\$DatabaseHost, '127.0.0.1');
Set(\$DatabasePort, '$(cluster_port desk)');
Set(\$DatabaseName, 'rt5');
Set(\$DatabaseUser, 'rt_user');
Set(\$DatabasePassword, 'rt');
Set(\$DatabaseAdmin, 'postgres');
Set(\$LogToSyslog, undef);
Set(\$LogToSTDERR, 'error');
Set(\$Timezone, 'UTC');
1;
PERL
    export RT_SITE_CONFIG=$TEST_DIR/RT_SiteConfig.pm RT_SITE_CONFIG_DIR=$TEST_DIR/rt.d
    if ! rt-setup-database-5 --action init --dba postgres --dba-password trust >"$TEST_DIR/rt.log" 2>&1; then
        cat "$TEST_DIR/rt.log" >&2
        return 1
    fi
}

rt() { perl -I/usr/share/request-tracker5/lib "$HELPDESKS_ROOT/rt5/readback.pl" "$@"; }

# --- Redmine ----------------------------------------------------------------------------------------

desk_schema_redmine() {
    local home=$TEST_DIR/redmine
    mkdir -p "$home"/{config,tmp,log,files}
    cat >"$home/config/database.yml" <<YAML
production:
  {adapter: postgresql, database: redmine, host: 127.0.0.1, port: $(cluster_port desk), username: postgres, encoding: utf8}
YAML
    echo 0123456789abcdef0123456789abcdef >"$home/config/secret_key.txt"
    # Bundler writes beside the Gemfile; the package's own stays as it is.
    cp /usr/share/redmine/Gemfile /usr/share/redmine/Gemfile.lock "$home"
    cluster_sql desk "CREATE DATABASE redmine" || return 1
    if ! { redmine rake db:migrate && redmine rake redmine:load_default_data; } >"$TEST_DIR/redmine.log" 2>&1; then
        tail -n 20 "$TEST_DIR/redmine.log" >&2
        return 1
    fi
}

# An instance is a directory below /usr/share/redmine/instances, a link: this leads out of it.
redmine() {
    (cd /usr/share/redmine && REDMINE_INSTANCE=../../../..$TEST_DIR/redmine RAILS_ENV=production SCHEMA=/dev/null \
        REDMINE_LANG=en BUNDLE_GEMFILE=$TEST_DIR/redmine/Gemfile bundle exec "$@")
}

redmine_say() { redmine rails runner "$HELPDESKS_ROOT/redmine/readback.rb" "$@"; }

# --- what the application says ----------------------------------------------------------------------

readback() { # NAME COMMAND: runs carrier-outage and asks by the application's own code
    local name=$1 ask=$2 expected tag=incident:carrier-outage
    local others="carrier:ups, incident:carrier-outage, segment:mentioned, state:needs-update"
    expected=$(desk_selection "$name")
    ok "$name: carrier-outage tags" desk_run "$name"
    desk_run_id=$(desk_last_run "$name")
    is "$("$ask" search "$tag")" "$expected" "$name: the application finds the tagged tickets by the tag"
    is "$("$ask" tags 1001 1011)" "1001: $others;1011: $others, vip" "$name: and shows the tags in the ticket"
    is "$("$ask" history 1002)" "state:needs-update added by Mainstay Bot" "$name: and its history, with who did it"
    is "$("$ask" agent 1001 1002)" "1001: $others, vip;1002: $others" \
        "$name: an agent adds another tag in 1001, and takes ours off 1002 and sets it again"
    ok "$name: the run is undone" desk_as "$name" alice runbook undo --yes "$desk_run_id"
    is "$("$ask" search "$tag")" "1002" "$name: the application finds only what the agent set"
    is "$("$ask" tags 1001 1002 1003 1011)" "1001: vip;1002: $tag;1003: ;1011: carrier:ups, vip" \
        "$name: and its tickets have what people gave them"
}

# Mails that are no good: what can be read is read, and nothing fails.
rt_odd_bodies() {
    is "$(desk_lines rt5 "SELECT mainstay.body_text(c, e) FROM (VALUES ('=C3=BC =FF ups', 'quoted-printable'), ('50% = x=', 'quoted-printable'),
            ('dXBz', 'base64'), ('not base64!', 'base64'), ('AHVwcw==', 'base64'), ('', 'quoted-printable'), ('plain =41', NULL)) b (c, e)")" \
        "Ã¼ ÿ ups;50% = x=;ups;not base64!; ups;;plain =41" "rt5: bodies that cannot be decoded stay readable"
    is "$(desk_sql rt5 "SELECT count(*) FROM attachments WHERE content ~* '\mups\M' AND transactionid = 5005")" 0 \
        "rt5: the word of ticket 1004 is not in the column as RT stores it"
}

for desk in "rt5 rt" "redmine redmine_say"; do
    desk_create "${desk% *}" || exit 1
    desk_contract "${desk% *}"
    desk_sql "${desk% *}" "SELECT mainstay.tag_remove('again', '{1002}', NULL, 1)" alice >/dev/null
    desk_sql "${desk% *}" "SELECT mainstay.tag_remove('later', '{1003}', NULL, 1)" alice >/dev/null
    readback "${desk% *}" "${desk#* }"
done
rt_odd_bodies
done_testing
