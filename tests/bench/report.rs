//! Medians, the table for people, and one JSON object a line for the charts.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use truca_tests::Result;

/// What is measured: `relay`, `cpu_s_per_100k`, `s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Metric {
    /// The benchmark.
    pub(crate) bench: &'static str,
    /// What of it.
    pub(crate) metric: &'static str,
    /// In which unit.
    pub(crate) unit: &'static str,
}

/// All runs of everything.
#[derive(Default)]
pub(crate) struct Report {
    runs: BTreeMap<(Metric, &'static str), Vec<f64>>,
}

impl Report {
    /// Adds one run.
    pub(crate) fn add(&mut self, metric: Metric, subject: &'static str, value: f64) {
        self.runs.entry((metric, subject)).or_default().push(value);
    }

    /// Prints the table and writes the lines. `pairs` says which subject is compared with which.
    pub(crate) fn close(&self, pairs: &[(&'static str, &'static str)], path: &Path) -> Result {
        let mut lines = String::new();
        println!(
            "{:<8} {:<22} {:<18} {:>10} {:<4} {:>22} {:>5}",
            "bench", "metric", "subject", "value", "unit", "ratio", "runs"
        );
        for ((metric, subject), values) in &self.runs {
            let Metric { bench, metric: name, unit } = metric;
            let (value, runs) = (round(median(values)), values.len());
            let plain = format!(
                r#""bench":"{bench}","metric":"{name}","subject":"{subject}","value":{value},"unit":"{unit}""#
            );
            let mut compared = false;
            for (_, base) in pairs.iter().filter(|(one, _)| one == subject) {
                let Some(others) = self.runs.get(&(*metric, *base)) else { continue };
                // Run by run: what slows the machine slows both
                let ratios: Vec<f64> = values.iter().zip(others).map(|(one, other)| one / other).collect();
                let ratio = round(median(&ratios));
                if !ratio.is_finite() {
                    // nothing divided by nothing, which JSON has no word for
                    continue;
                }
                println!(
                    "{bench:<8} {name:<22} {subject:<18} {value:>10} {unit:<4} {:>22} {runs:>5}",
                    format!("{ratio} x {base}")
                );
                writeln!(lines, r#"{{{plain},"ratio_to":"{base}","ratio":{ratio},"runs":{runs}}}"#)?;
                compared = true;
            }
            if !compared {
                println!("{bench:<8} {name:<22} {subject:<18} {value:>10} {unit:<4} {:>22} {runs:>5}", "");
                writeln!(lines, r#"{{{plain},"runs":{runs}}}"#)?;
            }
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, lines)?;
        println!("written to {}", path.display());
        Ok(())
    }

    /// Which medians of a subject are over their budgets, in words.
    pub(crate) fn over(&self, budgets: &[(Metric, f64)], subject: &'static str) -> Vec<String> {
        let found = budgets.iter().filter_map(|(metric, most)| {
            let value = median(self.runs.get(&(*metric, subject))?);
            let Metric { bench, metric, unit } = metric;
            (value > *most)
                .then(|| format!("{bench}.{metric} of {subject} is {value} {unit}, over {most} {unit}"))
        });
        found.collect()
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_over_its_budget_is_told() {
        let metric = Metric { bench: "daemon", metric: "idle_rss_kib", unit: "KiB" };
        let mut report = Report::default();
        for value in [3.0, 5.0, 1.0] {
            report.add(metric, "trucad", value);
        }
        assert!(report.over(&[(metric, 3.0)], "trucad").is_empty());
        assert!(report.over(&[(metric, 2.0)], "another").is_empty());
        let over = report.over(&[(metric, 2.0)], "trucad");
        assert_eq!(over, ["daemon.idle_rss_kib of trucad is 3 KiB, over 2 KiB"]);
    }

    #[test]
    fn the_median_does_not_care_for_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
    }
}
