//! How long to wait after failures: [`Backoff`]. No clock and no sleep: the caller waits.

use std::time::Duration;

use crate::limits::{RETRY_FIRST, RETRY_LAST};

/// Exponential backoff with jitter, so that devices that failed together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    attempts: u32,
    first: Duration,
    last: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    /// No failure yet. The seed decides the jitter.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::between(RETRY_FIRST, RETRY_LAST, seed)
    }

    /// The same, with bounds of its own.
    #[must_use]
    pub fn between(first: Duration, last: Duration, seed: u64) -> Self {
        Self {
            attempts: 0,
            first,
            last,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Failures since the last success.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// It worked.
    pub fn succeed(&mut self) {
        self.attempts = 0;
    }

    /// It failed: how long to wait before the next attempt. Between half and all of a time that doubles with every failure.
    pub fn fail(&mut self) -> Duration {
        let full = self
            .first
            .saturating_mul(1_u32 << self.attempts.min(16))
            .min(self.last);
        self.attempts = self.attempts.saturating_add(1);
        full.mul_f64(0.5 + self.random.f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(7);
        let waits: Vec<_> = (0..40).map(|_| backoff.fail()).collect();
        assert!(
            waits
                .iter()
                .all(|wait| *wait >= RETRY_FIRST / 2 && *wait <= RETRY_LAST)
        );
        assert!(waits[39] >= RETRY_LAST / 2);
        backoff.succeed();
        assert!(backoff.fail() <= RETRY_FIRST);
    }
}
