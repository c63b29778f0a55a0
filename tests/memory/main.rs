//! What the bookkeeping of synced rows takes in RAM. A binary of its own, because its allocator counts.

mod endless_store;
mod measure;

use peak_alloc::PeakAlloc;

use crate::measure::Figures;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const ROWS: u64 = 100_000;
const BYTES_PER_ROW: u64 = 64;

fn assert_small(figures: Figures) {
    let most = usize::try_from(ROWS * BYTES_PER_ROW).expect("a small number");
    assert!(figures.steady < most, "when all is quiet: {figures:?}");
    assert!(figures.comparing < most, "while rows are compared: {figures:?}");
}

/// One test, because all of them share the allocator.
#[tokio::test]
async fn a_synced_row_takes_less_than_64_bytes_whichever_way_it_came() {
    assert_small(measure::receiving(&ALLOCATOR, ROWS).await);
    assert_small(measure::sending(&ALLOCATOR, ROWS).await);
}
