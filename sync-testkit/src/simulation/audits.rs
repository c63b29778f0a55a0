//! Audits in a simulation: whenever one is asked for it finds nothing, because nothing was done unseen; and what is done unseen it finds and mends.

use ditto_sync_core::audit::{AuditReport, DifferenceKind};

use super::{
    Invariant, Violation,
    world::{POLLS_MAX, World},
};
use crate::app_change::AppChange;

/// One run in so many ends with a difference that is planted.
const PLANTED_EVERY: usize = 4;
/// A code that no change writes into this register.
const UNSEEN: i64 = -2;

impl World {
    /// No audit that is done has found a difference.
    pub(super) fn check_audits(&mut self, device: usize) -> Result<(), Violation> {
        for report in self.devices[device].take_audits() {
            self.ledger()
                .say(|| format!("      {device}: audit -> {report:?}"));
            if !report.differences.is_empty() {
                let text = format!("an audit of device {device} finds {:?}", report.differences);
                return Err(Violation::new(Invariant::Convergence, text));
            }
        }
        Ok(())
    }

    /// In some runs: nothing differs anywhere; what is changed unseen on one device is found, and mended from its document.
    pub(super) fn check_planted_difference(&mut self) -> Result<(), Violation> {
        let events = self.ledger().events.len();
        if events % PLANTED_EVERY != PLANTED_EVERY - 1 {
            return Ok(());
        }
        for device in 0..self.devices.len() {
            self.devices[device].ask_audit();
        }
        self.drain()?;
        let device = events / PLANTED_EVERY % self.devices.len();
        let family = std::sync::Arc::clone(&self.family);
        let repository = self.devices[device].repository.clone();
        let found = family.ids().find_map(|id| {
            let model = family.of(id).model;
            let agreed = repository.known(model).contains_key(id) && !repository.is_waiting(model, id);
            Some((id, repository.row(model, id).filter(|_| agreed)?))
        });
        let Some((id, row)) = found else {
            return Ok(());
        };
        let shape = family.of(id);
        let mut changed = row.clone();
        shape.write(&mut changed, shape.a, UNSEEN);
        if changed == row {
            return Ok(());
        }
        let unseen = AppChange::upsert(shape.model, id, &changed);
        if repository.app().change_unseen(&unseen).is_err() {
            return Ok(());
        }
        let report = self.audit(device)?;
        let found: Vec<_> = report
            .differences
            .iter()
            .map(|difference| (difference.id.clone(), difference.kind))
            .collect();
        if found != [(id.clone(), DifferenceKind::Changed)] {
            let text = format!("{id} was changed unseen on device {device}, an audit finds {found:?}");
            return Err(Violation::new(Invariant::Convergence, text));
        }
        self.devices[device].repair(&report);
        self.drain()?;
        let mended = self.devices[device].repository.row(shape.model, id);
        let left = self.audit(device)?.differences;
        if mended.as_ref() != Some(&row) || !left.is_empty() {
            let text =
                format!("{id} of device {device} is {mended:?} after its repair, and {left:?} is left");
            return Err(Violation::new(Invariant::Convergence, text));
        }
        Ok(())
    }

    /// What an audit of a quiet device finds.
    fn audit(&mut self, device: usize) -> Result<AuditReport, Violation> {
        let device = &mut self.devices[device];
        device.ask_audit();
        for _ in 0..POLLS_MAX {
            if !device.poll() {
                break;
            }
        }
        match device.take_audits().pop() {
            Some(report) => Ok(report),
            None => Err(Violation::new(
                Invariant::Livelock,
                "an audit of a quiet device never ends".to_owned(),
            )),
        }
    }
}
