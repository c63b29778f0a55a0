//! What a slow listener is told, without a database.

use futures_util::future::ready;
use tokio::sync::broadcast;

use super::*;
use crate::{clock::SystemClock, live::Origin};

static MODEL: ModelDescriptor = ModelDescriptor::new("Row", "rows", "rows", &[], &[]);

/// Holds no row.
struct Empty;

impl Rows for Empty {
    fn read<'a>(
        &'a self,
        _: &'static ModelDescriptor,
        ids: &'a [DocumentId],
    ) -> BoxFuture<'a, Result<Vec<Option<ReadRow>>, RepositoryError>> {
        ready(Ok(vec![None; ids.len()])).boxed()
    }

    fn select<'a>(
        &'a self,
        _: &'static ModelDescriptor,
        _: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<(DocumentId, ReadRow)>, RepositoryError>> {
        ready(Ok(Vec::new())).boxed()
    }
}

fn source(rows: &Arc<Empty>, kept: usize) -> (broadcast::Sender<Batch>, Source) {
    let (sender, batches) = broadcast::channel(kept);
    let rows: Weak<Empty> = Arc::downgrade(rows);
    let source = Source {
        model: &MODEL,
        batches,
        next: 0,
        rows,
        clock: Arc::new(SystemClock::new()),
        unread: Vec::new(),
    };
    (sender, source)
}

fn send(sender: &broadcast::Sender<Batch>, ids: std::ops::Range<i64>) {
    let touch = |id| Touch {
        id: DocumentId::integer(id),
        origin: Origin::Local,
    };
    let batch = Batch {
        first: u64::try_from(ids.start).expect("numbers count from 0"),
        touches: ids.map(touch).collect(),
    };
    assert!(sender.send(batch).is_ok(), "someone listens");
}

#[tokio::test]
async fn a_slow_listener_is_told_exactly_how_many_changes_it_missed() {
    let rows = Arc::new(Empty);
    let (sender, mut source) = source(&rows, 2);
    for batch in 0..5 {
        send(&sender, batch * 10..batch * 10 + 10);
    }
    assert_eq!(source.wait().await, Some(Some(30)));
    let first = source.unread.first().map(|touch| touch.id.clone());
    assert_eq!((source.unread.len(), first), (20, Some(DocumentId::integer(30))));
    source.unread.clear();
    send(&sender, 50..51);
    assert_eq!(source.wait().await, Some(None), "nothing more was missed");
    drop(sender);
    assert_eq!(source.wait().await, None);
}

#[tokio::test]
async fn a_row_named_twice_in_one_go_is_told_once() {
    let rows = Arc::new(Empty);
    let (sender, mut source) = source(&rows, 4);
    send(&sender, 0..2);
    let again = Batch {
        first: 2,
        touches: [Touch {
            id: DocumentId::integer(1),
            origin: Origin::Local,
        }]
        .into(),
    };
    assert!(sender.send(again).is_ok());
    assert_eq!(source.wait().await, Some(None));
    assert_eq!(source.unread.len(), 2);
}
