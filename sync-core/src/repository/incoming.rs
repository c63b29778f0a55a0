//! Documents on their way into the tables, and what became of them.
//!
//! Not here: what a document means for a row that is dirty (`merge::inbound`).

use super::{Mark, Quarantined, RowRef};
use crate::{
    breaker::Effect,
    column::Image,
    descriptor::{ModelDescriptor, RowError},
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    merge::Conflict,
    scope::{Belongs, Scopes},
};

/// Documents to bring into the tables.
#[derive(Debug, Clone, Copy)]
pub struct InboundBatch<'a> {
    /// The documents. Of several on one id the last counts.
    pub items: &'a [InboundItem],
    /// For rows that turn out clean and outside of it.
    pub scopes: &'a Scopes,
    /// Set in the same transaction.
    pub marks: &'a [Mark],
    /// At most this many rows in one transaction; the marks are set in the last one. Bounds how long the write lock is held.
    pub transaction_rows_max: usize,
}

/// The current document of one id.
#[derive(Debug, Clone)]
pub struct InboundItem {
    /// The model.
    pub model: &'static ModelDescriptor,
    /// The id.
    pub id: DocumentId,
    /// What the store holds.
    pub incoming: Incoming,
}

/// What the store holds of one id, as a row.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// Nothing, or a husk.
    Absent,
    /// A document.
    Present(Remote),
    /// A document that cannot be read as a row of the model.
    Unreadable {
        /// As it came.
        document: Document,
        /// What is wrong with it.
        reason: RowError,
        /// Where it belongs, as far as it can be read. One that belongs elsewhere, and of which nothing is known here, is nothing to set aside.
        belongs: Belongs,
    },
}

/// A document as a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// Its mapped columns, canonical.
    pub image: Image,
    /// Their hash.
    pub hash: ContentHash,
    /// Whether it belongs on this device.
    pub belongs: Belongs,
    /// Whether the app does not want it in its table.
    pub declined: bool,
}

impl InboundItem {
    /// What `document`, as fetched, means for the table of `model`.
    #[must_use]
    pub fn new(
        model: &'static ModelDescriptor,
        id: DocumentId,
        document: Option<Document>,
        scopes: &Scopes,
    ) -> Self {
        Self::hashed(model, id, (document, None), scopes)
    }

    /// The same for a document whose hash as a row is known already, or not.
    pub(crate) fn hashed(
        model: &'static ModelDescriptor,
        id: DocumentId,
        (document, hash): (Option<Document>, Option<ContentHash>),
        scopes: &Scopes,
    ) -> Self {
        let incoming = match document {
            Some(mut document) if !model.is_husk(&document) => {
                // Before the image takes values out of it.
                let belongs = scopes.judge(model, &document);
                // What has no hash is no row: it stays as it is.
                let hash = hash.map_or_else(|| ContentHash::of_row(model, &document), Ok);
                let row = match hash {
                    Ok(hash) => model.take_image(&mut document).map(|image| (hash, image)),
                    // Of several fields the first one that was declared is named.
                    Err(reason) => Err(model.image_of(&document).err().unwrap_or(reason)),
                };
                match row {
                    Ok((hash, image)) => Incoming::Present(Remote {
                        hash,
                        image,
                        belongs,
                        declined: false,
                    }),
                    Err(reason) => Incoming::Unreadable {
                        document,
                        reason,
                        belongs,
                    },
                }
            }
            _ => Incoming::Absent,
        };
        Self { model, id, incoming }
    }
}

/// What documents would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Rows that have agreed with their documents.
    pub rows: u64,
    /// Of each document asked about, in that order; empty when the repository cannot tell.
    pub effects: Vec<Effect>,
}

/// What became of a document that was to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// Its row was missing and is back.
    Done,
    /// Its row is there and holds the same.
    Present,
    /// Its row is there and holds something else, or cannot be read.
    Differs,
    /// Its row was deleted here, sent or not.
    Deleted,
    /// It does not belong on this device.
    OutOfScope,
    /// It cannot be a row: why, naming the field or constraint.
    Refused(String),
}

/// What an apply did.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Rows written or deleted.
    pub changed: Vec<RowRef>,
    /// Documents whose hash was known: echoes and re-deliveries.
    pub unchanged: usize,
    /// Rows removed because they left the scope.
    pub left_scope: usize,
    /// Concurrent changes that met.
    pub conflicts: Vec<Conflict>,
    /// Documents that wait for another row.
    pub parked: Vec<RowRef>,
    /// Documents that do not fit.
    pub quarantined: Vec<Quarantined>,
    /// Transactions committed.
    pub transactions: usize,
}
