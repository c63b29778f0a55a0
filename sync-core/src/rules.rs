//! The named rules of the mirror, and a way for tests to switch one off: [`Rule`], [`off`].
//!
//! A test that a simulation finds what it should find needs code that is wrong in a known way. With the feature `mutations` every rule can be
//! switched off on the current thread; without it [`off`] is `false` at compile time. With the feature and no rule switched off nothing differs.

/// Makes the enumeration and the list of all of it, so that no rule is left out where all are tried.
macro_rules! rules {
    ($($(#[$about:meta])* $rule:ident,)+) => {
        /// A rule that the mirror cannot do without.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$about])* $rule,)+
        }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$rule),+];
        }
    };
}

rules! {
    /// A store refuses a batch computed against other documents than it holds.
    Cas,
    /// A refused batch is refused as a whole.
    AtomicStale,
    /// An intent in flight is settled before anything is applied.
    Settle,
    /// No own write between a fetch and its apply.
    Serial,
    /// A dirty row whose document is gone is deleted, unless it was inserted in the unsent window.
    DeleteWins,
    /// The outbox keeps the kind of each change.
    InsertKind,
    /// A document without its anchor is absent.
    Husk,
    /// Husks are never cleaned up.
    NoHuskGc,
    /// A seed loses to every real write.
    SeedFloor,
    /// Seeded counters share one epoch.
    SeedEpoch,
    /// A changed row that was never agreed on is seeded with its OLD image.
    SeedBase,
    /// An insert restarts the counter in a new epoch.
    Restart,
    /// Scope is judged before the shortcut of a known hash, and on acknowledgement.
    ScopeFirst,
    /// Another scope than that of the last complete reconcile means another one.
    ScopeMark,
    /// A row that left the scope leaves the known set.
    Forget,
    /// Store and database are compared at start.
    Identity,
    /// Nothing is sent before a replaced store has caught up.
    AwaitPeer,
    /// After a restore pending changes are reported and not sent.
    DirtyRestore,
    /// Acknowledged intents are retained, for a store that loses its newest writes.
    Retain,
    /// A batch is applied at most once.
    BatchOnce,
    /// The known set gets the hash of what was sent, not of what is read back.
    SentHash,
}

#[cfg(feature = "mutations")]
thread_local! {
    static OFF: std::cell::Cell<Option<Rule>> = const { std::cell::Cell::new(None) };
}

/// Whether a test has switched this rule off on this thread.
#[cfg(feature = "mutations")]
#[inline]
#[must_use]
pub fn off(rule: Rule) -> bool {
    OFF.get() == Some(rule)
}

/// Whether a test has switched this rule off: not without the feature `mutations`.
#[cfg(not(feature = "mutations"))]
#[inline]
#[must_use]
pub const fn off(_: Rule) -> bool {
    false
}

/// Whether a test has switched any rule off on this thread.
#[cfg(feature = "mutations")]
#[inline]
#[must_use]
pub fn any_off() -> bool {
    OFF.get().is_some()
}

/// Whether a test has switched any rule off: not without the feature `mutations`.
#[cfg(not(feature = "mutations"))]
#[inline]
#[must_use]
pub const fn any_off() -> bool {
    false
}

/// Does `work` on this thread without this rule.
#[cfg(feature = "mutations")]
pub fn without<T>(rule: Rule, work: impl FnOnce() -> T) -> T {
    /// Switches it on again, also after a panic.
    struct Restore;

    impl Drop for Restore {
        fn drop(&mut self) {
            OFF.set(None);
        }
    }

    let _restore = Restore;
    OFF.set(Some(rule));
    work()
}
