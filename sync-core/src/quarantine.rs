//! What a record in quarantine is, and how it gets out: [`QuarantineRecord`], [`Release`].
//!
//! Not here: when a record gets in (the repository decides while it drafts and applies), and who asks for it to get out
//! ([`SyncHandle`](crate::coordinator::SyncHandle)).

use std::{fmt, time::SystemTime};

use crate::{
    column::ColumnValue,
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{Expect, Intent},
    merge::Conflict,
    repository::Way,
};

/// A record that cannot be sent or applied, as it is kept until it is mended or discarded.
#[derive(Debug, Clone)]
pub struct QuarantineRecord {
    /// The model.
    pub model: &'static ModelDescriptor,
    /// The id; `None` when the row's key is not one: such a row is mended by SQL.
    pub id: Option<DocumentId>,
    /// Which way it was going.
    pub way: Way,
    /// Why, naming the field or constraint.
    pub reason: String,
    /// The record itself.
    pub content: Content,
    /// How often it was tried, re-deliveries of the same document not counted.
    pub attempts: u64,
    /// When it came into quarantine.
    pub since: SystemTime,
}

/// What a record in quarantine holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A document as it came; of one that could be read, the mapped fields. `None`: there is none any more, but its row could not be deleted.
    Document(Option<Document>),
    /// A row as the table holds it now, raw.
    Row {
        /// Its key columns.
        key: Vec<ColumnValue>,
        /// Its other mapped columns; `None`: the row is gone, its delete could not be sent.
        columns: Option<Vec<ColumnValue>>,
    },
}

/// How a record is to leave the quarantine.
#[derive(Debug, Clone, PartialEq)]
pub enum Release {
    /// It is tried again, both ways. It stays listed until that worked; the attempt is counted.
    Retry,
    /// It is given up. On its way out: the row goes back to what was last agreed on, is removed if there is no such thing, and the local values are
    /// reported. On its way in: this version of the document is ignored, until it changes again.
    Discard(Way),
    /// These columns of the row get new values, as a statement of the app would give them.
    EditRow(Vec<(String, ColumnValue)>),
    /// This takes the place of the document that came in: it becomes the row, and is sent over the document in the store.
    EditDocument(Document),
}

/// How a release ended.
#[derive(Debug, Clone)]
pub enum Released {
    /// As asked for.
    Done {
        /// Local values that were given up.
        conflict: Option<Conflict>,
        /// The edited document on its way out; it is in flight from now on.
        intent: Option<Intent>,
    },
    /// There is no such record in quarantine.
    NotThere,
    /// It cannot be, and nothing has changed: why, naming the field or constraint.
    Refused(String),
}

impl Released {
    /// As asked for, with nothing to report.
    #[must_use]
    pub fn done() -> Self {
        Self::Done {
            conflict: None,
            intent: None,
        }
    }
}

impl QuarantineRecord {
    /// What the store must hold for an edited document to be written over this one; a document that cannot be read is compared as a whole.
    #[must_use]
    pub fn expect(model: &ModelDescriptor, found: Option<&Document>) -> Expect {
        match (found, model.hash_of(found)) {
            (Some(document), Err(_)) => Expect::Unreadable(crate::hash::ContentHash::of_document(document)),
            (_, Ok(Some(hash))) => Expect::Hash(hash),
            _ => Expect::Absent,
        }
    }

    /// `edited` as it is written: with id and anchor, its mapped fields as the row holds them, and all its other fields.
    ///
    /// # Errors
    /// When it cannot be read as a row, or a value is one that no store takes; names the field.
    pub fn whole_document(
        model: &ModelDescriptor,
        id: &DocumentId,
        edited: &Document,
    ) -> Result<Document, crate::descriptor::RowError> {
        let mut whole = edited.clone();
        for (name, value) in model.document_of(id, &model.image_of(edited)?)? {
            whole.set(name, value);
        }
        Ok(whole)
    }
}

/// One line for a support person.
impl fmt::Display for QuarantineRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Outbound => "on its way out",
            Way::Inbound => "on its way in",
        };
        write!(f, "{}/", self.model.collection())?;
        match &self.id {
            Some(id) => write!(f, "{id}")?,
            None => f.write_str("(no id)")?,
        }
        write!(f, " {way}, attempt {}: {}", self.attempts, self.reason)
    }
}
