//! Clients that are made when they are first used. Each service brings a table of all regions that its client reads, and a
//! start should not pay for services that most events do not need.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use aws_types::SdkConfig;

/// A client; copies share it.
pub struct OnFirstUse<C>(Arc<Made<C>>);

enum Made<C> {
    Already(C),
    Lazily(LazyLock<C, Box<dyn FnOnce() -> C + Send>>),
}

impl<C: 'static> OnFirstUse<C> {
    /// The client that `make` makes of this configuration.
    pub fn new(config: &SdkConfig, make: fn(&SdkConfig) -> C) -> Self {
        let config = config.clone();
        Self(Arc::new(Made::Lazily(LazyLock::new(Box::new(move || make(&config))))))
    }
}

impl<C> From<C> for OnFirstUse<C> {
    fn from(client: C) -> Self {
        Self(Arc::new(Made::Already(client)))
    }
}

impl<C> Deref for OnFirstUse<C> {
    type Target = C;

    fn deref(&self) -> &C {
        match &*self.0 {
            Made::Already(client) => client,
            Made::Lazily(client) => client,
        }
    }
}

impl<C> Clone for OnFirstUse<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for OnFirstUse<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OnFirstUse")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_client_is_made_once_for_all_copies_and_not_before_it_is_used() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let config = SdkConfig::builder().build();
        let one = OnFirstUse::new(&config, |_| MADE.fetch_add(1, Ordering::Relaxed));
        let other = one.clone();
        assert_eq!(MADE.load(Ordering::Relaxed), 0);
        assert_eq!((*one, *other), (0, 0));
        assert_eq!(MADE.load(Ordering::Relaxed), 1);
        assert_eq!(*OnFirstUse::from(7), 7);
    }
}
