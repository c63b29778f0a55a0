//! A picture of the cost of a row against the size of the table, as SVG.

use std::{fmt::Write as _, path::Path};

use crate::{
    baseline,
    counters::{self, Counter},
    device::Device,
    inbound,
    ready_store::ReadyStore,
    report::Series,
};

const SIZES: [usize; 6] = [1000, 3000, 10_000, 30_000, 100_000, 300_000];
const QUICK_SIZES: [usize; 3] = [1000, 10_000, 100_000];
const ROUNDS: usize = 3;
/// One query a row is not measured beyond this many rows.
const BY_ROW_MAX: usize = 30_000;
const NAMES: [&str; 4] = [
    "rusqlite, prepared loop",
    "ditto-sync, whole pipeline",
    "sqlx, 200 rows to a statement",
    "sqlx, one query a row",
];
const COLORS: [&str; 4] = ["#555555", "#c0392b", "#2e86c1", "#b7950b"];
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 60.0;
/// Microseconds at the bottom and the top of the picture.
const RANGE: (f64, f64) = (1.0, 100.0);

/// The points of each variant: rows, and microseconds a row.
pub(crate) async fn measure(quick: bool) -> Vec<Vec<(f64, f64)>> {
    let mut lines = vec![Vec::new(); NAMES.len()];
    let sizes: &[usize] = if quick { &QUICK_SIZES } else { &SIZES };
    for &rows in sizes {
        let mut series = Series::new(&NAMES);
        for _ in 0..ROUNDS {
            round(rows, &mut series).await;
        }
        for (variant, line) in lines.iter_mut().enumerate() {
            if variant < 3 || rows <= BY_ROW_MAX {
                line.push((rows as f64, series.micros(variant, rows)));
            }
        }
    }
    lines
}

async fn round(rows: usize, series: &mut Series) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let counters = Counter::all(rows, 0);
    series.add(
        0,
        baseline::upsert(&mut baseline::create(&path("limit.db")), &counters),
    );
    let store = ReadyStore::default();
    let device = Device::start(&path("ours.db"), store.clone()).await;
    series.add(1, inbound::deliver(&device, &store, (rows, 0)).await);
    counters::check(&device.app, rows, 0);
    device.close().await;
    drop(baseline::create(&path("values.db")));
    series.add(2, baseline::upsert_by_values(&path("values.db"), &counters).await);
    if rows <= BY_ROW_MAX {
        drop(baseline::create(&path("row.db")));
        series.add(3, baseline::upsert_by_row(&path("row.db"), &counters).await);
    }
}

/// Both axes are logarithmic.
pub(crate) fn write(path: &Path, lines: &[Vec<(f64, f64)>]) {
    let points = lines.iter().flatten();
    let (least, most) = points.fold((f64::MAX, 0.0_f64), |(least, most), (rows, _)| {
        (least.min(*rows), most.max(*rows))
    });
    let scale = |value: f64, (low, high): (f64, f64)| (value / low).log10() / (high / low).log10();
    let x = |rows: f64| MARGIN + scale(rows, (least, most)) * (WIDTH - 2.0 * MARGIN);
    let y = |micros: f64| HEIGHT - MARGIN - scale(micros, RANGE) * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">New rows from the store: microseconds a row against rows in the table</text>\n"
    );
    let mut add = |line: String| writeln!(svg, "{line}").expect("a string takes everything");
    for micros in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
        let at = y(micros);
        add(format!(
            "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{micros}</text>",
            WIDTH - MARGIN,
            MARGIN - 8.0,
            at + 4.0
        ));
    }
    for (rows, _) in &lines[0] {
        add(format!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{rows}</text>",
            x(*rows),
            HEIGHT - MARGIN + 20.0
        ));
    }
    for (variant, line) in lines.iter().enumerate() {
        let color = COLORS[variant];
        let points: Vec<_> = line
            .iter()
            .map(|(rows, micros)| format!("{:.1},{:.1}", x(*rows), y(*micros)))
            .collect();
        add(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
            points.join(" ")
        ));
        add(format!(
            "<text x=\"{}\" y=\"{}\" fill=\"{color}\">{}</text>",
            MARGIN + 10.0 + 300.0 * (variant / 2) as f64,
            44 + 16 * (variant % 2),
            NAMES[variant]
        ));
    }
    add("</svg>".to_owned());
    std::fs::write(path, svg).expect("the picture is written");
}
