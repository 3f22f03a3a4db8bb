#!/bin/bash
# SPDX-License-Identifier: MIT
# Expands, forks and waits until it is killed.
while :; do
	greeting=$(echo "hello, world" | tr a-y b-z)
	for i in {1..200}; do
		square=$((i * i % 7))
		greeting=${greeting//$square/o}
	done
	[ ${#greeting} -gt 0 ]
done
