// SPDX-License-Identifier: MIT
// Computes and sleeps in turns, in two threads, until it is killed.
use std::collections::HashMap;
use std::{thread, time::Duration};

#[inline(never)]
fn fib(n: u64) -> u64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

fn main() {
    thread::spawn(|| loop {
        std::hint::black_box(fib(18));
        thread::sleep(Duration::from_micros(300));
    });
    let mut seen: HashMap<String, u64> = HashMap::new();
    loop {
        let mut values: Vec<u64> = (0..3000).map(|i| (i * 7919) % 1009).collect();
        values.sort_by(|a, b| b.cmp(a));
        *seen.entry(format!("{}", fib(15) + values[7] % 97)).or_default() += 1;
        thread::sleep(Duration::from_micros(100));
    }
}
