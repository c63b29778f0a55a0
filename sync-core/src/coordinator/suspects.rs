//! Rows whose writes keep failing for no stated reason: [`Suspects`]. Either they are poison, or the store is away; this tells the two apart.
//!
//! A row that failed alone is set aside, so that the others can be tried. Once another write is accepted the store is there, and the row gets one
//! trial alone: what fails now is the culprit, and goes into quarantine, to be tried again from time to time. While nothing is accepted at all, the store is simply
//! away, and nobody is quarantined.
//!
//! Except for a row that is alone with its trouble: where nothing else is ever written, nothing else is ever accepted. After many trials over a long time, the store
//! answering a read after each of them, such a row is quarantined too, as long as there are no more than a few of them: when more rows fail, it is the store. The one
//! thing that cannot be told apart is a store that reads and does not write while hardly anybody writes; then these few rows are listed, tried on, and sent as soon as it
//! writes. All of it is in memory: after a restart it is found out again. Not here: the trials themselves (`outbound`).

use crate::{
    clock::Moment,
    hash::IdHash,
    limits::{
        LONER_TIME, LONER_TRIALS, LONERS_MAX, QUARANTINE_RETRY_FIRST, QUARANTINE_RETRY_LAST, RETRY_FIRST,
        RETRY_LAST, SUSPECTS_MAX,
    },
    repository::{RowRef, RowSet},
    retry::Backoff,
};

/// Rows that are tried alone.
#[derive(Debug)]
pub(super) struct Suspects {
    suspects: Vec<Suspect>,
    /// All of them: they are tried alone, and stay out of all other drafts.
    apart: RowSet,
    /// The rows of batches that failed, until they are sent or found to be the cause.
    failing: RowSet,
    /// The store has accepted something since the first of these failures.
    accepted: bool,
    seed: u64,
}

#[derive(Debug)]
struct Suspect {
    row: RowRef,
    standing: Standing,
    due: Moment,
    /// It was in quarantine at the start, and the repository lets it be tried once more.
    free: bool,
    /// Since when it has been failing alone, and how often; the store has accepted nothing since.
    since: Moment,
    failures: u32,
    /// It is in quarantine though the store has accepted nothing else.
    loner: bool,
    backoff: Backoff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It failed alone. It may be the store.
    Accused,
    /// Since then the store has accepted something else.
    Likely,
    /// It is in quarantine. The repository holds it until it changes.
    Quarantined,
}

impl Suspects {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            suspects: Vec::new(),
            apart: RowSet::new(),
            failing: RowSet::new(),
            accepted: false,
            seed,
        }
    }

    /// The rows to leave out of drafts.
    pub(super) fn apart(&self) -> &RowSet {
        &self.apart
    }

    /// Whether some row is neither sent nor in quarantine.
    pub(super) fn any_aside(&self) -> bool {
        let aside = |suspect: &Suspect| suspect.standing != Standing::Quarantined;
        self.suspects.iter().any(aside)
    }

    /// Whether a failure of this row alone, after which the store has answered a read, shows that it is the culprit.
    pub(super) fn is_proven(&self, row: &RowRef, now: Moment) -> bool {
        let Some(at) = self.find(row) else { return false };
        let suspect = &self.suspects[at];
        suspect.standing != Standing::Accused || self.is_loner(suspect, now)
    }

    fn is_loner(&self, suspect: &Suspect, now: Moment) -> bool {
        let troubled =
            |other: &&Suspect| other.loner || (other.standing == Standing::Accused && other.failures > 0);
        suspect.failures >= LONER_TRIALS
            && now.since(suspect.since) >= LONER_TIME
            && self.suspects.iter().filter(troubled).count() <= LONERS_MAX
    }

    /// Whether the row is known here.
    pub(super) fn contains(&self, row: &RowRef) -> bool {
        self.find(row).is_some()
    }

    /// Sets the row aside, or sets its next trial; false when there are too many to believe that they are the cause.
    pub(super) fn accuse(&mut self, row: RowRef, now: Moment) -> bool {
        if let Some(at) = self.find(&row) {
            self.suspects[at].fail(now);
            return true;
        }
        if self.suspects.len() >= SUSPECTS_MAX {
            let Some(at) = self
                .suspects
                .iter()
                .position(|suspect| suspect.standing == Standing::Quarantined)
            else {
                return false;
            };
            // The quarantine keeps it; only the trials by themselves end.
            let removed = self.suspects.remove(at);
            self.apart.remove(&key(&removed.row));
        }
        // Its neighbours were accepted since it failed among them.
        let likely = self.failing.remove(&key(&row)) && self.accepted;
        let mut suspect = self.suspect(row);
        if likely {
            suspect.standing = Standing::Likely;
            suspect.due = now;
        } else {
            suspect.fail(now);
        }
        self.suspects.push(suspect);
        true
    }

    /// The row was in quarantine at the start: it is tried once more, alone.
    pub(super) fn remember(&mut self, row: RowRef, now: Moment) {
        if self.suspects.len() < SUSPECTS_MAX && !self.contains(&row) {
            let mut suspect = self.suspect(row);
            suspect.standing = Standing::Quarantined;
            suspect.due = now;
            suspect.free = true;
            suspect.backoff = self.quarantine_backoff();
            self.suspects.push(suspect);
        }
    }

    fn suspect(&mut self, row: RowRef) -> Suspect {
        self.apart.insert(key(&row));
        self.seed = self.seed.wrapping_add(1);
        Suspect {
            row,
            standing: Standing::Accused,
            due: Moment::default(),
            free: false,
            since: Moment::default(),
            failures: 0,
            loner: false,
            backoff: Backoff::between(RETRY_FIRST, RETRY_LAST, self.seed),
        }
    }

    fn quarantine_backoff(&mut self) -> Backoff {
        self.seed = self.seed.wrapping_add(1);
        Backoff::between(QUARANTINE_RETRY_FIRST, QUARANTINE_RETRY_LAST, self.seed)
    }

    /// These rows failed together: one of them may be the cause.
    pub(super) fn batch_failed(&mut self, rows: impl Iterator<Item = RowRef>) {
        self.failing.extend(rows.map(|row| key(&row)));
    }

    /// Nothing is left to send: what failed once is over.
    pub(super) fn idle(&mut self) {
        self.failing.clear();
        self.accepted = false;
    }

    /// Whether acceptances are of interest.
    pub(super) fn watches(&self) -> bool {
        !self.suspects.is_empty() || !self.failing.is_empty()
    }

    /// The store has accepted something: the accused get a trial at once.
    pub(super) fn store_answers(&mut self, now: Moment) {
        self.accepted = true;
        for suspect in &mut self.suspects {
            if suspect.standing == Standing::Accused {
                suspect.standing = Standing::Likely;
                suspect.due = now;
            }
            if std::mem::take(&mut suspect.loner) {
                // It may have been the store after all.
                suspect.due = now;
            }
        }
    }

    /// The row is in quarantine now.
    pub(super) fn convict(&mut self, row: &RowRef, now: Moment) {
        let Some(at) = self.find(row) else { return };
        if self.suspects[at].standing != Standing::Quarantined {
            self.suspects[at].loner = self.suspects[at].standing == Standing::Accused;
            self.suspects[at].standing = Standing::Quarantined;
            self.suspects[at].backoff = self.quarantine_backoff();
        }
        let suspect = &mut self.suspects[at];
        suspect.free = false;
        suspect.due = now.after(suspect.backoff.fail());
    }

    /// The row was accepted, or there is nothing to send of it.
    pub(super) fn acquit(&mut self, row: &RowRef) {
        self.apart.remove(&key(row));
        self.failing.remove(&key(row));
        self.suspects.retain(|suspect| suspect.row != *row);
    }

    /// The rows of this collection are sent no more.
    pub(super) fn forget_model(&mut self, collection: &str) {
        self.apart.retain(|(of, _)| *of != collection);
        self.failing.retain(|(of, _)| *of != collection);
        self.suspects
            .retain(|suspect| suspect.row.model.collection() != collection);
    }

    /// Tries this row now, if it is known here.
    pub(super) fn hurry(&mut self, row: &RowRef, now: Moment) {
        if let Some(at) = self.find(row) {
            self.suspects[at].due = now;
        }
    }

    /// A local change: rows in quarantine may have changed, which is worth a look.
    pub(super) fn in_quarantine(&self) -> impl Iterator<Item = &RowRef> {
        let quarantined = |suspect: &&Suspect| suspect.standing == Standing::Quarantined;
        self.suspects
            .iter()
            .filter(quarantined)
            .map(|suspect| &suspect.row)
    }

    /// The row whose trial is due, and whether it has to be let out of quarantine for it.
    pub(super) fn due(&self, now: Moment) -> Option<(RowRef, bool)> {
        let due = self.suspects.iter().find(|suspect| suspect.due <= now)?;
        let held = due.standing == Standing::Quarantined && !due.free;
        Some((due.row.clone(), held))
    }

    /// When the next trial is due.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.suspects.iter().map(|suspect| suspect.due).min()
    }

    fn find(&self, row: &RowRef) -> Option<usize> {
        self.suspects.iter().position(|suspect| suspect.row == *row)
    }
}

impl Suspect {
    /// It failed, alone: its next trial is set.
    fn fail(&mut self, now: Moment) {
        if self.failures == 0 {
            self.since = now;
        }
        self.failures = self.failures.saturating_add(1);
        self.due = now.after(self.backoff.fail());
    }
}

fn key(row: &RowRef) -> (&'static str, IdHash) {
    (row.model.collection(), IdHash::of(&row.id))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        descriptor::{FieldDescriptor, ModelDescriptor},
        id::DocumentId,
    };

    static MODEL: ModelDescriptor = ModelDescriptor::new(
        "Note",
        "notes",
        "notes",
        &[FieldDescriptor::of::<i64>("id", "id", "id")],
        &[],
    );

    fn row(id: i64) -> RowRef {
        RowRef {
            model: &MODEL,
            id: DocumentId::integer(id),
        }
    }

    const LATER: Moment = Moment(Duration::from_secs(3600));

    #[test]
    fn nobody_is_proven_before_the_store_has_accepted_something() {
        let mut suspects = Suspects::new(1);
        assert!(suspects.accuse(row(1), Moment::default()));
        assert!(suspects.accuse(row(1), Moment::default()));
        assert!(!suspects.is_proven(&row(1), Moment::default()) && suspects.any_aside());
        suspects.store_answers(Moment::default());
        assert!(suspects.is_proven(&row(1), Moment::default()));
        assert_eq!(suspects.due(Moment::default()), Some((row(1), false)));
    }

    #[test]
    fn a_row_whose_neighbours_were_accepted_since_is_likely_at_once() {
        let mut suspects = Suspects::new(1);
        suspects.batch_failed([row(1), row(2)].into_iter());
        suspects.acquit(&row(1));
        suspects.store_answers(Moment::default());
        suspects.accuse(row(2), Moment::default());
        suspects.accuse(row(3), Moment::default());
        assert!(
            suspects.is_proven(&row(2), Moment::default()) && !suspects.is_proven(&row(3), Moment::default())
        );
    }

    #[test]
    fn a_convicted_row_is_tried_again_ever_more_rarely() {
        let mut suspects = Suspects::new(1);
        suspects.accuse(row(1), Moment::default());
        suspects.convict(&row(1), Moment::default());
        assert!(!suspects.any_aside(), "the repository holds it");
        let first = suspects.next_due().expect("it is tried again");
        for _ in 0..20 {
            suspects.convict(&row(1), Moment::default());
        }
        let last = suspects.next_due().expect("it is tried again");
        assert!(first.0 <= QUARANTINE_RETRY_FIRST && last.0 >= QUARANTINE_RETRY_LAST / 2);
        assert_eq!(suspects.due(LATER), Some((row(1), true)));
        suspects.acquit(&row(1));
        assert_eq!(suspects.due(LATER), None);
    }

    #[test]
    fn too_many_suspects_mean_that_the_store_is_away() {
        let mut suspects = Suspects::new(1);
        for id in 0..SUSPECTS_MAX as i64 {
            assert!(suspects.accuse(row(id), Moment::default()));
        }
        assert!(!suspects.accuse(row(-1), Moment::default()));
        suspects.convict(&row(0), Moment::default());
        assert!(
            suspects.accuse(row(-1), Moment::default()),
            "one in quarantine makes room"
        );
    }

    /// These rows fail alone, all of them once in a while, for this long.
    fn fail_for(suspects: &mut Suspects, ids: std::ops::RangeInclusive<i64>, time: Duration) -> Moment {
        let mut now = Moment::default();
        for round in 0..=LONER_TRIALS {
            now = Moment(time * round / LONER_TRIALS);
            for id in ids.clone() {
                suspects.accuse(row(id), now);
            }
        }
        now
    }

    #[test]
    fn a_row_that_fails_alone_for_long_is_proven_though_nothing_else_was_ever_accepted() {
        let mut suspects = Suspects::new(1);
        let soon = fail_for(&mut suspects, 1..=1, LONER_TIME / 2);
        assert!(!suspects.is_proven(&row(1), soon), "many trials are not enough");
        assert!(suspects.is_proven(&row(1), Moment(LONER_TIME)));

        let mut rarely = Suspects::new(1);
        rarely.accuse(row(1), Moment::default());
        rarely.accuse(row(1), Moment(LONER_TIME));
        assert!(
            !rarely.is_proven(&row(1), Moment(LONER_TIME * 2)),
            "long is not enough"
        );
    }

    #[test]
    fn when_more_than_a_few_rows_fail_it_is_the_store_however_long_it_takes() {
        let mut suspects = Suspects::new(1);
        let most = i64::try_from(LONERS_MAX).expect("a small number");
        let now = fail_for(&mut suspects, 1..=most + 1, LONER_TIME * 10);
        assert!((1..=most + 1).all(|id| !suspects.is_proven(&row(id), now)));

        // One after the other makes no difference.
        let mut one_by_one = Suspects::new(1);
        for id in 1..=most {
            fail_for(&mut one_by_one, id..=id, LONER_TIME);
            assert!(one_by_one.is_proven(&row(id), now));
            one_by_one.convict(&row(id), now);
        }
        fail_for(&mut one_by_one, most + 1..=most + 1, LONER_TIME);
        assert!(!one_by_one.is_proven(&row(most + 1), now));
        one_by_one.store_answers(now);
        assert!(
            one_by_one.is_proven(&row(most + 1), now),
            "now it is told as ever"
        );
        assert_eq!(one_by_one.next_due(), Some(now), "and all of them are tried");
    }
}
