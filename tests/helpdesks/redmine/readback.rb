# Asks Redmine's own models about issues.
#   search TAG | tags ID... | history ID | agent ADD-TO AGAIN-IN
OURS = 'incident:carrier-outage'.freeze
verb, *args = ARGV
field = IssueCustomField.find_by!(name: 'Tags')
User.current = User.find_by!(login: 'admin')

names = lambda do |id|
  values = Issue.find(id).custom_field_values.find { |v| v.custom_field == field }.value
  values.reject(&:blank?).map { |value| field.enumerations.find(value).name }
end

set = lambda do |id, tags|
  issue = Issue.find(id)
  issue.init_journal(User.current)
  issue.custom_field_values = { field.id.to_s => tags.map { |name| field.enumerations.find_by!(name: name).id.to_s } }
  issue.save!
end

case verb
when 'search'
  query = IssueQuery.new(name: '_', filters: {})
  query.add_filter('status_id', '*', [''])
  query.add_filter("cf_#{field.id}", '=', [field.enumerations.find_by!(name: args[0]).id.to_s])
  print query.issue_ids.sort.join(' ')
when 'tags'
  print args.map { |id| "#{id}: #{names.call(id).sort.join(', ')}" }.join(';')
when 'history'
  journal = Issue.find(args[0]).journals.order(:id).last
  detail = journal.details.first
  raise 'no tag in the journal' unless detail.custom_field == field && detail.old_value.nil?

  print "#{field.enumerations.find(detail.value).name} added by #{journal.user.name}"
when 'agent'
  other, again = args
  set.call(other, names.call(other) + ['vip'])
  set.call(again, names.call(again) - [OURS])
  set.call(again, names.call(again) + [OURS])
  print args.map { |id| "#{id}: #{names.call(id).sort.join(', ')}" }.join(';')
end
