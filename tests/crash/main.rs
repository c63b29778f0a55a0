//! Crashes: devices on real SQLite files whose coordinator is dropped at a chosen await, and devices in processes of their own that are killed.
//! Whatever happens, no committed change is lost or doubled. What happens without crashes is tested in `it`.

mod app;
mod crashing;
mod hooks;
mod kill;
mod oracle;
mod schedules;
mod sweep;
mod tables;
