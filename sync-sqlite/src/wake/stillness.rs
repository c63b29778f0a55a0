//! Telling from the file of the write-ahead log that nobody has written: [`Stillness`]. A look at a file costs a hundredth of a question through sqlx.
//!
//! Whoever commits writes to that file, which moves its time of change. A file system may count in seconds, so what changed lately says nothing; and now and then the
//! database is asked all the same. Only where the system keeps these times up to date while a file is open.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// A change within this time may be followed by another one that does not move the time of change: file systems count in 2 s at worst.
const LATELY: Duration = Duration::from_secs(3);
/// So often in a row the file alone is looked at.
const SKIPPED_MAX: u32 = 20;

/// What is known of the file.
#[derive(Debug)]
pub(super) struct Stillness {
    log: PathBuf,
    /// As of the last question that was answered, unless it had changed lately.
    seen: Option<(SystemTime, u64)>,
    /// As of the question under way. Whoever gives that up has seen nothing.
    asked: Option<(SystemTime, u64)>,
    skipped: u32,
}

impl Stillness {
    /// Of the database at `path`.
    pub(super) fn of(path: &str) -> Self {
        Self {
            log: PathBuf::from(format!("{path}-wal")),
            seen: None,
            asked: None,
            skipped: 0,
        }
    }

    /// Whether nobody can have committed since the database was last asked. If not, it is to be asked now.
    pub(super) fn is_certain(&mut self) -> bool {
        let stamp = stamp_of(&self.log);
        if stamp.is_some() && stamp == self.seen && self.skipped < SKIPPED_MAX {
            self.skipped += 1;
            return true;
        }
        self.skipped = 0;
        self.seen = None;
        // Taken before the question: what is committed in between moves it again.
        self.asked = stamp.filter(|(changed, _)| {
            SystemTime::now()
                .duration_since(*changed)
                .is_ok_and(|age| age > LATELY)
        });
        false
    }

    /// The database has been asked.
    pub(super) fn answered(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.seen = Some(asked);
        }
    }
}

fn stamp_of(log: &Path) -> Option<(SystemTime, u64)> {
    if !cfg!(unix) {
        return None;
    }
    let metadata = std::fs::metadata(log).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    fn age(path: &Path, age: Duration) {
        let times = FileTimes::new().set_modified(SystemTime::now() - age);
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_times(times)
            .unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn only_a_file_that_has_not_changed_for_long_is_certain() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.db");
        let log = directory.path().join("app.db-wal");
        let mut stillness = Stillness::of(path.to_str().unwrap());
        let mut is_certain = || {
            let certain = stillness.is_certain();
            stillness.answered();
            certain
        };
        assert!(!is_certain(), "there is no log");
        File::create(&log).unwrap();
        assert!(!is_certain() && !is_certain(), "it has changed just now");
        age(&log, LATELY * 2);
        assert!(!is_certain(), "it has changed");
        assert!(is_certain());
        age(&log, LATELY * 3);
        assert!(!is_certain(), "it has changed again, if only in time");
        std::fs::write(&log, "longer").unwrap();
        age(&log, LATELY * 3);
        assert!(!is_certain(), "it has changed in length");
        let certain = (0..100).filter(|_| is_certain()).count();
        assert!(
            (90..100).contains(&certain),
            "the database is asked now and then: {certain}"
        );
        std::fs::remove_file(&log).unwrap();
        assert!(!is_certain(), "the log is gone");
    }

    #[test]
    #[cfg(unix)]
    fn a_question_without_an_answer_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("app.db-wal");
        File::create(&log).unwrap();
        age(&log, LATELY * 2);
        let mut stillness = Stillness::of(directory.path().join("app.db").to_str().unwrap());
        assert!(!stillness.is_certain() && !stillness.is_certain());
        stillness.answered();
        assert!(stillness.is_certain());
    }
}
