//! What happens in a simulation, as a plain list made from a seed: [`Schedule`].
//!
//! An action that does not apply to the state it meets is left out, so every part of a schedule is a schedule too: that is how failures are
//! shrunk. Nothing in here depends on the store or on how the run goes.

use std::fmt;

/// What happens in one run of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What it is about.
    pub scenario: Scenario,
    /// How it begins.
    pub setup: ScheduleSetup,
    /// What happens, in this order.
    pub actions: Vec<Action>,
}

/// How a schedule begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleSetup {
    /// What belongs on each device; there are as many devices.
    pub scopes: Vec<ScopeSides>,
    /// How far the wall clock of each device is ahead, in ticks.
    pub skews: Vec<u64>,
    /// Rows that were there before the framework was: device, row, tag.
    pub clones: Vec<(usize, usize, u32)>,
    /// Most operations in one intent.
    pub operations_max: usize,
}

/// What a schedule is mostly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scenario {
    /// A bit of everything that apps do.
    Plain,
    /// Deletes against edits.
    Delete,
    /// Counters.
    Counter,
    /// Rows that several devices had before.
    Seed,
    /// Rows that move between scopes, devices that change theirs.
    Scope,
    /// Old database files, lost stores, cloned devices.
    Restore,
    /// All of it.
    Mixed,
    /// The same few values again and again.
    Aba,
    /// Stores that lose their newest writes (Ditto flavor).
    Power,
}

/// Which rows belong on a device: those of which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScopeSides {
    /// Of the first side.
    First,
    /// Of the second side.
    Second,
    /// Of both.
    Both,
}

/// What an app does to one row in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AppKind {
    /// Inserts it.
    Insert,
    /// Deletes it.
    Delete,
    /// Deletes and inserts it.
    Reinsert,
    /// Sets one register.
    A,
    /// Sets another register.
    B,
    /// Sets both.
    Ab,
    /// Increments the counters.
    Increment,
    /// Sets a register and increments the counters.
    AIncrement,
    /// Sets the counters to a constant.
    Set,
    /// Replaces the row.
    Replace,
    /// Updates nothing.
    Touch,
    /// Moves the row to the other side of the scope.
    Move,
    /// Sets a register to one of two values.
    Same,
    /// Lets the row refer to another parent.
    Adopt,
}

/// One thing that happens. Devices and rows are named by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// The app of a device changes a row; the last number is the tag of the change.
    App(usize, AppKind, usize, u32),
    /// The coordinator of a device goes on for so many awaits.
    Step(usize, usize),
    /// What one store has is put on its way to another.
    Send(usize, usize),
    /// A message arrives; whether it will arrive once more.
    Deliver(usize, usize, usize, bool),
    /// A message is lost.
    Lose(usize, usize, usize),
    /// Two devices cannot reach each other.
    Partition(usize, usize),
    /// They can again.
    Heal(usize, usize),
    /// The process of a device dies and starts again.
    Crash(usize),
    /// What arrives is not reported, and then the process dies.
    Missed(usize),
    /// The store reports what did not change.
    Spurious(usize),
    /// The store asks for a scan.
    Rescan(usize),
    /// The observation of the store breaks.
    BreakObservation(usize),
    /// The next call of the store fails; whether it was carried out nevertheless.
    StoreFault(usize, bool),
    /// The next transaction of the database fails.
    DatabaseFault(usize),
    /// The wall clock of a device is now so far ahead.
    Skew(usize, u64),
    /// Time passes, in milliseconds.
    Advance(u64),
    /// The database file of a device is copied.
    Save(usize),
    /// The old database file comes back.
    Restore(usize),
    /// The store of a device is lost.
    NewStore(usize),
    /// The second device is set up with a copy of the database of the first, after a last change of that one's app.
    Clone(usize, usize, AppKind, usize, u32),
    /// A device has another scope from now on, and restarts.
    Context(usize, ScopeSides),
    /// The store of a device loses its newest writes.
    PowerLoss(usize, usize),
    /// A device compares its tables with its store.
    Audit(usize),
    /// Another program writes a value into a document, at the store of a device, that its field does not take; the last number is the tag.
    Spoil(usize, usize, u32),
    /// It writes a good value again.
    Mend(usize, usize, u32),
}

/// All of them.
pub(crate) const SCENARIOS: [Scenario; 9] = [
    Scenario::Plain,
    Scenario::Delete,
    Scenario::Counter,
    Scenario::Seed,
    Scenario::Scope,
    Scenario::Restore,
    Scenario::Mixed,
    Scenario::Aba,
    Scenario::Power,
];

impl Scenario {
    fn changes(self) -> &'static [AppKind] {
        use AppKind::{
            A, AIncrement, Ab, B, Delete, Increment, Insert, Move, Reinsert, Replace, Same, Set, Touch,
        };
        match self {
            Self::Plain => &[Insert, Insert, A, A, B, Ab, Increment, Delete, Touch, Replace],
            Self::Delete => &[
                Insert, Insert, Insert, Delete, Delete, Reinsert, A, Increment, AIncrement,
            ],
            Self::Counter => &[
                Insert, Insert, Increment, Increment, AIncrement, Set, Replace, Delete,
            ],
            Self::Seed => &[A, Increment, AIncrement, Delete, Insert, Reinsert, Set],
            Self::Scope => &[Insert, Insert, Move, Move, A, Increment, Delete],
            Self::Restore => &[Insert, Insert, A, B, Increment, Delete],
            Self::Power => &[Insert, Insert, A, A, Ab, Increment, Increment, Delete, Reinsert],
            Self::Aba => &[Insert, Same, Same, Same, Same, Increment, Delete],
            Self::Mixed => &[
                Insert, Insert, Insert, A, B, Ab, Increment, Set, AIncrement, Delete, Reinsert, Touch,
                Replace, Move,
            ],
        }
    }
}

impl Schedule {
    /// The schedule of a seed.
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let scenario = SCENARIOS[usize::try_from(seed % SCENARIOS.len() as u64).unwrap_or_default()];
        let mut making = Making::new(scenario, &mut random);
        let mut actions: Vec<_> = (0..random.usize(10..70))
            .flat_map(|_| making.next(&mut random))
            .collect();
        if seed.is_multiple_of(AUDITED_EVERY) {
            add_audits(&mut actions, devices(&making.setup), &mut random);
        }
        Self {
            scenario,
            setup: making.setup,
            actions,
        }
    }

    /// The schedule of a seed for parents (rows 0 and 1) and their children (rows 2 to 4).
    #[must_use]
    pub fn generate_related(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let scenario = SCENARIOS[usize::try_from(seed % SCENARIOS.len() as u64).unwrap_or_default()];
        let mut making = Making::new(scenario, &mut random);
        making.relate(&mut random);
        let devices = devices(&making.setup);
        let mut actions = Vec::new();
        for _ in 0..random.usize(10..80) {
            let mut next = making.next(&mut random);
            let device = random.usize(0..devices);
            if random.u8(0..12) == 0 {
                next.push(making.relation(device, &mut random));
            }
            actions.append(&mut next);
        }
        if seed.is_multiple_of(AUDITED_EVERY) {
            add_audits(&mut actions, devices, &mut random);
        }
        Self {
            scenario,
            setup: making.setup,
            actions,
        }
    }
}

/// One in so many schedules asks for audits.
const AUDITED_EVERY: u64 = 4;

fn devices(setup: &ScheduleSetup) -> usize {
    setup.scopes.len()
}

fn add_audits(actions: &mut Vec<Action>, devices: usize, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..5) {
        let at = random.usize(0..=actions.len());
        actions.insert(at, Action::Audit(random.usize(0..devices)));
    }
}

/// A schedule in the making.
struct Making {
    scenario: Scenario,
    setup: ScheduleSetup,
    tag: u32,
    rows: usize,
    /// How busy the coordinators are against the apps.
    steps: usize,
    crashes: bool,
    faults: bool,
}

impl Making {
    fn new(scenario: Scenario, random: &mut fastrand::Rng) -> Self {
        let devices = one_of(random, &[2, 2, 3]);
        let mut clones = Vec::new();
        let mut tag = 1;
        if matches!(scenario, Scenario::Seed | Scenario::Mixed) {
            for row in 0..2 {
                let all: Vec<usize> = (0..devices).collect();
                let some = one_of(random, &[&[0, 1][..], &[0, 1], &[0], &[]]);
                let who = if random.f64() < 0.8 { some } else { &all };
                clones.extend(who.iter().map(|device| (*device, row, tag)));
                tag += 1;
            }
        }
        let sides = [ScopeSides::First, ScopeSides::Second, ScopeSides::Both];
        let scoped = scenario == Scenario::Scope || (scenario == Scenario::Mixed && random.bool());
        let scopes = (0..devices).map(|_| match scoped {
            true => one_of(random, &sides),
            false => ScopeSides::Both,
        });
        let scopes = scopes.collect();
        Self {
            scenario,
            setup: ScheduleSetup {
                scopes,
                skews: (0..devices).map(|_| random.u64(0..40)).collect(),
                clones,
                operations_max: one_of(random, &[1, 2, 1000, 1000]),
            },
            tag,
            rows: one_of(random, &[1, 1, 2]),
            steps: one_of(random, &[2, 4, 8]),
            crashes: random.u8(0..4) > 1,
            faults: random.u8(0..4) == 0,
        }
    }

    fn next(&mut self, random: &mut fastrand::Rng) -> Vec<Action> {
        let devices = devices(&self.setup);
        let device = random.usize(0..devices);
        let other = (device + random.usize(1..devices)) % devices;
        let deliver = |random: &mut fastrand::Rng| {
            Action::Deliver(device, other, random.usize(0..9), random.u8(0..10) < 3)
        };
        match random.usize(0..24 + 10 * self.steps) {
            0..12 => {
                let kind = one_of(random, self.scenario.changes());
                vec![Action::App(
                    device,
                    kind,
                    random.usize(0..self.rows),
                    self.next_tag(),
                )]
            }
            12..15 => {
                let mut both = vec![Action::Send(device, other)];
                if random.u8(0..10) < 6 {
                    both.push(deliver(random));
                }
                both
            }
            15 | 16 => vec![deliver(random)],
            17 if self.crashes => vec![one_of(
                random,
                &[
                    Action::Crash(device),
                    Action::Crash(device),
                    Action::Missed(device),
                ],
            )],
            18 if matches!(self.scenario, Scenario::Restore | Scenario::Mixed) => {
                vec![self.accident(device, other, random)]
            }
            19 if self.scenario == Scenario::Power => {
                vec![Action::PowerLoss(device, random.usize(0..3))]
            }
            19 if self.setup.scopes.iter().any(|sides| *sides != ScopeSides::Both) => {
                let sides = [ScopeSides::First, ScopeSides::Second, ScopeSides::Both];
                vec![Action::Context(device, one_of(random, &sides))]
            }
            20 => {
                let lose = Action::Lose(device, other, random.usize(0..9));
                let cut = Action::Partition(device, other);
                vec![one_of(random, &[lose, cut, Action::Heal(device, other)])]
            }
            21 => {
                let skew = Action::Skew(device, random.u64(0..60));
                let broken = Action::BreakObservation(device);
                let noises = [Action::Spurious(device), Action::Rescan(device), broken, skew];
                vec![one_of(random, &noises)]
            }
            22 | 23 if self.faults => {
                let faults = [
                    Action::StoreFault(device, false),
                    Action::StoreFault(device, true),
                    Action::DatabaseFault(device),
                    Action::Advance(random.u64(1..2000)),
                ];
                vec![one_of(random, &faults)]
            }
            _ => vec![Action::Step(device, random.usize(1..7))],
        }
    }

    /// Parents and children, of which some devices have some.
    fn relate(&mut self, random: &mut fastrand::Rng) {
        self.rows = 5;
        if matches!(self.scenario, Scenario::Seed) {
            for row in 2..self.rows {
                let tag = self.next_tag();
                for device in 0..self.setup.scopes.len() {
                    if random.bool() {
                        self.setup.clones.push((device, row, tag));
                    }
                }
            }
        }
    }

    /// What befalls related rows, and documents that cannot be read.
    fn relation(&mut self, device: usize, random: &mut fastrand::Rng) -> Action {
        let row = random.usize(0..self.rows);
        // What another program wrote is in no outbox: a store that loses it, or everything, loses it for good.
        let lasting = !matches!(
            self.scenario,
            Scenario::Power | Scenario::Restore | Scenario::Mixed
        );
        match random.u8(0..5) {
            0 if lasting => Action::Spoil(device, row, self.next_tag()),
            1 if lasting => Action::Mend(device, row, self.next_tag()),
            2 => Action::App(device, AppKind::Delete, random.usize(0..2), self.next_tag()),
            3 => Action::App(device, AppKind::Insert, random.usize(0..2), self.next_tag()),
            _ => Action::App(
                device,
                AppKind::Adopt,
                random.usize(2..self.rows),
                self.next_tag(),
            ),
        }
    }

    fn accident(&mut self, device: usize, other: usize, random: &mut fastrand::Rng) -> Action {
        let rare = random.u8(0..10) < 3;
        match random.u8(0..if rare { 6 } else { 4 }) {
            0 | 1 => Action::Save(device),
            2 | 3 => Action::Restore(device),
            4 => Action::NewStore(device),
            _ => {
                let kinds = [AppKind::A, AppKind::Increment, AppKind::B, AppKind::Delete];
                let kind = one_of(random, &kinds);
                Action::Clone(device, other, kind, random.usize(0..self.rows), self.next_tag())
            }
        }
    }

    fn next_tag(&mut self) -> u32 {
        self.tag += 1;
        self.tag
    }
}

fn one_of<T: Copy>(random: &mut fastrand::Rng, all: &[T]) -> T {
    all[random.usize(0..all.len())]
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
