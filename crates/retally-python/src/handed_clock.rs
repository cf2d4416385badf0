use retally_log::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock that says what Python said last. Its monotonic time stands still, so that stamps are
/// exactly what was handed over, as long as that does not go back.
#[derive(Debug)]
pub(crate) struct HandedClock(AtomicI64);

impl HandedClock {
    /// Says this time, in microseconds since 1970, until another is handed over.
    pub(crate) fn new(micros: i64) -> Self {
        Self(AtomicI64::new(micros))
    }

    pub(crate) fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::Relaxed);
    }
}

impl Clock for HandedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros_saturating(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}
