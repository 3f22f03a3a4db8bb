// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

type words []string

func (w words) Len() int           { return len(w) }
func (w words) Less(i, j int) bool { return len(w[i]) < len(w[j]) }
func (w words) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }

//go:noinline
func count(w words) map[string]int {
	m := make(map[string]int)
	for _, s := range w {
		m[strings.ToUpper(s)]++
	}
	return m
}

func main() {
	w := words(os.Args)
	sort.Sort(w)
	fmt.Println(count(w), func() int { return len(w) }())
}
