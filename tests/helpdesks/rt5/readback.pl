# Asks Request Tracker's own code about tickets; RT_SITE_CONFIG says which database.
#   search TAG | tags ID... | history ID | agent ADD-TO AGAIN-IN
use strict;
use warnings;
use RT -init;
use RT::Tickets;

my $ours = 'incident:carrier-outage';
my ($verb, @args) = @ARGV;

sub ticket {
    my $ticket = RT::Ticket->new(RT->SystemUser);
    $ticket->Load($_[0]) or die "no ticket $_[0]\n";
    return $ticket;
}

sub tags { join ', ', map { $_->Content } @{ ticket($_[0])->CustomFieldValues('Tags')->ItemsArrayRef } }

sub done { my ($ok, $message) = @_; die "$message\n" unless $ok; }

if ($verb eq 'search') {
    my $tickets = RT::Tickets->new(RT->SystemUser);
    done($tickets->FromSQL("CF.{Tags} = '$args[0]'"));
    print join(' ', sort { $a <=> $b } map { $_->id } @{ $tickets->ItemsArrayRef });
}
elsif ($verb eq 'tags') {
    print join(';', map { my $id = $_; "$id: " . join(', ', sort split /, /, tags($id)) } @args);
}
elsif ($verb eq 'history') {
    my $transactions = ticket($args[0])->Transactions;
    $transactions->Limit(FIELD => 'Type', VALUE => 'CustomField');
    my $last = (sort { $a->id <=> $b->id } @{ $transactions->ItemsArrayRef })[-1];
    my ($tag) = $last->BriefDescription =~ /Tags (\S+) added/ or die $last->BriefDescription, "\n";
    print "$tag added by ", $last->CreatorObj->RealName;
}
elsif ($verb eq 'agent') {
    my ($other, $again) = map { ticket($_) } @args;
    done($other->AddCustomFieldValue(Field => 'Tags', Value => 'vip'));
    done($again->DeleteCustomFieldValue(Field => 'Tags', Value => $ours));
    done($again->AddCustomFieldValue(Field => 'Tags', Value => $ours));
    print join(';', map { "$_: " . join(', ', sort split /, /, tags($_)) } @args);
}
