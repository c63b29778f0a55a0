//! The engine's log as `tracing` events: [`route_logs_to_tracing`].

use std::panic::{AssertUnwindSafe, catch_unwind};

use dittolive_ditto::{LogLevel, logger::DittoLogger};

/// Sends what Ditto logs to `tracing`, with the target `ditto`, from now on and for the whole process. What Ditto writes to the standard error stream it goes
/// on writing: see `DittoLogger::set_logging_enabled`.
pub fn route_logs_to_tracing() {
    DittoLogger::set_custom_log_callback(|level, message| {
        // A panic here, of a subscriber, would end the process.
        let _ = catch_unwind(AssertUnwindSafe(|| match level {
            LogLevel::Error => tracing::error!(target: "ditto", "{message}"),
            LogLevel::Warning => tracing::warn!(target: "ditto", "{message}"),
            LogLevel::Info => tracing::info!(target: "ditto", "{message}"),
            LogLevel::Debug => tracing::debug!(target: "ditto", "{message}"),
            LogLevel::Verbose => tracing::trace!(target: "ditto", "{message}"),
        }));
    });
}
