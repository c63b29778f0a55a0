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
    store::DocumentStore,
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
        // Hooks are asked about documents, and what is held or gathered is counted.
        if model.hooks().is_some() || !self.holds.is_quiet() {
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
