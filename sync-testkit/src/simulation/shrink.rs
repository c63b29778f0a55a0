//! Makes a failing schedule small: [`shrink`].

use super::schedule::{Action, Schedule};

/// The schedule without the actions that it also fails without. It need not fail in the same way.
pub(crate) fn shrink(schedule: &Schedule, fails: impl Fn(&Schedule) -> bool) -> Schedule {
    let mut smallest = schedule.clone();
    loop {
        let before = smallest.actions.len();
        for size in [16, 8, 4, 2, 1] {
            let mut at = 0;
            while at < smallest.actions.len() {
                let fewer = without(&smallest, at, size);
                if fails(&fewer) {
                    smallest = fewer;
                } else {
                    at += size;
                }
            }
        }
        shorten_steps(&mut smallest, &fails);
        if smallest.actions.len() == before {
            return smallest;
        }
    }
}

fn without(schedule: &Schedule, at: usize, count: usize) -> Schedule {
    let mut fewer = schedule.clone();
    fewer.actions.drain(at..(at + count).min(schedule.actions.len()));
    fewer
}

fn shorten_steps(schedule: &mut Schedule, fails: &impl Fn(&Schedule) -> bool) {
    for at in 0..schedule.actions.len() {
        while let Action::Step(device, polls @ 2..) = schedule.actions[at] {
            let mut shorter = schedule.clone();
            shorter.actions[at] = Action::Step(device, polls - 1);
            if !fails(&shorter) {
                break;
            }
            *schedule = shorter;
        }
    }
}
