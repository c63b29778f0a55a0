//! Deterministic simulation: several devices, each a real coordinator on a memory repository and a memory store, and everything that can go
//! wrong around them, as a function of a seed. See [`Simulation`].
//!
//! A run takes the actions of a [`Schedule`] one by one: apps write, a coordinator goes on to its next await, messages arrive late, twice, out of order or never, a
//! process dies between any two awaits, an old database file comes back, a store is lost, a database is cloned, a scope changes. Then everything is
//! let happen that has to, and the invariants are checked ([`Invariant`]; what exactly, and what is accepted as accounted for, stands in `check`). A
//! schedule that fails is shrunk to few actions and can be replayed from its seed.

mod audits;
mod change;
mod check;
mod device;
mod family;
mod foreign;
mod ledger;
mod schedule;
mod shape;
mod shrink;
mod virtual_clock;
mod watched;
mod world;

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ditto_sync_core::{column::Image, descriptor::ModelDescriptor, id::DocumentId};

use self::{family::Family, shrink::shrink, world::World};
pub use self::{
    schedule::{Action, AppKind, Scenario, Schedule, ScheduleSetup, ScopeSides},
    shape::ShapeError,
};
use crate::Flavor;

/// The variable that names the one seed to replay.
pub const SEED_VARIABLE: &str = "DITTO_SYNC_SIM_SEED";
/// The variable that names the flavor of the replay: `ditto` or `mesh`.
pub const FLAVOR_VARIABLE: &str = "DITTO_SYNC_SIM_FLAVOR";
/// The variable that says how many schedules are run.
pub const SCHEDULES_VARIABLE: &str = "DITTO_SYNC_SIM_SCHEDULES";

/// Simulates devices that keep one model in step.
///
/// Run it on your own models: it finds out by itself how their rows can be written so that values name their writer. At least two fields must
/// be able to hold any integer, real, text or bytes; more fields and counters make it see more.
///
/// ```
/// use ditto_sync_core::descriptor::{FieldDescriptor, ModelDescriptor};
/// use ditto_sync_testkit::simulation::Simulation;
///
/// // What `#[derive(DittoAdapter)]` makes of a struct; with the derive: `Product::descriptor()`.
/// static PRODUCT: ModelDescriptor =
///     ModelDescriptor::new("Product", "products", "products", &ID, &FIELDS);
/// static ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
/// static FIELDS: [FieldDescriptor; 3] = [
///     FieldDescriptor::of::<String>("name", "name", "name"),
///     FieldDescriptor::of::<Option<f64>>("price", "price", "price"),
///     FieldDescriptor::of::<i64>("stock", "stock", "stock").counter(),
/// ];
///
/// // 40 schedules on both flavors. A failure panics with a command that replays it.
/// Simulation::new(&PRODUCT)?.check(40);
/// # Ok::<(), ditto_sync_testkit::simulation::ShapeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Simulation {
    family: Arc<Family>,
    command: String,
}

/// What must hold of every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invariant {
    /// After every step the known set holds the hash of the base of every row.
    Base,
    /// At the end all stores hold the same, and every table what is in its scope.
    Convergence,
    /// No write is missing that nobody replaced, deleted or reported.
    NoLostWrite,
    /// Every increment counts exactly once.
    Once,
    /// A restart with a full comparison writes nothing.
    Silence,
    /// Everything gets quiet, and nobody gives up.
    Livelock,
    /// Nothing panics.
    Panic,
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant:?}: {text}")]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// What was found.
    pub text: String,
}

/// A schedule that fails.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind of store.
    pub flavor: Flavor,
    /// The seed of the schedule; `None` when it was not made from one.
    pub seed: Option<u64>,
    /// What does not hold in the shrunk schedule.
    pub violation: Violation,
    /// The schedule without the actions that it also fails without.
    pub schedule: Schedule,
    /// What happens in the shrunk schedule, line by line.
    pub trace: Vec<String>,
    command: String,
}

/// What one change of an app was in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The row, by number.
    pub row: usize,
    /// What it was; `None`: the row was there before.
    pub kind: Option<AppKind>,
    /// The tags of the changes its author had met in the row.
    pub past: Vec<u32>,
    /// Its digit (base 16, balanced, 15 of them in each counter of the model) in the counters of the row, if it changed them.
    pub digit: Option<usize>,
}

/// How a run ended in which all invariants hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The rows of every device.
    pub rows: Vec<BTreeMap<DocumentId, Image>>,
    /// The changes that the apps made, by tag.
    pub committed: BTreeMap<u32, Committed>,
    /// The tags of changes whose loss was reported.
    pub reported: Vec<u32>,
}

impl Violation {
    fn new(invariant: Invariant, text: String) -> Self {
        Self { invariant, text }
    }
}

impl Simulation {
    /// A simulation of this model.
    ///
    /// # Errors
    /// When its rows cannot be written so that values name their writer.
    pub fn new(model: &'static ModelDescriptor) -> Result<Self, ShapeError> {
        Ok(Self {
            family: Arc::new(Family::new(model)?),
            command: "cargo test <this test>".to_owned(),
        })
    }

    /// Adds a second model, whose rows refer by `columns` to the id of the first one's, and are deleted with them.
    ///
    /// Schedules then also let rows change their parent, arrive before it and go with it, and another program write documents that cannot be read; and one of
    /// the devices has a CHECK constraint that the others have not.
    ///
    /// # Errors
    /// When the rows of `child` cannot be written so that values name their writer, or the columns are no fields of it.
    pub fn with_children(
        mut self,
        child: &'static ModelDescriptor,
        columns: &'static [&'static str],
    ) -> Result<Self, ShapeError> {
        let family = Family::clone(&self.family).with_children(child, columns)?;
        self.family = Arc::new(family);
        Ok(self)
    }

    /// The schedule of a seed.
    #[must_use]
    pub fn schedule(&self, seed: u64) -> Schedule {
        match self.family.is_related() {
            true => Schedule::generate_related(seed),
            false => Schedule::generate(seed),
        }
    }

    /// The command that runs the calling test, for the message of a failure.
    #[must_use]
    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// Runs `schedules` schedules, half of them on each flavor, on all processors.
    ///
    /// The variable `DITTO_SYNC_SIM_SCHEDULES` asks for another number; `DITTO_SYNC_SIM_SEED`, with `DITTO_SYNC_SIM_FLAVOR`, for that one only.
    ///
    /// # Panics
    /// When one fails: the message says what does not hold, tells the shrunk schedule step by step, and names the command that replays it.
    pub fn check(&self, schedules: u64) {
        let failed = match number(SEED_VARIABLE) {
            Some(seed) => {
                let flavors = match std::env::var(FLAVOR_VARIABLE).as_deref() {
                    Ok("ditto") => &[Flavor::Ditto][..],
                    Ok("mesh") => &[Flavor::Mesh],
                    _ => &[Flavor::Ditto, Flavor::Mesh],
                };
                flavors.iter().find_map(|flavor| self.run(*flavor, seed).err())
            }
            None => {
                let half = number(SCHEDULES_VARIABLE).unwrap_or(schedules).div_ceil(2);
                [Flavor::Ditto, Flavor::Mesh]
                    .into_iter()
                    .find_map(|flavor| self.run_all(flavor, 0..half).err())
            }
        };
        if let Some(failure) = failed {
            panic!("{failure}");
        }
    }

    /// Runs the schedules of these seeds on all processors.
    ///
    /// # Errors
    /// The failure with the smallest seed that was found, shrunk.
    pub fn run_all(&self, flavor: Flavor, seeds: Range<u64>) -> Result<(), Box<Failure>> {
        let next = AtomicU64::new(seeds.start);
        let failed = AtomicU64::new(u64::MAX);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end || failed.load(Ordering::Relaxed) < seed {
                            return;
                        }
                        if self.try_seed(flavor, seed).is_err() {
                            failed.fetch_min(seed, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        match failed.into_inner() {
            u64::MAX => Ok(()),
            seed => self.run(flavor, seed).map(|_| ()),
        }
    }

    /// Runs the schedule of one seed, without shrinking and on this thread only.
    ///
    /// # Errors
    /// What does not hold.
    pub fn try_seed(&self, flavor: Flavor, seed: u64) -> Result<Outcome, Violation> {
        let schedule = self.schedule(seed);
        self.attempt(flavor, &schedule, &mut Vec::new(), false)
    }

    /// Runs the schedule of one seed.
    ///
    /// # Errors
    /// The failure, shrunk.
    pub fn run(&self, flavor: Flavor, seed: u64) -> Result<Outcome, Box<Failure>> {
        self.run_schedule(flavor, &self.schedule(seed))
            .map_err(|mut failure| {
                failure.seed = Some(seed);
                failure
            })
    }

    /// Runs a schedule.
    ///
    /// # Errors
    /// The failure, shrunk.
    pub fn run_schedule(&self, flavor: Flavor, schedule: &Schedule) -> Result<Outcome, Box<Failure>> {
        let first = match self.attempt(flavor, schedule, &mut Vec::new(), false) {
            Ok(outcome) => return Ok(outcome),
            Err(violation) => violation,
        };
        let fails = |schedule: &Schedule| self.attempt(flavor, schedule, &mut Vec::new(), false).is_err();
        let schedule = shrink(schedule, fails);
        let mut trace = Vec::new();
        let again = self.attempt(flavor, &schedule, &mut trace, true);
        Err(Box::new(Failure {
            flavor,
            seed: None,
            violation: again.err().unwrap_or(first),
            schedule,
            trace,
            command: self.command.clone(),
        }))
    }

    /// Runs a schedule once. A panic is a violation too.
    fn attempt(
        &self,
        flavor: Flavor,
        schedule: &Schedule,
        trace: &mut Vec<String>,
        tracing: bool,
    ) -> Result<Outcome, Violation> {
        let mut world = World::new(&self.family, flavor, &schedule.setup, tracing);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            for action in &schedule.actions {
                world.act(*action)?;
            }
            world.check()
        }));
        trace.append(&mut world.ledger().trace.take().unwrap_or_default());
        match ran {
            Ok(held) => held.map(|()| self.outcome(&world)),
            Err(panicked) => {
                let text = panicked
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panicked.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default();
                Err(Violation::new(Invariant::Panic, text))
            }
        }
    }

    fn outcome(&self, world: &World) -> Outcome {
        let ledger = world.ledger();
        let row = |id: &DocumentId| self.family.ids().position(|known| known == id);
        let committed = ledger.events.values().map(|event| {
            let committed = Committed {
                row: row(&event.id).unwrap_or_default(),
                kind: event.kind,
                past: event.past.iter().collect(),
                digit: event.slot,
            };
            (event.tag, committed)
        });
        Outcome {
            rows: world
                .devices
                .iter()
                .map(|device| self.family.rows(&device.repository))
                .collect(),
            committed: committed.collect(),
            reported: ledger.reported.iter().collect(),
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.violation)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flavor = match self.flavor {
            Flavor::Ditto => "ditto",
            Flavor::Mesh => "mesh",
        };
        writeln!(f, "{}", self.violation)?;
        if let Some(seed) = self.seed {
            writeln!(
                f,
                "replay: {SEED_VARIABLE}={seed} {FLAVOR_VARIABLE}={flavor} {}",
                self.command
            )?;
        }
        writeln!(
            f,
            "{flavor}, {:?}, {:?}",
            self.schedule.scenario, self.schedule.setup
        )?;
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
