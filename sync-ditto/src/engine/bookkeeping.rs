//! What the store remembers about itself: its id, and the last batch of each replica, in a collection that Ditto keeps on this device.

use ditto_sync_core::{
    document::FieldName,
    id::DocumentId,
    intent::{BatchId, ReplicaId},
    store::StoreId,
    value::Value,
};
use dittolive_ditto::dql::QueryResult;

use super::{
    error::EngineError,
    transaction::{Call, Ending, Transactions, decoded},
};
use crate::{
    statement::{select_one, upsert_one},
    wire::{Incoming, OutgoingDocument},
};

/// The collection. Its name stands in documents of users, so it never changes.
pub(super) const COLLECTION: &str = "ditto_sync_bookkeeping";
/// The engine's setting that says which collections leave the device. It is not persisted.
pub(super) const SCOPES: &str = "user_collection_sync_scopes";
/// The scope of a collection that stays.
pub(super) const LOCAL: &str = "LocalPeerOnly";

/// Keeps the bookkeeping from being synced. The setting holds all collections at once, so the others' scopes are kept.
///
/// Answers what the engine then holds, and whether that is right.
pub(super) fn keep_local(transactions: &Transactions) -> Result<(bool, Value), EngineError> {
    transactions.write(async |call| {
        let mut scopes = match scopes(call).await? {
            Value::Map(scopes) => scopes,
            _ => Default::default(),
        };
        if scopes.get(COLLECTION) != Some(&LOCAL.into()) {
            scopes.insert(COLLECTION.into(), LOCAL.into());
            let statement = crate::statement::set_system(SCOPES, Value::Map(scopes.clone()));
            call.execute(statement).await?;
        }
        let found = self::scopes(call).await?;
        Ok(Ending::Commit((found == Value::Map(scopes), found)))
    })
}

async fn scopes(call: Call<'_>) -> Result<Value, EngineError> {
    let result = call.execute_text(format!("SHOW {SCOPES}")).await?;
    let Some(item) = result.get_item(0) else {
        return Ok(Value::Null);
    };
    let Incoming(Value::Map(mut shown)) = decoded(&item.cbor_data())? else {
        return Ok(Value::Null);
    };
    Ok(shown.remove(SCOPES).unwrap_or_default())
}

/// The store's id, made at random the first time.
pub(super) fn store_id(transactions: &Transactions, fresh: &str) -> Result<StoreId, EngineError> {
    let id = DocumentId::text("store").expect("a short text is an id");
    transactions.write(async |call| {
        let found = call.documents(vec![select_one(COLLECTION, &id)]).await?;
        let found = found.first().and_then(|read| read.incoming.document.get(NAME));
        if let Some(Value::Text(name)) = found {
            return Ok(Ending::Rollback(StoreId(name.as_str().into())));
        }
        put(call, &id, NAME, &Value::Text(fresh.into())).await?;
        Ok(Ending::Commit(StoreId(fresh.into())))
    })
}

/// The sequence of the last batch of this replica.
pub(super) async fn last_applied(call: Call<'_>, replica: ReplicaId) -> Result<Option<u64>, EngineError> {
    let id = replica_id(replica);
    let found = call.documents(vec![select_one(COLLECTION, &id)]).await?;
    Ok(
        match found
            .first()
            .and_then(|read| read.incoming.document.get(SEQUENCE))
        {
            Some(Value::Int(sequence)) => u64::try_from(*sequence).ok(),
            _ => None,
        },
    )
}

/// Notes that a batch was applied, in its own transaction.
pub(super) async fn note_applied(call: Call<'_>, batch: BatchId) -> Result<QueryResult, EngineError> {
    let sequence = i64::try_from(batch.sequence).expect("no replica writes 2^63 batches");
    put(call, &replica_id(batch.replica), SEQUENCE, &Value::Int(sequence)).await
}

const NAME: &str = "name";
const SEQUENCE: &str = "sequence";

async fn put(
    call: Call<'_>,
    id: &DocumentId,
    field: &str,
    value: &Value,
) -> Result<QueryResult, EngineError> {
    let name = FieldName::new(field);
    let fields = vec![(&name, value)];
    call.execute(upsert_one(COLLECTION, OutgoingDocument { id, fields }))
        .await
}

fn replica_id(replica: ReplicaId) -> DocumentId {
    DocumentId::text(format!("replica/{replica}")).expect("32 digits and a word are an id")
}
