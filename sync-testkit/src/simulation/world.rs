//! A run of a simulation: devices, network, time, and what each [`Action`] does to them: [`World`].

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use ditto_sync_core::limits::QUARANTINE_RETRY_LAST;

use super::{
    Invariant, Violation,
    change::Change,
    device::{Device, Shared},
    family::Family,
    ledger::{Event, Ledger},
    schedule::{Action, AppKind, ScheduleSetup, ScopeSides},
    virtual_clock::VirtualClock,
    watched::lock,
};
use crate::memory_store::{Fault, Flavor, MemoryConfig, MemoryHub, Network, Tags};

/// Rounds after which a mesh that does not get quiet never will.
const ROUNDS_MAX: usize = 400;
/// Awaits after which a device that does not get quiet never will.
pub(super) const POLLS_MAX: usize = 20_000;
/// Times that waiting may be cut short before it counts as a livelock.
const WAITS_MAX: usize = 60;

/// How often waiting was cut short, and by how much in all.
#[derive(Debug, Default)]
struct Waits {
    count: usize,
    time: Duration,
}

/// A run of a simulation.
pub(crate) struct World {
    pub(crate) family: Arc<Family>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) devices: Vec<Device>,
    flavor: Flavor,
    hub: MemoryHub,
    clock: VirtualClock,
    /// Where replica ids of cloned databases come from.
    databases: u64,
    /// Writes of other programs.
    pub(super) foreign: u64,
}

impl World {
    pub(crate) fn new(family: &Arc<Family>, flavor: Flavor, setup: &ScheduleSetup, tracing: bool) -> Self {
        let config = MemoryConfig::new(flavor)
            .with_intent_operations_max(setup.operations_max)
            .without_send_on_write();
        let mut world = Self {
            family: Arc::clone(family),
            ledger: Arc::new(Mutex::new(Ledger {
                trace: tracing.then(Vec::new),
                ..Ledger::default()
            })),
            devices: Vec::new(),
            flavor,
            hub: MemoryHub::new(config),
            clock: VirtualClock::default(),
            databases: 0,
            foreign: 0,
        };
        for (number, sides) in setup.scopes.iter().enumerate() {
            world.add_device(number, *sides, setup);
        }
        world
    }

    fn add_device(&mut self, number: usize, sides: ScopeSides, setup: &ScheduleSetup) {
        self.databases += 1;
        let repository = self.family.repository(self.databases, number);
        let name = format!("device-{number}");
        let store = self.hub.store(&name);
        self.hub.set_clock_skew(&name, setup.skews[number]);
        let clones = setup.clones.iter().filter(|(device, ..)| *device == number);
        let family = Arc::clone(&self.family);
        let mut images = Vec::new();
        for (_, row, tag) in clones {
            let (shape, id) = family.row(*row);
            let mut ledger = self.ledger();
            let slot = match ledger.events.get(tag) {
                Some(event) => event.slot,
                None => ledger.new_slot(shape, id),
            };
            let image = shape.fresh(*tag, slot);
            // A parent may be missing here, and nothing else can: the table is empty.
            if repository.app().insert(shape.model, id, &image).is_err() {
                continue;
            }
            ledger.events.entry(*tag).or_insert_with(|| Event {
                tag: *tag,
                device: number,
                id: id.clone(),
                kind: None,
                writes: shape.registers(),
                past: Tags::default(),
                delta: shape.unit(slot),
                slot,
                of: Some(*tag),
                void: false,
            });
            images.push((id.clone(), *tag));
        }
        let shared = Shared {
            family,
            ledger: Arc::clone(&self.ledger),
            clock: self.clock.clone(),
        };
        let device = Device::new(number, (repository, store), sides, shared);
        for (id, tag) in images {
            lock(&device.notes).met.insert(id, Tags::one(tag));
        }
        self.devices.push(device);
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    fn network(&self) -> Network {
        self.hub.network()
    }

    /// Carries out one action; whether it did anything.
    pub(crate) fn act(&mut self, action: Action) -> Result<bool, Violation> {
        self.hub.advance_clock(1);
        self.ledger().say(|| action.to_string());
        let did = match action {
            Action::App(device, kind, row, tag) => self.change(device, kind, row, tag),
            Action::Step(device, polls) => self.step(device, polls)?,
            Action::Save(device) => self.save(device),
            Action::Restore(device) => self.restore(device),
            Action::NewStore(device) => self.lose_store(device)?,
            Action::Clone(from, to, kind, row, tag) => self.clone_device(from, to, (kind, row, tag))?,
            Action::Crash(device) => self.crash(device),
            Action::Missed(device) => self.miss(device),
            Action::Context(device, sides) => {
                self.devices[device].sides = sides;
                self.crash(device)
            }
            Action::PowerLoss(device, count) => {
                let lost = self.hub.lose_newest_writes(&self.devices[device].name, 1 + count);
                self.crash(device);
                lost > 0
            }
            Action::Audit(device) => {
                self.devices[device].ask_audit();
                true
            }
            Action::Spoil(device, row, tag) => self.spoil(device, row, tag),
            Action::Mend(device, row, tag) => self.mend(device, row, tag),
            _ => self.disturb(action),
        };
        self.note_losses();
        self.check_bases()?;
        Ok(did)
    }

    fn disturb(&self, action: Action) -> bool {
        let (name, network) = (|device: usize| self.devices[device].name.as_str(), self.network());
        let store = |device: usize| &self.devices[device].store;
        match action {
            Action::Send(from, to) => return network.send(name(from), name(to)),
            Action::Deliver(from, to, at, again) => {
                let copied = again && network.duplicate_at(name(from), name(to), at);
                return network.deliver_at(name(from), name(to), at) || copied;
            }
            Action::Lose(from, to, at) => return network.drop_at(name(from), name(to), at),
            Action::Partition(one, other) => network.partition(name(one), name(other)),
            Action::Heal(one, other) => network.heal(name(one), name(other)),
            Action::Spurious(device) => store(device).spurious_notification(),
            Action::Rescan(device) => store(device).request_rescan(),
            Action::BreakObservation(device) => store(device).break_observations(),
            Action::StoreFault(device, applied) => {
                let fault = if applied {
                    Fault::UnknownOutcome
                } else {
                    Fault::Unavailable
                };
                store(device).fail_next(1, fault);
            }
            Action::DatabaseFault(device) => *lock(&self.devices[device].faults) += 1,
            Action::Skew(device, ticks) => self.hub.set_clock_skew(name(device), ticks),
            Action::Advance(milliseconds) => self.clock.advance(Duration::from_millis(milliseconds)),
            _ => return false,
        }
        true
    }

    /// One committed transaction of an app on one row; the triggers capture it.
    fn change(&mut self, device: usize, kind: AppKind, row: usize, tag: u32) -> bool {
        let family = Arc::clone(&self.family);
        let (shape, id) = family.row(row);
        let repository = &self.devices[device].repository;
        let old = repository.row(shape.model, id);
        if old.is_none() != (kind == AppKind::Insert) {
            return false;
        }
        let mut ledger = lock(&self.ledger);
        let Some(change) = Change::of(shape, &mut ledger, (kind, id, tag), old.as_ref()) else {
            return false;
        };
        let mut notes = lock(&self.devices[device].notes);
        let past = notes.met(id);
        let inserted = matches!(kind, AppKind::Insert | AppKind::Reinsert);
        let of = if inserted {
            Some(tag)
        } else {
            old.as_ref().and_then(|old| shape.tag(old, shape.born))
        };
        let statement = change.statement((shape, family.is_related()), id, kind);
        let done = repository.app().change(&statement);
        // Without constraints nothing fails: whether the row exists was looked at.
        debug_assert!(family.is_related() || done.is_ok(), "{done:?}");
        if done.is_err() {
            return false;
        }
        let event = Event {
            tag,
            device,
            id: id.clone(),
            kind: Some(kind),
            writes: change.writes,
            past,
            delta: change.delta,
            slot: change.slot,
            of,
            void: false,
        };
        ledger.events.insert(tag, event);
        notes.changed(shape, repository, id, tag);
        notes.cascaded(&mut ledger, &family, (repository, device));
        true
    }

    pub(super) fn step(&mut self, device: usize, polls: usize) -> Result<bool, Violation> {
        let mut any = false;
        for _ in 0..polls {
            let writes = self.devices[device].repository.writes();
            if !self.devices[device].poll() {
                break;
            }
            any = true;
            if self.devices[device].repository.writes() != writes {
                self.check_base(device)?;
            }
            if self.devices[device].has_ended() {
                let text = format!("the coordinator of device {device} stopped");
                return Err(Violation::new(Invariant::Livelock, text));
            }
        }
        self.check_audits(device)?;
        Ok(any)
    }

    fn crash(&mut self, device: usize) -> bool {
        self.devices[device].crash();
        true
    }

    /// What arrives is lost on the coordinator together with its process.
    fn miss(&mut self, device: usize) -> bool {
        self.devices[device].store.drop_notifications(true);
        for other in (0..self.devices.len()).filter(|other| *other != device) {
            let (from, to) = (&self.devices[other].name, &self.devices[device].name);
            self.network().deliver_at(from, to, 0);
        }
        self.devices[device].crash();
        self.devices[device].store.drop_notifications(false);
        true
    }

    fn save(&mut self, device: usize) -> bool {
        let tags = self
            .ledger()
            .events
            .keys()
            .map(|tag| Tags::one(*tag))
            .fold(Tags::default(), Tags::union);
        let device = &mut self.devices[device];
        let notes = lock(&device.notes).clone();
        device.saved = Some((device.repository.snapshot(), notes, tags));
        true
    }

    fn restore(&mut self, number: usize) -> bool {
        let device = &mut self.devices[number];
        let Some((snapshot, notes, before)) = &device.saved else {
            return false;
        };
        for event in lock(&self.ledger).events.values_mut() {
            // What never reached the store was thrown away by the user.
            let reached = device
                .store
                .witnessed(self.family.of(&event.id).model.collection(), &event.id)
                .contains(event.tag);
            event.void |= event.device == number && !before.contains(event.tag) && !reached;
        }
        device.repository = device.repository.restore(snapshot);
        *lock(&device.notes) = notes.clone();
        device.crash();
        true
    }

    /// The directory of the store is lost. What only this store had would be the disk's fault, so everything is exchanged before.
    fn lose_store(&mut self, device: usize) -> Result<bool, Violation> {
        self.drain()?;
        // An old file and a lost store at once are beyond repair.
        self.devices[device].saved = None;
        self.hub.lose_store(&self.devices[device].name);
        Ok(self.crash(device))
    }

    fn clone_device(
        &mut self,
        from: usize,
        to: usize,
        (kind, row, tag): (AppKind, usize, u32),
    ) -> Result<bool, Violation> {
        self.drain()?;
        self.change(from, kind, row, tag);
        self.step(from, POLLS_MAX)?;
        if !self.devices[from].is_settled() {
            return Ok(false);
        }
        self.databases += 1;
        let repository = self.devices[from].repository.clone_database(self.databases);
        let mut notes = lock(&self.devices[from].notes).clone();
        // The copy is a new repository, which counts its writes from none.
        (notes.frontiers, notes.cursors) = (0, 0);
        let (sides, strict) = (self.devices[from].sides, self.devices[from].strict);
        self.hub.lose_store(&self.devices[to].name);
        let device = &mut self.devices[to];
        device.repository = repository;
        *lock(&device.notes) = notes;
        device.saved = None;
        device.sides = sides;
        device.strict = strict;
        Ok(self.crash(to))
    }

    /// Lets everything happen that has to, until nothing has.
    pub(crate) fn drain(&mut self) -> Result<(), Violation> {
        self.network().heal_all();
        let mut waits = Waits::default();
        for _ in 0..ROUNDS_MAX {
            let mut busy = false;
            for device in 0..self.devices.len() {
                busy |= self.quiet(device)?;
            }
            busy |= self.network().drain() > 0;
            self.note_losses();
            if busy || self.wake_who_waits(&mut waits)? {
                continue;
            }
            return Ok(());
        }
        Err(Violation::new(
            Invariant::Livelock,
            "the mesh never gets quiet".to_owned(),
        ))
    }

    /// Lets one device do all it has to; whether that was anything.
    fn quiet(&mut self, device: usize) -> Result<bool, Violation> {
        let busy = self.step(device, 1)?;
        if busy && self.step(device, POLLS_MAX)? && self.devices[device].poll() {
            let text = format!("device {device} never gets quiet");
            return Err(Violation::new(Invariant::Livelock, text));
        }
        Ok(busy)
    }

    /// Everything was exchanged: whoever still waits for that may go on, and pauses are over.
    fn wake_who_waits(&mut self, waits: &mut Waits) -> Result<bool, Violation> {
        // A store without frontiers cannot tell that it is complete; the user does.
        for device in &self.devices {
            if self.flavor == Flavor::Ditto && device.is_awaiting_peer() {
                device.accept_store();
            }
        }
        let Some(time) = self.clock.until_next() else {
            return Ok(false);
        };
        waits.count += 1;
        waits.time += time;
        if waits.time > 2 * QUARANTINE_RETRY_LAST && self.is_any_waiting() {
            // Documents that nobody mends are looked at for ever. Each has had its turn.
            return Ok(false);
        }
        if waits.count > WAITS_MAX && !self.is_any_waiting() {
            let text = "somebody waits for ever".to_owned();
            return Err(Violation::new(Invariant::Livelock, text));
        }
        self.clock.advance(time);
        Ok(true)
    }

    /// Whether some device has set a document aside.
    fn is_any_waiting(&self) -> bool {
        self.devices.iter().any(|device| {
            let mut ids = self.family.ids();
            ids.any(|id| device.repository.is_waiting(self.family.of(id).model, id))
        })
    }

    fn note_losses(&self) {
        let mut ledger = self.ledger();
        for device in &self.devices {
            for lost in device.store.take_lost() {
                ledger.decide(self.family.of(&lost.id), lost);
            }
        }
    }

    fn check_bases(&self) -> Result<(), Violation> {
        (0..self.devices.len()).try_for_each(|device| self.check_base(device))
    }

    /// The known set holds the hash of the base, of clean and of dirty rows alike; and the table fulfils its constraints.
    fn check_base(&self, device: usize) -> Result<(), Violation> {
        let repository = &self.devices[device].repository;
        if let Some(orphan) = self.family.orphan(repository) {
            let text = format!("row {orphan} of device {device} refers to no row");
            return Err(Violation::new(Invariant::Base, text));
        }
        match repository.broken_bases().first() {
            None => Ok(()),
            Some(row) => Err(Violation::new(
                Invariant::Base,
                format!("device {device} knows another base of {} than it has", row.id),
            )),
        }
    }
}
