//! The registry: which models, with which context; several databases and devices in one process. What a running device does is in `tests/it`.

mod context;
#[path = "../it/devices.rs"]
#[expect(dead_code, reason = "shared with the tests in `it`, which use all of it")]
mod devices;
mod filters;
mod models;
mod seeding;
mod several;
