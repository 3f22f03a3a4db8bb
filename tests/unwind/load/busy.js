// SPDX-License-Identifier: MIT
// Computes in functions that are compiled at run time, collects garbage and waits for timers, until it is killed.
"use strict";

function fib(n) {
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

const kept = new Map();

function turn() {
	for (let i = 0; i < 10; i++) {
		fib(15);
		const sorted = Array.from({ length: 300 }, (_, j) => (j * 7919) % 1009).sort((x, y) => x - y);
		kept.set(sorted[i], JSON.stringify(sorted).replace(/1(\d)/g, "$1x"));
	}
	setTimeout(turn, 1);
}

turn();
