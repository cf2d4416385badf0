//! Where times come from: the machine's clocks, or one that its user moves by hand.

use crate::timestamp::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The two clocks that a writer reads; it has no other source of time.
pub trait Clock: Send + Sync {
    /// Returns the time of day. It may jump in any direction.
    fn now(&self) -> Timestamp;

    /// Returns the time since some fixed moment. It does not jump.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Takes this moment as the one that monotonic time counts from.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until it is moved: the same calls yield the same log.
///
/// ```
/// use retally_log::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new("2024-12-03T14:30:22Z".parse()?);
/// clock.advance(Duration::from_millis(1500));
/// assert_eq!(clock.now().to_string(), "2024-12-03T14:30:23.500000Z");
/// # Ok::<(), retally_log::TimestampError>(())
/// ```
#[derive(Debug)]
pub struct ManualClock(Mutex<ManualTime>);

#[derive(Clone, Copy, Debug)]
struct ManualTime {
    wall: Timestamp,
    monotonic: Duration,
}

impl ManualClock {
    /// Stops the time of day at `wall`, and monotonic time at 0.
    pub fn new(wall: Timestamp) -> Self {
        Self(Mutex::new(ManualTime {
            wall,
            monotonic: Duration::ZERO,
        }))
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        self.change(|now| {
            now.wall = now.wall.saturating_add_micros(micros);
            now.monotonic = now.monotonic.saturating_add(time);
        });
    }

    /// Sets the time of day, as an administrator would; monotonic time does not notice.
    pub fn jump_to(&self, wall: Timestamp) {
        self.change(|now| now.wall = wall);
    }

    fn change(&self, change: impl FnOnce(&mut ManualTime)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn read(&self) -> ManualTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.read().wall
    }

    fn monotonic(&self) -> Duration {
        self.read().monotonic
    }
}
