//! What documents would do to rows that exist, and rows that win over them.

use ditto_sync_core::{
    breaker::{Effect, effect},
    descriptor::ModelDescriptor,
    merge::inbound,
    repository::{InboundItem, Incoming, RowRef, Weighed},
    scope::Belongs,
};

use super::{CaptureKind, durable::Durable};

impl Durable {
    pub(super) fn weigh(&mut self, model: &'static ModelDescriptor, items: &[&InboundItem]) -> Weighed {
        let table = self.table(model);
        let weigh = |item: &&InboundItem| {
            let remote = match &item.incoming {
                Incoming::Absent => None,
                Incoming::Present(remote) => Some(remote),
                Incoming::Unreadable { .. } => return Effect::Harmless,
            };
            if table.parked.contains_key(&item.id) || !table.rows.contains_key(&item.id) {
                return Effect::Harmless;
            }
            match table.state(&item.id) {
                Ok(state) => effect(&state, &inbound(model, &item.id, &state, remote)),
                Err(_) => Effect::Harmless,
            }
        };
        Weighed {
            rows: table.known.len() as u64,
            effects: items.iter().map(weigh).collect(),
        }
    }

    pub(super) fn reject(&mut self, items: &[InboundItem]) -> Vec<RowRef> {
        assert!(
            self.in_flight.is_none(),
            "changes are taken back when nothing is in flight"
        );
        let mut kept = Vec::new();
        for item in items {
            let (model, id) = (item.model, &item.id);
            let table = self.table(model);
            let known = table.known.get(id).copied();
            if !table.rows.contains_key(id) {
                continue;
            }
            let (kind, old, hash) = match &item.incoming {
                Incoming::Absent if known.is_some() => (CaptureKind::Insert, None, None),
                Incoming::Present(remote)
                    if remote.belongs == Belongs::Here && known != Some(remote.hash) =>
                {
                    (CaptureKind::Update, Some(remote.image.clone()), Some(remote.hash))
                }
                _ => continue,
            };
            table.drop_entries(id, None);
            table.held_back.remove(id);
            match hash {
                Some(hash) => table.known.insert(id.clone(), hash),
                None => table.known.remove(id),
            };
            self.capture(model, id, kind, old);
            kept.push(RowRef {
                model,
                id: id.clone(),
            });
        }
        kept
    }
}
