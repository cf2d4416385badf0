//! When work on an issue went on.

use crate::moment::{Extent, Moment, Span};
use retally_log::IssueStatus;

/// The starts and ends of one issue, taken in log order.
///
/// An issue is open from its first event to its end, and again from each start after an end. Its
/// duration is the sum of these parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    first: First,
    current: Current,
    /// The sum over the closed parts that have a start of their own.
    closed_micros: u128,
    /// Whether a closed part has a start or end without a time.
    has_unknown: bool,
    /// Of the end that closed the last part; `None` until an issue.finished.
    ended: Option<Moment>,
    /// What the last end said; `None` until an issue.finished.
    status: Option<IssueStatus>,
}

/// How the first part began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum First {
    /// Neither start nor end was seen: the first event stands for the start.
    #[default]
    Unseen,
    /// With a start.
    Started(Moment),
    /// An end was seen before any start: the first event stands for it, and this is the end.
    OnlyEnded(Moment),
}

/// Whether work goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Current {
    /// The first part is open and no start was seen.
    #[default]
    Implied,
    /// A part is open since this start.
    Open(Moment),
    /// The issue ended.
    Closed,
}

impl Lifetime {
    /// Opens the issue, where it is not open already.
    pub(crate) fn start(&mut self, moment: Moment) {
        if self.first == First::Unseen {
            self.first = First::Started(moment);
        }
        if !matches!(self.current, Current::Open(_)) {
            self.current = Current::Open(moment);
        }
    }

    /// Ends the issue, and returns whether that was before its start. A second end changes the
    /// status alone.
    pub(crate) fn finish(&mut self, moment: Moment, status: IssueStatus) -> bool {
        self.status = Some(status);
        let span = match self.current {
            Current::Closed => return false,
            Current::Implied => {
                self.first = First::OnlyEnded(moment);
                Span::Known(0)
            }
            Current::Open(since) => Span::between(since, moment),
        };
        self.current = Current::Closed;
        self.ended = Some(moment);
        match span.micros() {
            Some(micros) => self.closed_micros += micros,
            None => self.has_unknown = true,
        }
        span == Span::Negative
    }

    /// Returns whether work goes on.
    pub(crate) fn is_open(&self) -> bool {
        self.current != Current::Closed
    }

    /// Returns what the last end said, or `None` until there was one.
    pub(crate) fn last_status(&self) -> Option<IssueStatus> {
        self.status
    }

    /// Returns when the issue began; `events` spans the issue's events.
    pub(crate) fn started_at(&self, events: &Extent) -> Moment {
        match self.first {
            First::Started(moment) => moment,
            First::Unseen | First::OnlyEnded(_) => events.first,
        }
    }

    /// Returns when the issue ended, or `None` while it is open.
    pub(crate) fn ended_at(&self) -> Moment {
        if self.is_open() { None } else { self.ended? }
    }

    /// Returns the microseconds of all parts, or `None` where a start or end has no time.
    pub(crate) fn duration_micros(&self, events: &Extent) -> Option<u128> {
        let first_part = match self.first {
            First::OnlyEnded(end) => Span::between(events.first, end).micros()?,
            First::Unseen | First::Started(_) => 0,
        };
        let open_part = match self.current {
            Current::Implied => Span::between(events.first, events.last).micros()?,
            Current::Open(since) => Span::between(since, events.last).micros()?,
            Current::Closed => 0,
        };
        (!self.has_unknown).then_some(self.closed_micros + first_part + open_part)
    }
}
