//! Where the value of a context parameter comes from: [`ContextSource`].

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use crate::value::Value;

/// Where the value of a context parameter comes from: a value, a closure, a watch channel. Any of them may say that it is not known yet.
///
/// ```
/// use ditto_sync_core::scope::ContextSource;
///
/// let fixed = ContextSource::from("kigali-1");
/// let asked = ContextSource::provider(|| std::env::var("BRANCH").ok());
/// let (branch, followed) = tokio::sync::watch::channel(None);
/// let followed = ContextSource::watch(followed);
/// branch.send(Some("kigali-1".into())).unwrap();
/// # let _ = (fixed, asked, followed);
/// ```
#[derive(Clone)]
pub struct ContextSource(Source);

#[derive(Clone)]
enum Source {
    Value(Option<Value>),
    Provider(Arc<dyn Fn() -> Option<Value> + Send + Sync>),
    Watch(watch::Receiver<Option<Value>>),
}

impl ContextSource {
    /// Not known before the app sets it.
    #[must_use]
    pub fn unknown() -> Self {
        Self(Source::Value(None))
    }

    /// A closure, asked at the start and whenever the app asks for it
    /// ([`refresh_context`](crate::coordinator::SyncHandle::refresh_context)). It runs on the coordinator's task, so it should only look something up. `None`: not
    /// known yet.
    pub fn provider<V: Into<Value>>(provider: impl Fn() -> Option<V> + Send + Sync + 'static) -> Self {
        Self(Source::Provider(Arc::new(move || provider().map(Into::into))))
    }

    /// A watch channel, followed while the coordinator runs. `None`: not known yet. Once its sender is gone the last value stays.
    #[must_use]
    pub fn watch(receiver: watch::Receiver<Option<Value>>) -> Self {
        Self(Source::Watch(receiver))
    }

    /// The value as of now.
    pub(super) fn read(&mut self) -> Option<Value> {
        match &mut self.0 {
            Source::Value(value) => value.clone(),
            Source::Provider(provider) => provider(),
            Source::Watch(receiver) => receiver.borrow_and_update().clone(),
        }
    }

    /// Returns when a channel has another value than was read last; never for anything else. Cancellation safe.
    pub(super) async fn changed(&mut self) {
        if let Source::Watch(receiver) = &mut self.0
            && receiver.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Whether it is a channel, which is to be waited for.
    pub(super) fn is_followed(&self) -> bool {
        matches!(&self.0, Source::Watch(_))
    }
}

impl<V: Into<Value>> From<V> for ContextSource {
    fn from(value: V) -> Self {
        Self(Source::Value(Some(value.into())))
    }
}

impl fmt::Debug for ContextSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of a context name tenants: they do not belong in logs.
        f.write_str(match &self.0 {
            Source::Value(Some(_)) => "ContextSource(value)",
            Source::Value(None) => "ContextSource(unknown)",
            Source::Provider(_) => "ContextSource(provider)",
            Source::Watch(_) => "ContextSource(watch)",
        })
    }
}
