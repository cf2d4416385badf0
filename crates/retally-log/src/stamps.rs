//! The times that a writer gives to events: of one segment, they never go back.

use crate::clock::Clock;
use crate::format::CLOCK_AHEAD_MICROS_MAX;
use crate::timestamp::Timestamp;
use std::time::Duration;

/// Gives stamps: the time of day, or where that went back, the last stamp plus the time since.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    /// The last stamp, and the monotonic time at which it was given. `None` until there is one.
    last: Option<(Timestamp, Duration)>,
}

impl Stamps {
    /// Goes on behind the stamp that a segment ends with.
    pub(crate) fn after(last: Timestamp, clock: &dyn Clock) -> Self {
        Self {
            last: Some((last, clock.monotonic())),
        }
    }

    /// Returns a stamp that is not before any other of these.
    pub(crate) fn next(&mut self, clock: &dyn Clock) -> Timestamp {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let stamp = self.earliest(monotonic).map_or(wall, |at| at.max(wall));
        self.last = Some((stamp, monotonic));
        stamp
    }

    /// Begins a new segment, in which stamps that ran far ahead of the clock need not go on.
    pub(crate) fn begin_segment(&mut self, clock: &dyn Clock) {
        let limit = clock.now().saturating_add_micros(CLOCK_AHEAD_MICROS_MAX);
        if self
            .earliest(clock.monotonic())
            .is_some_and(|at| at > limit)
        {
            self.last = None;
        }
    }

    fn earliest(&self, monotonic: Duration) -> Option<Timestamp> {
        let (last, at) = self.last?;
        let micros = i64::try_from(monotonic.saturating_sub(at).as_micros()).unwrap_or(i64::MAX);
        Some(last.saturating_add_micros(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_stamp_is_the_time_of_day_until_that_goes_back() {
        let clock = ManualClock::new(at("2024-12-03T14:00:00Z"));
        let mut stamps = Stamps::default();
        assert_eq!(stamps.next(&clock), at("2024-12-03T14:00:00Z"));
        clock.jump_to(at("2024-12-03T13:00:00Z"));
        clock.advance(Duration::from_secs(2));
        assert_eq!(stamps.next(&clock), at("2024-12-03T14:00:02Z"));
        clock.jump_to(at("2024-12-03T15:00:00Z"));
        assert_eq!(stamps.next(&clock), at("2024-12-03T15:00:00Z"));
    }

    #[test]
    fn a_new_segment_forgets_stamps_that_ran_far_ahead() {
        let clock = ManualClock::new(at("2024-12-03T14:00:00Z"));
        let check = |jump: &str, expected: &str| {
            let mut stamps = Stamps::after(at(jump), &clock);
            stamps.begin_segment(&clock);
            assert_eq!(stamps.next(&clock), at(expected), "{jump}");
        };
        check("2024-12-03T14:59:00Z", "2024-12-03T14:59:00Z");
        check("2034-12-03T14:00:00Z", "2024-12-03T14:00:00Z");
    }

    proptest! {
        /// Property: whatever the clocks do, a stamp is neither before the last nor before now.
        #[test]
        fn stamps_never_go_back(
            jumps in prop::collection::vec((any::<i64>(), any::<u64>()), 1..50)
        ) {
            let clock = ManualClock::new(Timestamp::MIN);
            let mut stamps = Stamps::default();
            let mut last = Timestamp::MIN;
            for (wall, micros) in jumps {
                clock.jump_to(Timestamp::from_micros_saturating(wall));
                clock.advance(Duration::from_micros(micros));
                let stamp = stamps.next(&clock);
                prop_assert!(stamp >= last && stamp >= clock.now());
                last = stamp;
            }
        }
    }
}
