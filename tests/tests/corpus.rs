//! The fuzz targets' seeds, and deterministic mutations of them, through the same entry points on stable Rust.
//!
//! It finds less than libFuzzer does, but it runs wherever the tests run, and keeps a crash that was once
//! found (put its input among the seeds) from coming back.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

/// How many mutations of each target's seeds are tried.
const MUTATIONS: u32 = 5000;

fn fuzz_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../daemon/fuzz")
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = fuzz_dir().join("corpus").join(target);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    // The order of a directory is not that of another machine
    paths.sort();
    assert!(!paths.is_empty(), "no seeds in {}", directory.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// xorshift32: the same mutations on every machine.
struct Random(u32);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % bound.max(1)
    }

    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\''][self.below(6)],
                2 => bytes.truncate(at),
                3 => bytes.insert(at, self.below(256) as u8),
                4 if !bytes.is_empty() => drop(bytes.drain(at..(at + 1 + self.below(8)).min(bytes.len()))),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len());
                    bytes.splice(at..at, other[from..].iter().take(64).copied());
                }
            }
        }
        bytes
    }
}

#[test]
fn no_seed_and_no_mutation_of_one_breaks_an_entry() {
    for (target, entry) in trucad::fuzz::ENTRIES {
        let seeds = seeds(target);
        seeds.iter().for_each(|seed| entry(seed));
        entry(&[]);
        let mut random = Random(0x7275_6361);
        for n in 0..MUTATIONS {
            let bytes = random.mutate(&seeds);
            let outcome = std::panic::catch_unwind(|| entry(&bytes));
            assert!(outcome.is_ok(), "{target}, mutation {n}: {}", bytes.escape_ascii());
        }
    }
}

#[test]
fn every_entry_has_its_libfuzzer_target() {
    let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    for (target, _) in trucad::fuzz::ENTRIES {
        assert!(fuzz_dir().join(format!("fuzz_targets/{target}.rs")).exists(), "{target}");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
    }
}
