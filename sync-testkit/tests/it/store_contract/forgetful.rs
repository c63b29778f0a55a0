//! The contract suite of stores finds a store whose observations report only what they have shown before: what matched for a while between two
//! reports is forgotten, as an engine does that compares one result of a query with the next.

use std::{collections::HashSet, panic::AssertUnwindSafe};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{Intent, ReplicaId},
    query::Query,
    store::{
        Capabilities, ChangeBatch, ChangeKind, Cursor, DocumentStore, Frontier, Observation, Scan,
        StoreError, StoreIdentity, WriteOutcome,
    },
};
use ditto_sync_testkit::{
    Flavor, MemoryStore,
    contract::store::{StoreFixture, cases},
};
use futures_util::FutureExt;

use super::MemoryFixture;

/// A case that waits for a report in vain ends when its deadline is over, which is at once in paused time.
#[tokio::test(start_paused = true)]
async fn a_store_that_forgets_what_matched_for_a_while_fails_the_cases_about_it() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        let fixture = ForgetfulFixture(MemoryFixture::new(flavor));
        cases::own_writes_are_observed(&fixture).await;
        cases::only_matching_documents_are_observed(&fixture).await;
        assert_fails(cases::an_own_write_is_observed_whatever_became_of_the_document(
            &fixture,
        ))
        .await;
        assert_fails(cases::a_seed_that_nobody_sees_is_observed(&fixture)).await;
        assert_fails(cases::a_document_of_a_peer_that_matched_for_a_while_is_observed(
            &fixture,
        ))
        .await;
    }
}

async fn assert_fails(case: impl Future<Output = ()>) {
    let panicked = AssertUnwindSafe(case)
        .catch_unwind()
        .await
        .expect_err("the case fails");
    let message = panicked
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panicked.downcast_ref::<&str>().copied());
    assert!(
        message.is_some_and(|message| message.contains("the observation reports in time")),
        "it fails because nothing is reported: {message:?}"
    );
}

struct ForgetfulFixture(MemoryFixture);

struct ForgetfulStore(MemoryStore);

struct ForgetfulObservation {
    inner: <MemoryStore as DocumentStore>::Observation,
    shown: HashSet<DocumentId>,
}

impl StoreFixture for ForgetfulFixture {
    type Store = ForgetfulStore;

    async fn open(&self, name: &str) -> ForgetfulStore {
        ForgetfulStore(self.0.open(name).await)
    }

    async fn reopen(&self, name: &str, store: ForgetfulStore) -> ForgetfulStore {
        ForgetfulStore(self.0.reopen(name, store.0).await)
    }

    fn has_peers(&self) -> bool {
        true
    }

    async fn connect(&self, one: &ForgetfulStore, other: &ForgetfulStore) {
        self.0.connect(&one.0, &other.0).await;
    }

    async fn disconnect(&self, one: &ForgetfulStore, other: &ForgetfulStore) {
        self.0.disconnect(&one.0, &other.0).await;
    }

    async fn settle(&self, one: &ForgetfulStore, other: &ForgetfulStore) {
        self.0.settle(&one.0, &other.0).await;
    }
}

impl DocumentStore for ForgetfulStore {
    type Observation = ForgetfulObservation;

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.0.identity(replica).await
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        self.0.write(intent).await
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.0.fetch(model, ids).await
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        self.0.scan(model, query).await
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<ForgetfulObservation, StoreError> {
        let shown = self.0.scan(model, query).await?.ids.into_iter().collect();
        let inner = self.0.observe(model, query, cursor).await?;
        Ok(ForgetfulObservation { inner, shown })
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        self.0.covers(frontier).await
    }
}

impl Observation for ForgetfulObservation {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        loop {
            let mut batch = self.inner.next().await?;
            batch.changes.retain(|change| match change.kind {
                ChangeKind::Upserted => {
                    self.shown.insert(change.id.clone());
                    true
                }
                _ => self.shown.remove(&change.id),
            });
            if !batch.changes.is_empty() {
                return Ok(batch);
            }
        }
    }
}
