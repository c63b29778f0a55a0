//! How errors are classed: [`ErrorKind`]. Each family of operations has its own enum beside its contract.

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It may pass: retry with backoff. Unknown errors count as transient.
    Transient,
    /// It will not pass by itself: someone has to change something.
    Permanent,
}

/// The cause behind an error of ours.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;
