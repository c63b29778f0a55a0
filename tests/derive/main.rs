//! What the code written by the derives does. What they refuse is in `tests/ui`.

mod conversions;
mod field_types;
mod hygiene;
mod ids;
mod links_and_hooks;
mod names;
mod quiet;
mod registration;
mod round_trip;
mod runtime_path;
