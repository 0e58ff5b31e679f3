//! Figures of the simulation: one JSON object a line, as `make bench` writes them, with what makes a run.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

/// The document whose promises the simulation keeps.
const SCALE: &str = include_str!("../../docs/scale.md");

/// The cells of the table of a quiet mesh: of its head, and of the row that begins so.
fn rows(row: &str) -> [Vec<&'static str>; 2] {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    let table = SCALE.split("<!-- figures: city -->").nth(1).expect("the table is there");
    let head = table.lines().find(|line| line.starts_with('|')).expect("it has a head");
    let found = table.lines().find(|line| line.trim_start_matches(['|', ' ']).starts_with(row));
    [cells(head), cells(found.unwrap_or_else(|| panic!("docs/scale.md has no row “{row}”")))]
}

/// A number as documents write it, whatever unit follows it.
fn number(text: &str) -> f64 {
    let word = text.split_whitespace().next().unwrap_or_default().replace(',', "");
    word.parse().unwrap_or_else(|_| panic!("docs/scale.md: “{text}” begins with no number"))
}

/// What docs/scale.md says was measured in a mesh of this size, in the row that begins so; nothing for other sizes.
///
/// # Panics
/// When the document has no such row.
pub fn documented(row: &str, n: usize) -> Option<f64> {
    let [head, found] = rows(row);
    let column = head
        .iter()
        .position(|cell| cell.strip_suffix(" nodes").is_some_and(|size| number(size) == n as f64))?;
    Some(number(found[column]))
}

/// The goal that docs/scale.md states in the row that begins so, for a mesh of up to this size.
///
/// # Panics
/// When there is none.
pub fn goal(row: &str, n: usize) -> f64 {
    let [_, found] = rows(row);
    let goals = found.last().copied().unwrap_or_default().split(", ");
    let mut fitting =
        goals.filter(|goal| goal.split(" at ").nth(1).is_none_or(|size| n as f64 <= number(size)));
    number(fitting.next().unwrap_or_else(|| panic!("docs/scale.md states no goal of “{row}” for {n} nodes")))
}

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
