//! Recognizes documents that are what their rows agreed on last, echoes of own writes and re-deliveries, from their hashes alone: no row is made of them.
//!
//! What is left goes the usual way, which would recognize them too, so nothing depends on this but time. Not here: that way (`inbound`).

use super::{SyncError, engine::Engine, queue::Chunk};
use crate::{
    descriptor::ModelDescriptor,
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    repository::Repository,
    scope::{Belongs, ModelScope},
    store::{Change, DocumentStore},
};

/// What was recognized of one model of a chunk.
#[derive(Debug)]
pub(super) struct Recognized {
    /// The place of the model in the chunk.
    place: usize,
    /// For each id the hash of its document, where it was computed.
    hashes: Vec<Option<ContentHash>>,
    /// For each id whether its document was recognized.
    agreed: Vec<bool>,
}

impl Recognized {
    /// Whether the document of the id at this place was.
    pub(super) fn has(&self, at: usize) -> bool {
        self.agreed.get(at).copied().unwrap_or(false)
    }

    /// The hash of the document of the id at this place, where it was computed.
    pub(super) fn hash(&self, at: usize) -> Option<ContentHash> {
        self.hashes.get(at).copied().flatten()
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Recognizes documents of the model at `position`, which has this place in the chunk.
    pub(super) async fn recognize(
        &mut self,
        (position, place): (usize, usize),
        ids: &[DocumentId],
        documents: &[Option<Document>],
    ) -> Result<Recognized, SyncError> {
        let model = self.model(position);
        let mut recognized = Recognized {
            place,
            hashes: Vec::new(),
            agreed: Vec::new(),
        };
        if !self.recognizes(model) {
            return Ok(recognized);
        }
        let everything = matches!(self.setup.scopes.of(model), ModelScope::Everything);
        let here = |document: &Document| {
            everything || self.setup.scopes.judge(model, document) != Belongs::Elsewhere
        };
        let hash = |document: &Document| {
            let usable = !model.is_husk(document) && here(document);
            usable
                .then(|| ContentHash::of_row(model, document).ok())
                .flatten()
        };
        let hashes = documents.iter().map(|document| document.as_ref().and_then(hash));
        recognized.hashes = hashes.collect();
        recognized.agreed = self.agreed(model, ids, &recognized.hashes).await?;
        Ok(recognized)
    }

    /// Leaves out of a report what it says itself to be what the rows agreed on last, echoes of own writes mostly: that need not be fetched. Returns the other ids.
    pub(super) async fn pass_over_agreed(
        &mut self,
        position: usize,
        changes: Vec<Change>,
    ) -> Vec<DocumentId> {
        let hashes: Vec<_> = changes.iter().map(|change| change.hash).collect();
        let ids: Vec<_> = changes.into_iter().map(|change| change.id).collect();
        let model = self.model(position);
        let any = hashes.iter().any(Option::is_some);
        if !any || !self.recognizes(model) || !self.has_judged_all(position) {
            return ids;
        }
        let Ok(agreed) = self.agreed(model, &ids, &hashes).await else {
            // Whatever is wrong with the database is met by the usual way, which says so.
            return ids;
        };
        let known = ids
            .iter()
            .zip(&hashes)
            .zip(&agreed)
            .filter(|(_, agreed)| **agreed);
        let known = known.filter_map(|((id, hash), _)| Some((id, (*hash)?)));
        let count = self.reporter.recognized(model.collection(), known);
        self.hydrating.compared(model.collection(), count);
        let others = ids.into_iter().zip(agreed).filter(|(_, agreed)| !agreed);
        others.map(|(id, _)| id).collect()
    }

    /// Whether a hash may stand for a document: hooks are asked about documents, and what is held or gathered is counted.
    fn recognizes(&self, model: &ModelDescriptor) -> bool {
        model.hooks().is_none() && self.holds.is_quiet()
    }

    /// Whether each known row has been judged by the scope of now, so that one that agrees need not be judged again.
    fn has_judged_all(&self, position: usize) -> bool {
        let model = self.model(position);
        if matches!(self.setup.scopes.of(model), ModelScope::Everything) {
            return true;
        }
        let scope = self.setup.scopes.query(model);
        scope.is_some() && self.state.models[position].reconciled == scope
    }

    /// For each of these hashes of documents, whether it is what the row agreed on last.
    pub(super) async fn agreed(
        &mut self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
        hashes: &[Option<ContentHash>],
    ) -> Result<Vec<bool>, SyncError> {
        let asked = ids.iter().zip(hashes);
        let asked: Vec<_> = asked.filter_map(|(id, hash)| Some((id, (*hash)?))).collect();
        if asked.is_empty() {
            return Ok(vec![false; hashes.len()]);
        }
        let answers = self.repository.agrees(model, &asked).await?;
        debug_assert_eq!(answers.len(), asked.len(), "every question is answered");
        let mut answers = answers.into_iter();
        let answer = |hash: &Option<ContentHash>| hash.is_some() && answers.next().unwrap_or(false);
        Ok(hashes.iter().map(answer).collect())
    }

    /// Tells of what was recognized, now that the rest of the chunk is in.
    pub(super) fn report_recognized(&mut self, chunk: &Chunk, recognized: &[Recognized]) {
        for recognized in recognized {
            let (position, ids) = &chunk.ids[recognized.place];
            let collection = self.model(*position).collection();
            let known = ids.iter().enumerate().filter(|(at, _)| recognized.has(*at));
            let known = known.filter_map(|(at, id)| Some((id, recognized.hash(at)?)));
            let count = self.reporter.recognized(collection, known);
            self.hydrating.compared(collection, count);
        }
    }
}
