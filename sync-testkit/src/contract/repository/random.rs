//! Random schedules: against the invariants, and against the repository in memory.
//!
//! A schedule is made from its seed alone; a step that does not apply in the current state is left out, alike on every repository.

use std::{collections::BTreeMap, fmt};

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, Expect, Intent},
    merge::Conflict,
    repository::{PendingCount, RowRef},
    value::Value,
};

use super::models::{ORDER, ORDER_ITEM, STOCK, item, item_id, order, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench, memory_fixture::MemoryFixture};
use crate::app_change::AppChange;

/// How many steps a schedule has. One database lives through all of it.
const STEPS: usize = 400;

/// One thing that happens.
enum Step {
    App(AppChange),
    /// Another device writes a document, or deletes it.
    Remote(RowRef, Option<Image>),
    /// Another device adds to the counter of a stock document.
    RemoteIncrement(DocumentId, i64),
    Draft {
        operations_max: usize,
    },
    /// The intent in flight is written; acknowledged when it was taken, else discarded, and what was stale is pulled.
    Settle,
    Discard,
    Pull(Vec<RowRef>),
    Crash,
}

/// Without the descriptors, which would hide everything else.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |row: &RowRef| format!("{} {}", row.model.collection(), row.id);
        match self {
            Self::App(change) => write!(f, "the app: {change:?}"),
            Self::Remote(row, image) => write!(f, "{} becomes {image:?}", name(row)),
            Self::RemoteIncrement(id, increment) => write!(f, "stock {id} grows by {increment}"),
            Self::Draft { operations_max } => write!(f, "draft of {operations_max}"),
            Self::Settle => f.write_str("settle"),
            Self::Discard => f.write_str("discard"),
            Self::Pull(rows) => write!(f, "pull {:?}", rows.iter().map(name).collect::<Vec<_>>()),
            Self::Crash => f.write_str("crash"),
        }
    }
}

/// What the repository knows as agreed is what was acknowledged or applied last; when all is quiet rows and documents are equal.
///
/// # Panics
/// When that does not hold; names the step.
pub async fn the_base_is_what_was_last_agreed_on<F: RepositoryFixture>(fixture: F) {
    let mut run = Run::new(fixture).await;
    let mut random = fastrand::Rng::with_seed(11);
    let ids = ["s1", "s2", "s3"].map(text_id);
    for at in 0..STEPS {
        let id = random.choice(&ids).expect("there are some").clone();
        let step = stock_step(&mut random, id, &ids);
        run = run.take(&step).await;
        run.check_drafted(at, &step).await;
    }
    run.finish().await;
}

/// Increments of both sides, in whatever order they meet, with crashes and refusals between: none is lost, none counts twice.
///
/// # Panics
/// When that does not hold.
pub async fn counters_equal_the_sum_of_all_increments<F: RepositoryFixture>(fixture: F) {
    let mut run = Run::new(fixture).await;
    let mut random = fastrand::Rng::with_seed(12);
    let id = text_id("s1");
    run.bench.agree(&STOCK, &id, &stock("b1", "tea", 1000)).await;
    run.base.insert(
        id.clone(),
        Some(ContentHash::of(&STOCK, &stock("b1", "tea", 1000))),
    );
    let mut sum = 1000;
    for _ in 0..STEPS {
        let increment = random.i64(-9..=9);
        let step = match random.u32(0..12) {
            0..4 => {
                sum += increment;
                let row = run.bench.row(&STOCK, &id).await.expect("nobody deletes it");
                let ColumnValue::Integer(before) = row[2] else {
                    panic!("a counter is an integer: {row:?}");
                };
                let columns = [("quantity", ColumnValue::Integer(before + increment))];
                Step::App(AppChange::update(&STOCK, &id, &columns))
            }
            4..6 => {
                sum += increment;
                Step::RemoteIncrement(id.clone(), increment)
            }
            6 | 7 => Step::Draft { operations_max: 1 },
            8 => Step::Settle,
            9 => Step::Discard,
            10 => Step::Pull(vec![stock_row(&id)]),
            _ => Step::Crash,
        };
        run = run.take(&step).await;
    }
    let mut bench = run.finish().await;
    assert_eq!(bench.row(&STOCK, &id).await, Some(stock("b1", "tea", sum)));
}

/// Step by step, rows, operations, conflicts and counts are those of the repository in memory.
///
/// # Panics
/// When they differ; names the step.
pub async fn it_agrees_with_the_repository_in_memory<F: RepositoryFixture>(fixture: F) {
    let mut run = Run::new(fixture).await;
    let mut reference = Run::new(MemoryFixture::new()).await;
    let mut random = fastrand::Rng::with_seed(13);
    for at in 0..STEPS {
        let step = step_of_any_model(&mut random);
        run = run.take(&step).await;
        reference = reference.take(&step).await;
        assert_eq!(run.seen, reference.seen, "after step {at}, {step:?}");
        for model in [&STOCK, &ORDER, &ORDER_ITEM] {
            let rows = run.bench.fixture.rows(model).await;
            let expected = reference.bench.fixture.rows(model).await;
            assert_eq!(rows, expected, "after step {at}, {step:?}");
            let pending = counted(run.bench.pending(model).await);
            let expected = counted(reference.bench.pending(model).await);
            assert_eq!(pending, expected, "after step {at}, {step:?}");
        }
        assert_eq!(
            run.bench.store, reference.bench.store,
            "after step {at}, {step:?}"
        );
    }
}

/// What is set aside. How many entries a change makes, and whether one that changes nothing makes any, is an implementation's own affair.
fn counted(pending: PendingCount) -> (u64, u64) {
    (pending.parked, pending.quarantined)
}

fn step_of_any_model(random: &mut fastrand::Rng) -> Step {
    let order_id = *random.choice(&["o1", "o2"]).expect("there are some");
    let item_of_order = item_id(order_id, random.i64(1..=2));
    let of_order = |id: &str| RowRef {
        model: &ORDER,
        id: text_id(id),
    };
    let customer = format!("c{}", random.u32(0..3));
    match random.u32(0..24) {
        0 => Step::App(AppChange::upsert(
            &ORDER,
            &text_id(order_id),
            &order(&customer, 1.0),
        )),
        1 => Step::App(AppChange::delete(&ORDER, &text_id(order_id))),
        2 | 3 => Step::App(AppChange::upsert(
            &ORDER_ITEM,
            &item_of_order,
            &item("tea", random.i64(0..9)),
        )),
        4 => Step::App(AppChange::delete(&ORDER_ITEM, &item_of_order)),
        5 => Step::Remote(of_order(order_id), Some(order(&customer, 2.0))),
        6 => Step::Remote(of_order(order_id), None),
        7 | 8 => {
            let image = (random.u32(0..3) > 0).then(|| item("rice", random.i64(0..9)));
            let row = RowRef {
                model: &ORDER_ITEM,
                id: item_of_order,
            };
            Step::Remote(row, image)
        }
        9 => Step::Pull(vec![
            of_order(order_id),
            RowRef {
                model: &ORDER_ITEM,
                id: item_of_order,
            },
        ]),
        10 => Step::Pull(vec![RowRef {
            model: &ORDER_ITEM,
            id: item_of_order,
        }]),
        11 | 12 => Step::Draft { operations_max: 100 },
        _ => {
            let ids = ["s1", "s2"].map(text_id);
            let id = random.choice(&ids).expect("there are some").clone();
            match stock_step(random, id, &ids) {
                // Which rows go first is an implementation's own affair.
                Step::Draft { .. } => Step::Draft { operations_max: 100 },
                step => step,
            }
        }
    }
}

fn stock_step(random: &mut fastrand::Rng, id: DocumentId, all: &[DocumentId]) -> Step {
    let names = ["tea", "mint", "rice"];
    let name = *random.choice(&names).expect("there are some");
    let image = stock("b1", name, random.i64(0..5));
    match random.u32(0..20) {
        0 | 1 => Step::App(AppChange::insert(&STOCK, &id, &image)),
        2 => Step::App(AppChange::update(&STOCK, &id, &[("product", text(name))])),
        3 => Step::App(AppChange::update(&STOCK, &id, &[("note", text(name))])),
        4 => Step::App(AppChange::update(
            &STOCK,
            &id,
            &[("quantity", image[2].clone()), ("price", ColumnValue::Real(0.5))],
        )),
        5 => Step::App(AppChange::delete(&STOCK, &id)),
        6 => Step::App(AppChange::replace(&STOCK, &id, &image)),
        7 => Step::App(AppChange::Transaction(vec![
            AppChange::delete(&STOCK, &id),
            AppChange::insert(&STOCK, &id, &image),
        ])),
        8 | 9 => Step::Remote(stock_row(&id), Some(image)),
        10 => Step::Remote(stock_row(&id), None),
        11 => Step::RemoteIncrement(id, random.i64(-3..=3)),
        12..15 => Step::Draft {
            operations_max: random.usize(1..=3),
        },
        15 | 16 => Step::Settle,
        17 => Step::Discard,
        18 => Step::Pull(all.iter().map(stock_row).collect()),
        _ if random.bool() => Step::Pull(vec![stock_row(&id)]),
        _ => Step::Crash,
    }
}

/// What a step showed, apart from what any repository numbers in its own way.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    refused: bool,
    operations: BTreeMap<(&'static str, DocumentId), (Expect, Action)>,
    dropped: usize,
    changed: Vec<(&'static str, DocumentId)>,
    conflicts: Vec<Conflict>,
    parked: Vec<(&'static str, DocumentId)>,
    unchanged: usize,
}

struct Run<F: RepositoryFixture> {
    bench: Bench<F>,
    in_flight: Option<Intent>,
    /// What row and document of each stock agreed on last.
    base: BTreeMap<DocumentId, Option<ContentHash>>,
    seen: Seen,
}

impl<F: RepositoryFixture> Run<F> {
    async fn new(fixture: F) -> Self {
        Self {
            bench: Bench::new(fixture).await,
            in_flight: None,
            base: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    async fn take(mut self, step: &Step) -> Self {
        self.seen = Seen::default();
        match step {
            Step::App(change) => {
                self.seen.refused = self.bench.fixture.change(change.clone()).await.is_err();
            }
            Step::Remote(row, Some(image)) => self.bench.store.put(row.model, &row.id, image),
            Step::Remote(row, None) => self.bench.store.delete(row.model, &row.id),
            Step::RemoteIncrement(id, increment) => {
                let quantity = self.bench.store.get(&STOCK, id).and_then(quantity);
                if let Some(quantity) = quantity {
                    self.bench.store.set(&STOCK, id, "quantity", quantity + increment);
                }
            }
            Step::Draft { operations_max } => self.draft(*operations_max).await,
            Step::Settle => self.settle().await,
            Step::Discard => {
                if let Some(intent) = self.in_flight.take() {
                    self.bench.discard(&intent, &[]).await;
                }
            }
            Step::Pull(rows) if self.in_flight.is_none() => self.pull(rows).await,
            Step::Pull(_) => {}
            Step::Crash => {
                self.bench = self.bench.crash().await;
                assert_eq!(
                    self.bench.state.in_flight, self.in_flight,
                    "an intent in flight is durable"
                );
            }
        }
        self
    }

    async fn draft(&mut self, operations_max: usize) {
        if self.in_flight.is_some() {
            return;
        }
        let draft = self.bench.draft_of(operations_max, true).await;
        assert!(draft.quarantined.is_empty(), "every row can be sent: {draft:?}");
        self.seen.dropped = draft.dropped;
        self.in_flight = draft.intent;
        for operation in self.in_flight.iter().flat_map(|intent| &intent.operations) {
            let key = (operation.model.collection(), operation.id.clone());
            let what = (operation.expect, operation.action.clone());
            assert_eq!(
                self.seen.operations.insert(key, what),
                None,
                "one operation a row"
            );
        }
    }

    async fn settle(&mut self) {
        let Some(intent) = self.in_flight.take() else {
            return;
        };
        let stale = self.bench.store.write(&intent);
        if stale.is_empty() {
            self.bench.acknowledge(&intent).await;
            for operation in &intent.operations {
                self.base.insert(operation.id.clone(), operation.record.sent);
            }
        } else {
            self.bench.discard(&intent, &[]).await;
            self.pull(&stale).await;
        }
    }

    async fn pull(&mut self, rows: &[RowRef]) {
        let first = self.bench.pull_rows(rows).await;
        let retried = self.bench.retry_parked().await;
        for row in rows {
            let hash = self
                .bench
                .store
                .image(row.model, &row.id)
                .map(|image| ContentHash::of(row.model, &image));
            self.base.insert(row.id.clone(), hash);
        }
        self.seen.unchanged = first.unchanged + retried.unchanged;
        let name = |row: &RowRef| (row.model.collection(), row.id.clone());
        for applied in [first, retried] {
            self.seen.changed.extend(applied.changed.iter().map(name));
            self.seen.parked.extend(applied.parked.iter().map(name));
            self.seen.conflicts.extend(applied.conflicts);
        }
        self.seen.changed.sort();
        self.seen.parked.sort();
        self.seen
            .conflicts
            .sort_by(|one, other| (one.collection, &one.id).cmp(&(other.collection, &other.id)));
    }

    /// Every operation just drafted was computed against the base, and says truly what the row is.
    async fn check_drafted(&mut self, at: usize, step: &Step) {
        if !matches!(step, Step::Draft { .. }) || self.seen.operations.is_empty() {
            return;
        }
        let rows = self.bench.fixture.rows(&STOCK).await;
        let intent = self.in_flight.as_ref().expect("operations were drafted");
        for operation in &intent.operations {
            let base = self.base.get(&operation.id).copied().flatten();
            let expect = base.map_or(Expect::Absent, Expect::Hash);
            assert_eq!(
                operation.expect, expect,
                "step {at}: against the base: {operation:?}"
            );
            let row = rows
                .get(&operation.id)
                .map(|image| ContentHash::of(&STOCK, image));
            assert_eq!(
                operation.record.sent, row,
                "step {at}: the row as it is: {operation:?}"
            );
        }
    }

    /// Lets everything come to rest; then rows and documents are equal, and nothing is written any more.
    async fn finish(mut self) -> Bench<F> {
        self.settle().await;
        let mut all: Vec<_> = self.base.keys().map(stock_row).collect();
        let rows = self.bench.fixture.rows(&STOCK).await;
        all.extend(rows.keys().map(stock_row));
        self.bench.pull_rows(&all).await;
        self.bench.push().await;
        for (id, image) in self.bench.fixture.rows(&STOCK).await {
            assert_eq!(self.bench.store.image(&STOCK, &id), Some(image.clone()));
            self.bench.assert_agreed(&STOCK, &id, &image).await;
        }
        for row in &all {
            let document = self.bench.store.image(&STOCK, &row.id);
            assert_eq!(self.bench.row(&STOCK, &row.id).await, document);
        }
        self.bench
    }
}

fn quantity(document: &Document) -> Option<i64> {
    match document.get("quantity") {
        Some(Value::Int(amount)) => Some(*amount),
        _ => None,
    }
}

fn stock_row(id: &DocumentId) -> RowRef {
    let model: &'static ModelDescriptor = &STOCK;
    RowRef {
        model,
        id: id.clone(),
    }
}
