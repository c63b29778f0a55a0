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
    /// For each id the hash of its document, where that was recognized.
    hashes: Vec<Option<ContentHash>>,
}

impl Recognized {
    /// Whether the document of the id at this place was.
    pub(super) fn has(&self, at: usize) -> bool {
        self.hashes.get(at).is_some_and(Option::is_some)
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
        recognized.hashes = self.agreed(model, ids, hashes.collect()).await?;
        Ok(recognized)
    }

    /// Of these hashes of documents, those that their rows agreed on last; the others become `None`.
    pub(super) async fn agreed(
        &mut self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
        mut hashes: Vec<Option<ContentHash>>,
    ) -> Result<Vec<Option<ContentHash>>, SyncError> {
        let asked = ids.iter().zip(&hashes);
        let asked: Vec<_> = asked.filter_map(|(id, hash)| Some((id, (*hash)?))).collect();
        if asked.is_empty() {
            return Ok(hashes);
        }
        let answers = self.repository.agrees(model, &asked).await?;
        debug_assert_eq!(answers.len(), asked.len(), "every question is answered");
        let open = hashes.iter_mut().filter(|hash| hash.is_some());
        for (hash, agrees) in open.zip(answers) {
            if !agrees {
                *hash = None;
            }
        }
        Ok(hashes)
    }

    /// Tells of what was recognized, now that the rest of the chunk is in.
    pub(super) fn report_recognized(&mut self, chunk: &Chunk, recognized: &[Recognized]) {
        for Recognized { place, hashes } in recognized {
            let (position, ids) = &chunk.ids[*place];
            let collection = self.model(*position).collection();
            let of_ids = ids.iter().zip(hashes);
            let known = of_ids.filter_map(|(id, hash)| Some((id, (*hash)?)));
            let count = self.reporter.recognized(collection, known);
            self.hydrating.compared(collection, count);
        }
    }
}
