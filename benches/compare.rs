//! What the framework costs beside the same work written by hand, in one process, taking turns: `docs/performance.md` explains the method and has results.
//!
//! `cargo bench --bench compare` (a few minutes), `-- --quick` (under 90 s), `-- --plot FILE` (writes the picture of cost against table size too), `-- --only NAME` (one
//! topic). It fails when a result is wrong, never because of a time. Each measurement is a module in `compare/`.

#![expect(clippy::print_stdout, reason = "a bench reports to its reader")]

#[path = "compare/baseline.rs"]
mod baseline;
#[path = "compare/capture.rs"]
mod capture;
#[path = "compare/counters.rs"]
mod counters;
#[path = "compare/device.rs"]
mod device;
#[path = "compare/exchange.rs"]
mod exchange;
#[path = "compare/first_sync.rs"]
mod first_sync;
#[path = "compare/idle.rs"]
mod idle;
#[path = "compare/inbound.rs"]
mod inbound;
#[path = "compare/outbound.rs"]
mod outbound;
#[path = "compare/plot.rs"]
mod plot;
#[path = "compare/ready_store.rs"]
mod ready_store;
#[path = "compare/report.rs"]
mod report;
#[path = "compare/startup.rs"]
mod startup;

use std::{path::PathBuf, time::Instant};

use report::Report;

/// What was asked for on the command line.
struct Arguments {
    quick: bool,
    only: Option<String>,
    plot: Option<PathBuf>,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Self {
            quick: false,
            only: None,
            plot: None,
        };
        let mut given = std::env::args().skip(1);
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--quick" => arguments.quick = true,
                "--only" => arguments.only = given.next(),
                "--plot" => arguments.plot = given.next().map(PathBuf::from),
                // Cargo's own.
                _ => {}
            }
        }
        arguments
    }

    fn wants(&self, topic: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == topic)
    }

    /// Table sizes, and rounds for each.
    fn sizes(&self) -> &'static [(usize, usize)] {
        if self.quick {
            &[(10_000, 3), (100_000, 1)]
        } else {
            &[(10_000, 7), (100_000, 5)]
        }
    }
}

fn main() {
    if exchange::is_other_process() || first_sync::is_other_process() {
        return;
    }
    let arguments = Arguments::read();
    let started = Instant::now();
    let mut report = Report::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(&arguments, &mut report));
    if arguments.wants("memory") {
        first_sync::memory(&mut report, arguments.quick);
    }
    if let Some(path) = &arguments.plot {
        let series = runtime.block_on(plot::measure(arguments.quick));
        plot::write(path, &series);
        println!("\nwrote {}", path.display());
    }
    report.print();
    println!("\n{:.0} s in all", started.elapsed().as_secs_f64());
}

async fn measure(arguments: &Arguments, report: &mut Report) {
    for &(rows, rounds) in arguments.sizes() {
        if arguments.wants("inbound") {
            inbound::measure(report, rows, rounds).await;
        }
        if arguments.wants("outbound") {
            outbound::measure(report, rows, rounds).await;
        }
    }
    if arguments.wants("capture") {
        let rounds = if arguments.quick { 5 } else { 11 };
        capture::measure(report, rounds).await;
    }
    if arguments.wants("startup") {
        let rounds = if arguments.quick { 2 } else { 5 };
        startup::measure(report, rounds).await;
    }
    if arguments.wants("latency") {
        exchange::latency(report, arguments.quick).await;
    }
    if arguments.wants("idle") {
        idle::measure(report, arguments.quick).await;
    }
    if arguments.wants("waits") {
        first_sync::waits(report).await;
    }
    if arguments.wants("flat") && !arguments.quick {
        exchange::flat(report).await;
    }
}
