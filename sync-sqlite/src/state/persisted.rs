//! The durable state of the coordinator as a whole, in memory as in the database: replica, intents, marks ([`Persisted`]).
//!
//! Not here: what belongs to single rows (`known`, `outbox`, `quarantine`).

use ditto_sync_core::{
    column::ColumnValue,
    intent::{Intent, ReplicaId},
    query::Query,
    repository::{Mark, ModelState, SyncState},
    store::{Cursor, Frontier, StoreId},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Fault, ModelSql, RandomError, missed, rehash};
use crate::{
    codec,
    layout::ModelLayout,
    native::{Native, NativeError},
};

/// Acknowledged intents kept, for a store that loses its newest commits.
const RETAINED_MAX: i64 = 10;

const IN_FLIGHT: i64 = 0;
const ACKNOWLEDGED: i64 = 1;

const REPLICA: &str = "replica";
const NEXT_SEQUENCE: &str = "next_sequence";
const LAST_ACKNOWLEDGED: &str = "acknowledged";
const STORE: &str = "store";
const FRONTIER: &str = "frontier";
const AWAIT_PEER: &str = "await_peer";
/// With the number of the model behind it.
const BURST: &str = "burst ";

/// What the coordinator as a whole has recorded.
#[derive(Debug)]
pub(crate) struct Persisted {
    pub(crate) replica: ReplicaId,
    pub(crate) next_sequence: u64,
    pub(crate) acknowledged: Option<u64>,
    /// The sequence of the intent in flight.
    pub(crate) in_flight: Option<u64>,
    pub(crate) store: Option<StoreId>,
    pub(crate) frontier: Option<Frontier>,
    pub(crate) await_peer: bool,
    pub(crate) models: Vec<ModelState>,
    pub(crate) seeded: Vec<bool>,
}

impl Persisted {
    /// Reads it; a database that has no replica id gets one.
    pub(crate) fn load(native: &Native<'_>, models: &[ModelSql]) -> Result<Self, Fault> {
        let replica = match get(native, REPLICA)? {
            Some(replica) => replica,
            None => new_replica(native)?,
        };
        let mut states = Vec::with_capacity(models.len());
        let mut seeded = Vec::with_capacity(models.len());
        let mut select =
            native.prepare("SELECT cursor, reconciled, seeded FROM main.ditto_sync_models WHERE no = ?1")?;
        for sql in models {
            select.bind_i64(1, sql.number)?;
            let (mut state, mut is_seeded) = (ModelState::default(), false);
            if select.step()? {
                if !select.is_null(0) {
                    state.cursor = Some(codec::decode(select.column_blob(0)?)?);
                }
                if !select.is_null(1) {
                    state.reconciled = Some(codec::decode(select.column_blob(1)?)?);
                }
                is_seeded = select.column_i64(2) != 0;
            }
            select.reset();
            state.burst = get(native, &burst_key(sql))?;
            states.push(state);
            seeded.push(is_seeded);
        }
        let mut flying = native.prepare(&format!(
            "SELECT sequence FROM main.ditto_sync_intents WHERE state = {IN_FLIGHT}"
        ))?;
        let in_flight = if flying.step()? {
            Some(codec::sequence_from_sql(flying.column_i64(0))?)
        } else {
            None
        };
        Ok(Self {
            replica,
            next_sequence: get(native, NEXT_SEQUENCE)?.unwrap_or(1),
            acknowledged: get(native, LAST_ACKNOWLEDGED)?,
            in_flight,
            store: get(native, STORE)?,
            frontier: get(native, FRONTIER)?,
            await_peer: get(native, AWAIT_PEER)?.unwrap_or(false),
            models: states,
            seeded,
        })
    }

    /// The state as the coordinator sees it.
    pub(crate) fn sync_state(
        &self,
        native: &Native<'_>,
        models: &[ModelSql],
        order: &[usize],
    ) -> Result<SyncState, Fault> {
        let in_flight = match self.in_flight {
            Some(sequence) => load_intent(native, models, sequence)?,
            None => None,
        };
        let mut retained = Vec::new();
        let mut select = native.prepare(&format!(
            "SELECT previous, sequence FROM main.ditto_sync_intents WHERE state = {ACKNOWLEDGED} ORDER BY sequence"
        ))?;
        while select.step()? {
            let previous = if select.is_null(0) {
                None
            } else {
                Some(codec::sequence_from_sql(select.column_i64(0))?)
            };
            retained.push((previous, codec::sequence_from_sql(select.column_i64(1))?));
        }
        Ok(SyncState {
            replica: self.replica,
            in_flight,
            acknowledged: self.acknowledged,
            retained,
            store: self.store.clone(),
            frontier: self.frontier.clone(),
            await_peer: self.await_peer,
            models: self.models.clone(),
            order: order.to_vec(),
        })
    }

    /// Whether a mark is set already.
    pub(crate) fn has(&self, mark: &Mark, models: &[ModelSql]) -> bool {
        let state = |collection: &str| position(models, collection).map(|at| &self.models[at]);
        match mark {
            Mark::Cursor(collection, cursor) => state(collection).is_none_or(|state| state.cursor == *cursor),
            Mark::Reconciled(collection, query) => {
                state(collection).is_none_or(|state| state.reconciled == *query)
            }
            Mark::Store(store, frontier) => {
                self.store.as_ref() == Some(store) && (frontier.is_none() || self.frontier == *frontier)
            }
            Mark::AwaitPeer(awaiting) => self.await_peer == *awaiting,
            Mark::Burst(collection, burst) => state(collection).is_none_or(|state| state.burst == *burst),
        }
    }

    /// Sets marks; whether any was not set already.
    pub(crate) fn set_marks(
        &mut self,
        native: &Native<'_>,
        models: &[ModelSql],
        marks: &[Mark],
    ) -> Result<bool, Fault> {
        let mut changed = false;
        for mark in marks {
            if self.has(mark, models) {
                continue;
            }
            changed = true;
            match mark {
                Mark::Cursor(collection, cursor) => {
                    self.set_cursor(native, models, (collection, cursor.clone()))?;
                }
                Mark::Reconciled(collection, query) => {
                    self.set_reconciled(native, models, (collection, query.clone()))?;
                }
                Mark::Store(store, frontier) => {
                    put(native, STORE, Some(store))?;
                    self.store = Some(store.clone());
                    if frontier.is_some() {
                        put(native, FRONTIER, frontier.as_ref())?;
                        self.frontier.clone_from(frontier);
                    }
                }
                Mark::AwaitPeer(awaiting) => self.set_await_peer(native, *awaiting)?,
                Mark::Burst(collection, burst) => {
                    if let Some(at) = position(models, collection) {
                        put(native, &burst_key(&models[at]), burst.as_ref())?;
                        self.models[at].burst.clone_from(burst);
                    }
                }
            }
        }
        Ok(changed)
    }

    pub(crate) fn set_await_peer(&mut self, native: &Native<'_>, awaiting: bool) -> Result<(), Fault> {
        put(native, AWAIT_PEER, awaiting.then_some(&true))?;
        self.await_peer = awaiting;
        Ok(())
    }

    /// Whether every row of the model that was there before us has been offered to the store.
    pub(crate) fn set_seeded(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        (model, seeded): (usize, bool),
    ) -> Result<(), Fault> {
        let mut update = native.prepare("UPDATE main.ditto_sync_models SET seeded = ?2 WHERE no = ?1")?;
        update.bind_i64(1, sql.number)?;
        update.bind_i64(2, i64::from(seeded))?;
        update.run()?;
        self.seeded[model] = seeded;
        Ok(())
    }

    /// Makes everything be compared again: cursors and reconciled scopes are forgotten.
    pub(crate) fn forget_progress(&mut self, native: &Native<'_>) -> Result<(), Fault> {
        native.execute("UPDATE main.ditto_sync_models SET cursor = NULL, reconciled = NULL")?;
        native.execute(&format!(
            "DELETE FROM main.ditto_sync_meta WHERE key LIKE '{BURST}%'"
        ))?;
        self.models.fill(ModelState::default());
        Ok(())
    }

    /// Writes the intent in flight; its number is used up whatever becomes of it.
    pub(crate) fn put_in_flight(&mut self, native: &Native<'_>, intent: &Intent) -> Result<(), Fault> {
        assert!(self.in_flight.is_none(), "one intent is in flight at a time");
        let sequence = intent.batch.sequence;
        let mut insert = native.prepare(&format!(
            "INSERT INTO main.ditto_sync_intents (sequence, previous, state) VALUES (?1, ?2, {IN_FLIGHT})"
        ))?;
        insert.bind_i64(1, codec::sequence_to_sql(sequence))?;
        match self.acknowledged {
            Some(previous) => insert.bind_i64(2, codec::sequence_to_sql(previous))?,
            None => insert.bind_null(2)?,
        }
        insert.run()?;
        let mut insert =
            native.prepare("INSERT INTO main.ditto_sync_payloads (sequence, payload) VALUES (?1, ?2)")?;
        insert.run_with(&[
            &ColumnValue::Integer(codec::sequence_to_sql(sequence)),
            &ColumnValue::Blob(codec::encode_intent(intent)),
        ])?;
        self.next_sequence = sequence + 1;
        put(native, NEXT_SEQUENCE, Some(&self.next_sequence))?;
        self.in_flight = Some(sequence);
        Ok(())
    }

    /// The intent in flight has been applied; the newest ones are retained.
    pub(crate) fn acknowledge_in_flight(&mut self, native: &Native<'_>) -> Result<(), Fault> {
        let sequence = self
            .in_flight
            .take()
            .expect("the caller has checked what is in flight");
        let mut update = native.prepare(&format!(
            "UPDATE main.ditto_sync_intents SET state = {ACKNOWLEDGED} WHERE sequence = ?1"
        ))?;
        update.bind_i64(1, codec::sequence_to_sql(sequence))?;
        update.run()?;
        native.execute(&format!(
            "DELETE FROM main.ditto_sync_intents WHERE sequence NOT IN
             (SELECT sequence FROM main.ditto_sync_intents ORDER BY sequence DESC LIMIT {RETAINED_MAX})"
        ))?;
        drop_payloads(native)?;
        self.set_acknowledged(native, Some(sequence))
    }

    /// The intent in flight is forgotten.
    pub(crate) fn forget_in_flight(&mut self, native: &Native<'_>) -> Result<(), Fault> {
        native.execute(&format!(
            "DELETE FROM main.ditto_sync_intents WHERE state = {IN_FLIGHT}"
        ))?;
        drop_payloads(native)?;
        self.in_flight = None;
        Ok(())
    }

    /// All intents are forgotten, and batch ids start anew under another name.
    pub(crate) fn new_life(&mut self, native: &Native<'_>) -> Result<(), Fault> {
        native.execute("DELETE FROM main.ditto_sync_intents")?;
        drop_payloads(native)?;
        self.in_flight = None;
        self.set_acknowledged(native, None)?;
        self.replica = new_replica(native)?;
        Ok(())
    }

    pub(crate) fn set_acknowledged(
        &mut self,
        native: &Native<'_>,
        sequence: Option<u64>,
    ) -> Result<(), Fault> {
        put(native, LAST_ACKNOWLEDGED, sequence.as_ref())?;
        self.acknowledged = sequence;
        Ok(())
    }

    /// The newest retained intent, and the one acknowledged before it.
    pub(crate) fn newest_retained(
        native: &Native<'_>,
        models: &[ModelSql],
    ) -> Result<Option<(Option<u64>, Intent)>, Fault> {
        let mut select = native.prepare(&format!(
            "SELECT previous, sequence FROM main.ditto_sync_intents WHERE state = {ACKNOWLEDGED} ORDER BY sequence DESC LIMIT 1"
        ))?;
        if !select.step()? {
            return Ok(None);
        }
        let previous = if select.is_null(0) {
            None
        } else {
            Some(codec::sequence_from_sql(select.column_i64(0))?)
        };
        let sequence = codec::sequence_from_sql(select.column_i64(1))?;
        Ok(load_intent(native, models, sequence)?.map(|intent| (previous, intent)))
    }

    /// Forgets one retained intent.
    pub(crate) fn forget_retained(native: &Native<'_>, sequence: u64) -> Result<(), NativeError> {
        let mut delete = native.prepare("DELETE FROM main.ditto_sync_intents WHERE sequence = ?1")?;
        delete.bind_i64(1, codec::sequence_to_sql(sequence))?;
        delete.run()?;
        drop_payloads(native)
    }

    fn set_cursor(
        &mut self,
        native: &Native<'_>,
        models: &[ModelSql],
        (collection, cursor): (&str, Option<Cursor>),
    ) -> Result<(), Fault> {
        if let Some(at) = position(models, collection) {
            put_model(native, "cursor", (models[at].number, cursor.as_ref()))?;
            self.models[at].cursor = cursor;
        }
        Ok(())
    }

    fn set_reconciled(
        &mut self,
        native: &Native<'_>,
        models: &[ModelSql],
        (collection, query): (&str, Option<Query>),
    ) -> Result<(), Fault> {
        if let Some(at) = position(models, collection) {
            put_model(native, "reconciled", (models[at].number, query.as_ref()))?;
            self.models[at].reconciled = query;
        }
        Ok(())
    }
}

/// Brings the known sets in line with models whose columns have changed, and captures what happened to rows while triggers were missing.
pub(super) fn settle_changed_layouts(
    native: &Native<'_>,
    models: &[ModelSql],
    layouts: &[ModelLayout],
) -> Result<(), Fault> {
    for (sql, layout) in models.iter().zip(layouts) {
        if layout.rehash {
            rehash::hash_again(native, sql, &layout.new_fields)?;
        }
        if layout.reinstalled && !layout.created {
            missed::capture_missed(native, sql)?;
            let mut forget = native.prepare(
                "UPDATE main.ditto_sync_models SET cursor = NULL, reconciled = NULL WHERE no = ?1",
            )?;
            forget.bind_i64(1, sql.number)?;
            forget.run()?;
        }
    }
    Ok(())
}

fn new_replica(native: &Native<'_>) -> Result<ReplicaId, Fault> {
    let replica = ReplicaId::random().map_err(|error| RandomError(error.to_string()))?;
    put(native, REPLICA, Some(&replica))?;
    Ok(replica)
}

/// Payloads go with their intents. They have a table of their own, because an update of any column writes a row anew, and an intent may have hundreds of kilobytes.
fn drop_payloads(native: &Native<'_>) -> Result<(), NativeError> {
    native.execute(
        "DELETE FROM main.ditto_sync_payloads WHERE sequence NOT IN (SELECT sequence FROM main.ditto_sync_intents)",
    )
}

fn load_intent(native: &Native<'_>, models: &[ModelSql], sequence: u64) -> Result<Option<Intent>, Fault> {
    let mut select = native.prepare("SELECT payload FROM main.ditto_sync_payloads WHERE sequence = ?1")?;
    select.bind_i64(1, codec::sequence_to_sql(sequence))?;
    if !select.step()? {
        return Ok(None);
    }
    let find = |collection: &str| position(models, collection).map(|at| models[at].model);
    Ok(Some(codec::decode_intent(select.column_blob(0)?, find)?))
}

fn burst_key(sql: &ModelSql) -> String {
    format!("{BURST}{}", sql.number)
}

fn position(models: &[ModelSql], collection: &str) -> Option<usize> {
    models.iter().position(|sql| sql.model.collection() == collection)
}

fn get<T: DeserializeOwned>(native: &Native<'_>, key: &str) -> Result<Option<T>, Fault> {
    let mut select = native.prepare("SELECT value FROM main.ditto_sync_meta WHERE key = ?1")?;
    select.bind_text(1, key)?;
    if !select.step()? || select.is_null(0) {
        return Ok(None);
    }
    Ok(Some(codec::decode(select.column_blob(0)?)?))
}

fn put<T: Serialize>(native: &Native<'_>, key: &str, value: Option<&T>) -> Result<(), Fault> {
    let Some(value) = value else {
        let mut delete = native.prepare("DELETE FROM main.ditto_sync_meta WHERE key = ?1")?;
        delete.bind_text(1, key)?;
        delete.run()?;
        return Ok(());
    };
    let mut upsert = native.prepare(
        "INSERT INTO main.ditto_sync_meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?;
    upsert.bind_text(1, key)?;
    upsert.bind_blob(2, &codec::encode(value))?;
    upsert.run()?;
    Ok(())
}

fn put_model<T: Serialize>(
    native: &Native<'_>,
    column: &str,
    (number, value): (i64, Option<&T>),
) -> Result<(), Fault> {
    let mut update = native.prepare(&format!(
        "UPDATE main.ditto_sync_models SET {column} = ?2 WHERE no = ?1"
    ))?;
    update.bind_i64(1, number)?;
    match value {
        Some(value) => update.bind_blob(2, &codec::encode(value))?,
        None => update.bind_null(2)?,
    }
    update.run()?;
    Ok(())
}
