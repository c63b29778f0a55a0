//! What a change of the context means for each collection, and which one changes over next. Plain decisions, without IO: the
//! coordinator carries them out (`coordinator::scoping`).

use super::ModelScope;
use crate::limits::SCOPE_SWITCHES_AT_ONCE;

/// What one collection has to do to get from its scope to the one wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Stay,
    /// The scope was not known and is: observe.
    Start,
    /// The scope is not known any more: observe no longer. Rows stay.
    Stop,
    /// Another scope: what does not belong any more leaves, what belongs now comes.
    Switch,
}

/// Where one collection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What it has to do.
    pub(crate) step: Step,
    /// It has begun to change over, and not all that belongs to its scope is here yet.
    pub(crate) under_way: bool,
}

/// What it takes from `now` to `wanted`.
pub(crate) fn step(now: &ModelScope, wanted: &ModelScope) -> Step {
    match (now, wanted) {
        _ if now == wanted => Step::Stay,
        // Other parameters are awaited now; nothing else changes.
        (ModelScope::Awaiting(_), ModelScope::Awaiting(_)) | (_, ModelScope::Awaiting(_)) => Step::Stop,
        (ModelScope::Awaiting(_), _) => Step::Start,
        _ => Step::Switch,
    }
}

/// The collection that is to take its step now, of `standings` by position in this `order`. `None`: none has to, or it has to wait until
/// another one has changed over.
///
/// Ceasing to observe is done at once: it costs nothing, and nobody wants more of what does not belong. A collection that is under way itself may always turn
/// round: the scope it was going to is wanted no longer.
pub(crate) fn next(order: &[usize], standings: &[Standing]) -> Option<usize> {
    let wants = |step: Step| {
        order
            .iter()
            .copied()
            .filter(move |&at| standings[at].step == step)
    };
    if let Some(stops) = wants(Step::Stop).next() {
        return Some(stops);
    }
    let busy = standings.iter().filter(|standing| standing.under_way).count();
    order.iter().copied().find(|&at| {
        let Standing { step, under_way } = standings[at];
        step != Step::Stay && (under_way || busy < SCOPE_SWITCHES_AT_ONCE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Query, field};

    fn branch(name: &str) -> ModelScope {
        ModelScope::Matching(Query::new(field("branch").eq(name)))
    }

    fn awaiting(name: &str) -> ModelScope {
        ModelScope::Awaiting(vec![name.to_owned()])
    }

    #[test]
    fn each_pair_of_scopes_has_its_step() {
        for (now, wanted, expected) in [
            (branch("a"), branch("a"), Step::Stay),
            (branch("a"), branch("b"), Step::Switch),
            (branch("a"), awaiting("branch"), Step::Stop),
            (awaiting("branch"), branch("a"), Step::Start),
            (awaiting("branch"), awaiting("branch"), Step::Stay),
            (awaiting("branch"), awaiting("tenant"), Step::Stop),
            (ModelScope::Everything, ModelScope::Everything, Step::Stay),
        ] {
            assert_eq!(step(&now, &wanted), expected, "{now:?} to {wanted:?}");
        }
    }

    /// Collections that go wherever they are told, in steps, under random changes of what is wanted.
    #[test]
    fn whatever_is_wanted_meanwhile_all_collections_end_there_and_few_are_under_way_at_a_time() {
        const COLLECTIONS: usize = 4;
        let scopes = [awaiting("branch"), branch("a"), branch("b"), branch("c")];
        let order = [2, 0, 3, 1];
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut now = vec![branch("a"); COLLECTIONS];
            let mut wanted = now.clone();
            let mut under_way = [false; COLLECTIONS];
            let mut changes = 20;
            loop {
                if changes > 0 && random.u8(..4) == 0 {
                    changes -= 1;
                    wanted[random.usize(..COLLECTIONS)] = scopes[random.usize(..scopes.len())].clone();
                }
                let standings: Vec<_> = (0..COLLECTIONS)
                    .map(|at| Standing {
                        step: step(&now[at], &wanted[at]),
                        under_way: under_way[at],
                    })
                    .collect();
                if let Some(at) = next(&order, &standings) {
                    now[at] = wanted[at].clone();
                    under_way[at] = !matches!(now[at], ModelScope::Awaiting(_));
                } else if let Some(at) = (0..COLLECTIONS).find(|&at| under_way[at]) {
                    under_way[at] = random.bool();
                } else if changes == 0 {
                    break;
                }
                let busy = under_way.iter().filter(|under_way| **under_way).count();
                assert!(busy <= SCOPE_SWITCHES_AT_ONCE, "seed {seed}: {busy} under way");
            }
            assert_eq!(now, wanted, "seed {seed}");
        }
    }
}
