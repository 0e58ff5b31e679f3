//! Figures of the simulation: one JSON object a line, as `make bench` writes them, with what makes a run.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

/// What a figure was measured in.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Nodes.
    pub n: usize,
    /// Part of the datagrams that are lost, in a thousand.
    pub loss_permille: u32,
    /// The seed, which repeats it.
    pub seed: u64,
}

impl Run {
    /// Prints a figure, and adds it to the file that `SIM_OUT` names (`make sim` does).
    ///
    /// # Panics
    /// When the file cannot be written: a figure that is lost is a failed run.
    pub fn figure(&self, metric: &str, value: f64, unit: &str) {
        let (n, seed, loss) = (self.n, self.seed, f64::from(self.loss_permille) / 1_000.0);
        let value = (value * 1_000.0).round() / 1_000.0;
        println!("{metric} = {value} {unit} (n {n}, loss {loss}, seed {seed})");
        let Some(path) = std::env::var_os("SIM_OUT").map(PathBuf::from) else { return };
        let line = json!({
            "bench": "sim", "metric": metric, "subject": "trucad", "value": value, "unit": unit,
            "n": n, "loss": loss, "seed": seed,
        });
        let mut file =
            OpenOptions::new().create(true).append(true).open(&path).expect("SIM_OUT can be written");
        // one write a line: tests run beside each other
        file.write_all(format!("{line}\n").as_bytes()).expect("SIM_OUT can be written");
    }
}
