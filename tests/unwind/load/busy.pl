# SPDX-License-Identifier: MIT
# Computes and sleeps in turns until it is killed.
use strict;
use warnings;

sub fib {
	my $n = shift;
	return $n < 2 ? $n : fib($n - 1) + fib($n - 2);
}

my %seen;
while (1) {
	fib(12);
	my @sorted = sort { $a <=> $b } map { ($_ * 7919) % 1009 } 1 .. 200;
	$seen{ $_ % 97 } .= "x" for @sorted;
	s/x(x+)/$1/g for values %seen;
	%seen = () if length($seen{0} // "") > 1000;
	select(undef, undef, undef, 0.0005);
}
