//! Transactions, and what is asked within them: [`Transactions`], [`Call`].
//!
//! Only a [`worker`](super::worker) makes them, each to its end. A panic inside one would leave the engine's write lock taken for good, so it is
//! caught before the transaction ends, which then rolls back. There is no way to start a transaction from within another, which
//! would wait for itself for good.

use std::panic::AssertUnwindSafe;

use dittolive_ditto::{
    dql::QueryResult,
    error::DittoError,
    store::{
        Store,
        transactions::{CreateTransactionOptions, Transaction},
    },
};
use futures_util::FutureExt;

use super::error::EngineError;
use crate::{statement::Statement, wire::IncomingDocument};

/// The store of one worker.
pub(super) struct Transactions {
    store: Store,
    runtime: tokio::runtime::Runtime,
}

/// How a write transaction ends.
pub(super) enum Ending<T> {
    /// What it wrote stays.
    Commit(T),
    /// As if it had not been.
    Rollback(T),
}

/// A document as read, and the bytes it was read from.
pub(super) struct Read {
    pub(super) incoming: IncomingDocument,
    pub(super) cbor: Vec<u8>,
}

impl Transactions {
    pub(super) fn new(store: Store, runtime: tokio::runtime::Runtime) -> Self {
        Self { store, runtime }
    }

    /// The engine's store, for what needs no transaction. Never its `execute`.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Reads in one transaction.
    pub(super) fn read<T: 'static>(
        &self,
        body: impl AsyncFnOnce(Call<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut options = CreateTransactionOptions::new();
        options.is_read_only = true;
        self.transact(options, async |call| body(call).await.map(Ending::Commit))
    }

    /// Writes in one transaction. An error rolls it back.
    pub(super) fn write<T: 'static>(
        &self,
        body: impl AsyncFnOnce(Call<'_>) -> Result<Ending<T>, EngineError>,
    ) -> Result<T, EngineError> {
        self.transact(CreateTransactionOptions::new(), body)
    }

    fn transact<T: 'static>(
        &self,
        options: CreateTransactionOptions<'_>,
        body: impl AsyncFnOnce(Call<'_>) -> Result<Ending<T>, EngineError>,
    ) -> Result<T, EngineError> {
        let transaction = self.store.transaction_with_options(options, async |transaction| {
            let outcome = AssertUnwindSafe(body(Call(transaction))).catch_unwind().await;
            match outcome {
                Ok(Ok(Ending::Commit(value))) => Ok(value),
                Ok(Ok(Ending::Rollback(value))) => Err(NotCommitted::Meant(value)),
                Ok(Err(error)) => Err(NotCommitted::Failed(error)),
                Err(_) => Err(NotCommitted::Failed(EngineError::Panicked)),
            }
        });
        match self.runtime.block_on(transaction) {
            Ok(value) | Err(NotCommitted::Meant(value)) => Ok(value),
            Err(NotCommitted::Failed(error)) => Err(error),
        }
    }
}

enum NotCommitted<T> {
    Meant(T),
    Failed(EngineError),
}

impl<T> From<DittoError> for NotCommitted<T> {
    fn from(error: DittoError) -> Self {
        Self::Failed(error.into())
    }
}

/// What can be done within a transaction.
#[derive(Clone, Copy)]
pub(super) struct Call<'a>(&'a Transaction);

impl Call<'_> {
    pub(super) async fn execute(&self, statement: Statement<'_>) -> Result<QueryResult, EngineError> {
        Ok(self.0.execute((statement.text, statement.arguments)).await?)
    }

    /// A statement without arguments.
    pub(super) async fn execute_text(&self, text: String) -> Result<QueryResult, EngineError> {
        Ok(self.0.execute(text).await?)
    }

    /// How many documents these statements changed.
    pub(super) async fn change(&self, statements: Vec<Statement<'_>>) -> Result<usize, EngineError> {
        let mut changed = 0;
        for statement in statements {
            changed += self.execute(statement).await?.mutated_document_ids().len();
        }
        Ok(changed)
    }

    /// The documents that these statements find.
    pub(super) async fn documents(&self, statements: Vec<Statement<'_>>) -> Result<Vec<Read>, EngineError> {
        let mut documents = Vec::new();
        for statement in statements {
            let result = self.execute(statement).await?;
            documents.reserve(result.item_count());
            for item in result.iter() {
                let cbor = item.cbor_data();
                let incoming = decoded(&cbor)?;
                documents.push(Read { incoming, cbor });
            }
        }
        Ok(documents)
    }
}

/// What CBOR of the engine holds.
pub(super) fn decoded<T: serde::de::DeserializeOwned>(cbor: &[u8]) -> Result<T, EngineError> {
    ciborium::from_reader(cbor).map_err(|error| EngineError::Unreadable(Box::new(error)))
}
