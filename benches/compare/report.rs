//! Times, ratios and how they are printed: [`Report`], [`Series`].
//!
//! Not here: what is measured.

use std::time::Duration;

/// The times of some variants of the same work that took turns.
#[derive(Debug)]
pub(crate) struct Series {
    names: Vec<&'static str>,
    times: Vec<Vec<Duration>>,
}

impl Series {
    pub(crate) fn new(names: &[&'static str]) -> Self {
        Self {
            names: names.to_vec(),
            times: vec![Vec::new(); names.len()],
        }
    }

    pub(crate) fn add(&mut self, variant: usize, time: Duration) {
        self.times[variant].push(time);
    }

    /// Microseconds for each of `rows`.
    pub(crate) fn micros(&self, variant: usize, rows: usize) -> f64 {
        median(self.times[variant].iter().map(Duration::as_secs_f64).collect()) * 1e6 / rows as f64
    }

    /// The median over the rounds of one variant's time to another's of the same round: what disturbs one mostly disturbs both.
    pub(crate) fn ratio(&self, variant: usize, base: usize) -> f64 {
        let pairs = self.times[variant].iter().zip(&self.times[base]);
        median(
            pairs
                .map(|(time, base)| time.as_secs_f64() / base.as_secs_f64())
                .collect(),
        )
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "something was measured");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The value below which this share of all lies.
pub(crate) fn percentile(values: &[Duration], share: f64) -> Duration {
    let mut values = values.to_vec();
    values.sort_unstable();
    let last = values.len().checked_sub(1).expect("something was measured");
    values[(last as f64 * share).round() as usize]
}

/// Everything that was found out.
#[derive(Debug, Default)]
pub(crate) struct Report {
    ratios: Vec<(String, f64, Option<f64>)>,
}

impl Report {
    /// One measurement as a table: each variant with its time a row and its ratio to the first one.
    pub(crate) fn series(&mut self, title: &str, rows: usize, series: &Series) {
        let mut lines = vec![format!("{title}, {} rounds", series.times[0].len())];
        for (variant, name) in series.names.iter().enumerate() {
            if !series.times[variant].is_empty() {
                lines.push(format!(
                    "  {name:<46} {:>9.2} us/row {:>7.2}x",
                    series.micros(variant, rows),
                    series.ratio(variant, 0)
                ));
            }
        }
        self.say(&lines.join("\n"));
    }

    /// Something else to tell.
    pub(crate) fn say(&self, text: &str) {
        println!("\n{text}");
    }

    /// A ratio that has a bound.
    pub(crate) fn bounded(&mut self, name: impl Into<String>, value: f64, at_most: f64) {
        self.ratios.push((name.into(), value, Some(at_most)));
    }

    /// A figure without one.
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64) {
        self.ratios.push((name.into(), value, None));
    }

    pub(crate) fn print(&self) {
        println!("\nall figures (lower is better where a bound is given)");
        for (name, value, bound) in &self.ratios {
            let verdict = match bound {
                Some(bound) if value <= bound => format!("at most {bound}: met"),
                Some(bound) => format!("at most {bound}: MISSED"),
                None => String::new(),
            };
            println!("  {name:<34} {value:>12.4}  {verdict}");
        }
        println!();
        for (name, value, _) in &self.ratios {
            println!("ratio {name} {value:.4}");
        }
    }
}
