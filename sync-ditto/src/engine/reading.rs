//! Reading documents: [`fetch`], [`scan`].

use std::collections::HashMap;

use ditto_sync_core::{descriptor::ModelDescriptor, document::Document, id::DocumentId, query::Query};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    error::EngineError,
    transaction::{Call, Read, Transactions, decoded},
};
use crate::{
    statement::{Statement, select, select_ids},
    wire::{ID_FIELD, IncomingDocument},
};

/// A hash of a document's bytes, which the engine writes alike for equal documents. It lives no longer than the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawHash(u128);

impl RawHash {
    pub(super) fn of(cbor: &[u8]) -> Self {
        Self(xxh3_128(cbor))
    }
}

/// A document that is there, husk or not.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) document: Document,
    pub(super) hash: RawHash,
}

/// The documents of these ids that are there, husks too.
pub(super) fn fetch(
    transactions: &Transactions,
    model: &'static ModelDescriptor,
    ids: &[DocumentId],
) -> Result<HashMap<DocumentId, Found>, EngineError> {
    let mut wanted: Vec<_> = ids.iter().collect();
    wanted.sort_unstable();
    wanted.dedup();
    transactions.read(async |call| {
        let read = call.documents(select(model.collection(), &wanted)).await?;
        let found = read.into_iter().filter_map(|Read { incoming, cbor }| {
            let hash = RawHash::of(&cbor);
            let (id, document) = in_terms_of(model, incoming)?;
            Some((id, Found { document, hash }))
        });
        Ok(found.collect())
    })
}

/// The ids of all documents that match and are no husks.
pub(super) fn scan(
    transactions: &Transactions,
    model: &'static ModelDescriptor,
    query: &Query,
) -> Result<Vec<DocumentId>, EngineError> {
    let statement = select_ids(model, query)?;
    transactions.read(async |call| {
        let result = call.execute(statement).await?;
        let mut ids = Vec::with_capacity(result.item_count());
        let mut foreign = 0_usize;
        for item in result.iter() {
            let incoming: IncomingDocument = decoded(&item.cbor_data())?;
            match incoming.id {
                Some(id) => ids.push(id),
                None => foreign += 1,
            }
        }
        if foreign > 0 {
            tracing::warn!(
                collection = model.collection(),
                documents = foreign,
                "documents are left out: no row can have their ids"
            );
        }
        // Neighbours are on the same pages of the table's key, so that each transaction of a first sync changes few of them.
        ids.sort_unstable();
        Ok(ids)
    })
}

/// The documents that these statements find, by id.
pub(super) async fn documents_by_id(
    call: Call<'_>,
    model: &ModelDescriptor,
    statements: Vec<Statement<'_>>,
) -> Result<HashMap<DocumentId, Document>, EngineError> {
    let read = call.documents(statements).await?;
    Ok(read
        .into_iter()
        .filter_map(|read| in_terms_of(model, read.incoming))
        .collect())
}

/// The document with its id where the model has it as a field.
pub(super) fn in_terms_of(
    model: &ModelDescriptor,
    incoming: IncomingDocument,
) -> Option<(DocumentId, Document)> {
    let IncomingDocument { id, mut document } = incoming;
    let id = id?;
    let names = model.id_fields().iter().map(|field| field.document_name());
    if names.chain(model.anchor()).any(|name| name == ID_FIELD) {
        document.set(ID_FIELD, id.to_value());
    }
    Some((id, document))
}
