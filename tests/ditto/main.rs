//! Whole devices on the real Ditto engine: two repositories and two coordinators share one engine, since two engines need a license to meet.
//! See `scripts/fetch-ditto-engine`.

mod kill;
mod model;
mod pair;
