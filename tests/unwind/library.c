/* SPDX-License-Identifier: MIT */
/* A library that calls back, from a frame without a frame pointer. */
int call_back(int (*function)(volatile char *));

int call_back(int (*function)(volatile char *))
{
	volatile char room[333];

	room[0] = 1;
	return function(room) + room[0];
}
