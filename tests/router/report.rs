//! What the run says: a line for each sentence, which CI counts, and figures as `make bench` writes them.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    time::Instant,
};

use serde_json::json;
use truca_tests::{Error, Result};

/// The outcome so far.
pub(crate) struct Report {
    results: PathBuf,
    from: Instant,
    failed: u32,
}

impl Report {
    /// Figures go to a new file of this name.
    pub(crate) fn new(results: PathBuf) -> Result<Self> {
        if let Some(folder) = results.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&results, "")?;
        Ok(Self { results, from: Instant::now(), failed: 0 })
    }

    /// One sentence, and whether it holds.
    pub(crate) fn holds(&mut self, sentence: &str, outcome: std::result::Result<(), Error>) {
        let at = self.from.elapsed().as_secs();
        match outcome {
            Ok(()) => println!("router: {sentence} ... ok, {at} s"),
            Err(error) => {
                self.failed += 1;
                println!("router: {sentence} ... FAILED, {at} s");
                for line in error.to_string().lines() {
                    println!("    {line}");
                }
            }
        }
    }

    /// A figure that was measured.
    pub(crate) fn figure(&self, metric: &str, value: f64, unit: &str) -> Result {
        let value = (value * 100.0).round() / 100.0;
        println!("router: {metric} = {value} {unit}");
        let line =
            json!({ "bench": "router", "metric": metric, "subject": "trucad", "value": value, "unit": unit });
        let mut file = OpenOptions::new().append(true).open(&self.results)?;
        Ok(file.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Whether everything held.
    pub(crate) fn all_held(&self) -> bool {
        self.failed == 0
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
