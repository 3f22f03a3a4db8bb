// SPDX-License-Identifier: MIT
use std::collections::{BTreeMap, HashMap};

#[inline(never)]
fn count(words: &[String]) -> BTreeMap<&str, usize> {
    let mut m = BTreeMap::new();
    for word in words {
        *m.entry(word.as_str()).or_insert(0) += 1;
    }
    m
}

#[inline(never)]
fn lengths(words: &[String]) -> HashMap<usize, Vec<&String>> {
    words.iter().fold(HashMap::new(), |mut m, word| {
        m.entry(word.len()).or_insert_with(Vec::new).push(word);
        m
    })
}

fn main() {
    let mut words: Vec<String> = std::env::args().collect();
    words.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| b.cmp(a)));
    println!("{:?} {:?}", count(&words), lengths(&words));
}
