//! What change detection saves: a scripted day of a till beside one that runs the Dart app, counted.
//!
//! ```console
//! cargo run --release --example till_day
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its user"
)]

#[path = "till_day/day.rs"]
mod day;
#[path = "flipper_models/documents.rs"]
mod documents;
#[path = "flipper_models/flipper_till.rs"]
#[expect(dead_code, reason = "shared with the example that reads back what it wrote")]
mod flipper_till;
#[path = "flipper_models/models.rs"]
mod models;

use std::process::ExitCode;

use self::day::{Script, Tally};

/// A shop of usual size.
const USUAL: Script = Script {
    articles: 150,
    new_prices: 12,
    own_sales: 90,
    other_sales: 60,
    restarts: 1,
};

#[tokio::main]
async fn main() -> ExitCode {
    let parts = match day::live(USUAL).await {
        Ok(parts) => parts,
        Err(error) => {
            eprintln!("till_day: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "{:>9} {:>9} {:>8} {:>9} {:>13}",
        "received", "skipped", "applied", "skipped %", "rows written"
    );
    let (mut sum, mut rows, mut exact) = (Tally::default(), 0, true);
    for part in &parts {
        line(part.counted, part.rows_written, part.name);
        sum = sum.plus(part.counted);
        rows += part.rows_written;
        exact &= part.counted == part.expected && part.rows_written == part.expected.applied;
    }
    line(sum, rows, "the day");
    println!("Applying everything would have written {} rows.", sum.received);
    if exact {
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "till_day: skipped was not exactly what had come before, or applied not exactly what was new"
        );
        ExitCode::FAILURE
    }
}

fn line(tally: Tally, rows: u64, name: &str) {
    let percent = 1000 * tally.skipped() / tally.received.max(1);
    println!(
        "{:>9} {:>9} {:>8} {:>7}.{} {rows:>13}  {name}",
        tally.received,
        tally.skipped(),
        tally.applied,
        percent / 10,
        percent % 10
    );
}
