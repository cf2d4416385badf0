//! When something happened, as far as it is known.

use retally_log::Timestamp;
use serde::{Deserialize, Serialize};

/// The time of an event, or `None` where its segment has no times (`times: none`).
pub(crate) type Moment = Option<Timestamp>;

/// Returns the signed microseconds from `start` to `end`.
pub(crate) fn micros_between(start: Timestamp, end: Timestamp) -> i128 {
    i128::from(end.as_micros()) - i128::from(start.as_micros())
}

/// How long something lasted that has a start and an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// The microseconds.
    Known(u128),
    /// It ended before it started: an anomaly that lasted 0.
    Negative,
    /// The start or the end has no time.
    Unknown,
}

impl Span {
    /// Measures from `start` to `end`.
    pub(crate) fn between(start: Moment, end: Moment) -> Self {
        let (Some(start), Some(end)) = (start, end) else {
            return Self::Unknown;
        };
        u128::try_from(micros_between(start, end)).map_or(Self::Negative, Self::Known)
    }

    /// Returns the microseconds, 0 where they are negative, or `None` where they are unknown.
    pub(crate) fn micros(self) -> Option<u128> {
        match self {
            Self::Known(micros) => Some(micros),
            Self::Negative => Some(0),
            Self::Unknown => None,
        }
    }
}

/// The least and greatest time that was seen, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    /// `None` until an event with a time was seen.
    pub(crate) first: Moment,
    /// `None` until an event with a time was seen.
    pub(crate) last: Moment,
}

impl Extent {
    /// Takes in the time of one more event.
    pub(crate) fn include(&mut self, moment: Moment) {
        let Some(time) = moment else { return };
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}
