//! When a process is killed: [`Plan`], and [`Trap`], which kills it inside a call of the store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ditto_sync_testkit::remote_store::{Verdict, WriteMoment};
use tokio::sync::oneshot;

use super::process::DeviceProcess;

/// Longest life in which a trap waits for its write.
const TRAP_WAITS: Duration = Duration::from_secs(1);

/// When one life ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plan {
    /// After this time, wherever it is then.
    After(Duration),
    /// At this moment of its write of this number, from 1; what becomes of the write.
    At(u32, WriteMoment, Verdict),
}

/// Holds the processes that run, and springs when one of their writes comes to the moment of its plan. Clones are the same trap.
#[derive(Clone, Default)]
pub(crate) struct Trap {
    lives: Arc<Mutex<HashMap<String, Life>>>,
}

struct Life {
    /// `None`: killed by the trap.
    process: Option<DeviceProcess>,
    plan: Plan,
    writes: u32,
    /// Gone once the trap has sprung.
    sprung: Option<oneshot::Sender<()>>,
}

impl Plan {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        match random.u32(..6) {
            // While it starts.
            0 => Self::After(Duration::from_millis(random.u64(1..60))),
            1 | 2 => Self::After(Duration::from_millis(random.u64(60..700))),
            3 => Self::At(random.u32(1..25), WriteMoment::Arrived, Verdict::Stop),
            4 => Self::At(random.u32(1..25), WriteMoment::Arrived, Verdict::GoOn),
            _ => Self::At(random.u32(1..25), WriteMoment::Done, Verdict::Stop),
        }
    }
}

impl Trap {
    /// Lets a process run until its plan, or long after it, and kills it. Whether it was killed inside a write.
    pub(crate) async fn run(&self, name: &str, process: DeviceProcess, plan: Plan) -> bool {
        let (sprung, springs) = oneshot::channel();
        let life = Life {
            process: Some(process),
            plan,
            writes: 0,
            sprung: Some(sprung),
        };
        self.lives().insert(name.to_owned(), life);
        let time = match plan {
            Plan::After(time) => time,
            Plan::At(..) => TRAP_WAITS,
        };
        // Either way its time is over.
        let _ = tokio::time::timeout(time, springs).await;
        let life = self.lives().remove(name).expect("only this takes it out");
        match life.process {
            Some(process) => {
                process.kill();
                false
            }
            None => true,
        }
    }

    /// What the host of the stores asks at each moment of each write.
    pub(crate) fn witness(&self, name: &str, moment: WriteMoment) -> Verdict {
        let mut lives = self.lives();
        let Some(life) = lives.get_mut(name) else {
            return Verdict::GoOn;
        };
        if moment == WriteMoment::Arrived {
            life.writes += 1;
        }
        match life.plan {
            Plan::At(number, at, verdict) if (number, at) == (life.writes, moment) => {
                if let Some(process) = life.process.take() {
                    process.kill();
                }
                life.sprung = None;
                verdict
            }
            _ => Verdict::GoOn,
        }
    }

    fn lives(&self) -> MutexGuard<'_, HashMap<String, Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
