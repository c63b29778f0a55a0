//! What single steps cost: hashing, encoding, decoding, merging, asking a query. `cargo bench --bench micro`
//!
//! Nanoseconds for one row of the table that `compare` measures; each step runs in blocks that take turns with the other steps, and the figure is the median of its
//! blocks. Nothing here touches a disk.

#![expect(clippy::print_stdout, reason = "a bench reports to its reader")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use ditto_sync::{DittoAdapter, Document, DocumentId, ModelDescriptor, Query, Scopes, query};
use ditto_sync_core::{
    column::{ColumnValue, Image},
    hash::{ContentHash, IdHash},
    intent::OutboxSeq,
    merge::{Pending, RowState, inbound, outbound},
    repository::{InboundItem, Incoming, Remote},
};

const ROWS: usize = 1000;
const BLOCKS: usize = 201;

#[derive(DittoAdapter)]
#[ditto(collection = "counters", rename_all = "camelCase", scope(branch_id))]
struct Counter {
    #[ditto(id)]
    id: String,
    business_id: String,
    branch_id: String,
    receipt_type: String,
    current_receipt: i64,
    total_receipts: i64,
    invoice_number: i64,
    rate: f64,
    bhf_id: Option<String>,
    created_at: String,
    last_touched: Option<String>,
}

/// What the steps work on, one of each for every row.
struct Rows {
    model: &'static ModelDescriptor,
    ids: Vec<DocumentId>,
    documents: Vec<Document>,
    images: Vec<Image>,
    remotes: Vec<Remote>,
    clean: Vec<RowState>,
    dirty: Vec<RowState>,
    query: Query,
    scopes: Scopes,
}

/// A step over all rows; what it returns says that it did something.
type Step = fn(&Rows) -> usize;

const STEPS: [(&str, Step); 10] = [
    ("hash of an id", |rows| {
        rows.ids
            .iter()
            .filter(|id| IdHash::of(id).to_bytes() != [0; 16])
            .count()
    }),
    ("hash of a row", |rows| {
        let hashes = rows.images.iter().map(|image| ContentHash::of(rows.model, image));
        hashes.filter(|hash| hash.to_bytes() != [0; 16]).count()
    }),
    ("hash of a document", |rows| {
        let hashes = rows
            .documents
            .iter()
            .map(|document| rows.model.hash_of(Some(document)));
        hashes.filter(|hash| matches!(hash, Ok(Some(_)))).count()
    }),
    ("encode: row to document", |rows| {
        let pairs = rows.ids.iter().zip(&rows.images);
        pairs
            .map(|(id, image)| black_box(rows.model.document_of(id, image)))
            .filter(Result::is_ok)
            .count()
    }),
    ("decode: document to row", |rows| {
        let images = rows
            .documents
            .iter()
            .map(|document| black_box(rows.model.image_of(document)));
        images.filter(Result::is_ok).count()
    }),
    ("copy of a document (part of the next)", |rows| {
        rows.documents
            .iter()
            .map(|document| black_box(document.clone()))
            .filter(|document| document.len() == 11)
            .count()
    }),
    ("a copied document decoded, hashed, judged", |rows| {
        let pairs = rows.ids.iter().zip(&rows.documents);
        pairs
            .map(|(id, document)| {
                let document = Some(document.clone());
                InboundItem::new(rows.model, id.clone(), document, &rows.scopes)
            })
            .filter(|item| matches!(black_box(item).incoming, Incoming::Present(_)))
            .count()
    }),
    ("merge: a document meets a dirty row", |rows| {
        let parts = rows.ids.iter().zip(&rows.dirty).zip(&rows.remotes);
        parts
            .map(|((id, state), remote)| black_box(inbound(rows.model, id, state, Some(remote))))
            .filter(|decision| !decision.is_nothing())
            .count()
    }),
    ("merge: what a dirty row sends", |rows| {
        let pairs = rows.ids.iter().zip(&rows.dirty);
        pairs
            .map(|(id, state)| black_box(outbound(rows.model, id, state.clone())))
            .filter(Result::is_ok)
            .count()
    }),
    ("query: does a document match", |rows| {
        let matching = rows
            .documents
            .iter()
            .filter(|document| rows.query.matches(document));
        ROWS * usize::from(matching.count() == ROWS / 2)
    }),
];

fn main() {
    let rows = Rows::new();
    assert!(
        rows.clean
            .iter()
            .zip(&rows.ids)
            .zip(&rows.remotes)
            .all(|((state, id), remote)| {
                inbound(rows.model, id, state, Some(remote)) != ditto_sync_core::merge::Inbound::default()
            }),
        "a changed document changes its row"
    );
    let mut times = vec![Vec::with_capacity(BLOCKS); STEPS.len()];
    for _ in 0..BLOCKS {
        for ((name, step), times) in STEPS.iter().zip(&mut times) {
            let started = Instant::now();
            let done = step(black_box(&rows));
            times.push(started.elapsed());
            assert_eq!(done, ROWS, "{name}: every row");
        }
    }
    for ((name, _), mut times) in STEPS.iter().zip(times) {
        times.sort_unstable();
        println!("{name:<44} {:>8.0} ns", nanos(times[BLOCKS / 2]));
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9 / ROWS as f64
}

impl Rows {
    fn new() -> Self {
        let model = Counter::descriptor();
        let ids: Vec<_> = (0..ROWS)
            .map(|number| DocumentId::text(format!("5d3c2b1a-0f9e-4d8c-8000-{number:012x}")).expect("an id"))
            .collect();
        let documents: Vec<_> = (0..ROWS).map(document).collect();
        let images: Vec<_> = documents
            .iter()
            .map(|document| model.image_of(document).expect("a row"))
            .collect();
        let setup = ditto_sync::SyncRegistry::new()
            .with::<Counter>()
            .context("branchId", "branch-0")
            .setup()
            .expect("a setup");
        let changed = |image: &Image, column: usize, value: i64| {
            let mut image = image.clone();
            image.columns_mut()[column] = ColumnValue::Integer(value);
            image
        };
        let remotes = documents.iter().zip(&images).map(|(document, image)| {
            let image = changed(image, 4, -1);
            Remote {
                hash: ContentHash::of(model, &image),
                image,
                belongs: setup.scopes.judge(model, document),
                declined: false,
            }
        });
        let clean = images.iter().map(|image| RowState {
            row: Some(image.clone()),
            pending: None,
            known: Some(ContentHash::of(model, image)),
        });
        let dirty = images.iter().map(|image| RowState {
            row: Some(changed(image, 5, -2)),
            pending: Some(Pending {
                base: Some(image.clone()),
                inserted: false,
                last: OutboxSeq(1),
            }),
            known: Some(ContentHash::of(model, image)),
        });
        let filter = query::field("branchId")
            .eq(query::param("branch"))
            .and(query::field("rate").gt(0.1));
        Self {
            model,
            remotes: remotes.collect(),
            clean: clean.collect(),
            dirty: dirty.collect(),
            query: Query::new(filter).with("branch", "branch-0"),
            ids,
            documents,
            images,
            scopes: setup.scopes,
        }
    }
}

fn document(number: usize) -> Document {
    let count = i64::try_from(number).expect("a small number");
    let mut document = Document::with_capacity(11);
    document.set("bhfId", "00");
    document.set("branchId", format!("branch-{}", number % 2));
    document.set("businessId", "5d3c2b1a-0f9e-4d8c-b7a6-958473625140");
    document.set("createdAt", "2024-05-01T10:20:30.000Z");
    document.set("currentReceipt", count);
    document.set("id", format!("5d3c2b1a-0f9e-4d8c-8000-{number:012x}"));
    document.set("invoiceNumber", 1_i64);
    document.set("lastTouched", "2024-05-02T10:20:30.000Z");
    document.set("rate", 0.18);
    document.set("receiptType", "NS");
    document.set("totalReceipts", count * 3);
    document
}
