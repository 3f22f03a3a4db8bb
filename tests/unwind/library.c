/* SPDX-License-Identifier: MIT */
/* A library that calls back, from a frame without a frame pointer. */
#ifndef ROOM
#define ROOM 333
#endif

int call_back(int (*function)(volatile char *));

int call_back(int (*function)(volatile char *))
{
	volatile char room[ROOM];

	room[0] = 1;
	return function(room) + room[0];
}
