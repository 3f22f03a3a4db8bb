// SPDX-License-Identifier: MIT

// Computes, sends through channels, collects garbage and sleeps, until it is killed.
package main

import (
	"sort"
	"strings"
	"time"
)

//go:noinline
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func ticker(to chan<- int) {
	for i := 0; ; i++ {
		to <- i
		time.Sleep(time.Millisecond)
	}
}

func main() {
	numbers := make(chan int)
	seen := map[string]int{}
	go ticker(numbers)
	go ticker(numbers)
	for n := range numbers {
		seen[strings.Repeat("a", fib(18)%100+n%50)]++
		values := make([]int, 3000)
		for i := range values {
			values[i] = (i*7919 + n) % 1009
		}
		sort.Ints(values)
	}
}
