//! Change detection, counted over a scripted day: what is skipped are exactly the re-deliveries and the echoes, what is applied exactly the real changes.

use crate::day::{Script, Tally, live};

#[tokio::test(flavor = "multi_thread")]
async fn skipped_are_exactly_redeliveries_and_echoes_and_applied_exactly_the_real_changes() {
    let script = Script {
        articles: 20,
        new_prices: 3,
        own_sales: 12,
        other_sales: 9,
        restarts: 2,
    };
    let parts = live(script).await.expect("the day ends");
    for part in &parts {
        assert_eq!(part.counted, part.expected, "{}", part.name);
        assert_eq!(
            part.rows_written, part.expected.applied,
            "{}: SQLite counts the same",
            part.name
        );
    }
    let day = parts
        .iter()
        .fold(Tally::default(), |sum, part| sum.plus(part.counted));
    assert_eq!(day.received, day.skipped() + day.applied);
    assert_eq!(day.applied, 3 + 9 * 3);
    assert_eq!(day.echoes, 12 * 6);
}
