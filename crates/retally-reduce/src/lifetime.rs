//! When work on an issue went on.

use crate::moment::{Extent, Moment, Span};
use retally_log::IssueStatus;
use serde::{Deserialize, Serialize};

/// The starts and ends of one issue, taken in log order.
///
/// An issue is open from its first event to its end, and again from each start after an end. Its
/// duration is the sum of these parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use crate::test_helpers::check;

    #[test]
    fn an_issue_lasts_from_its_start_to_its_end() {
        check(
            &[
                r#"0 "note.added","issue":1,"text":"before""#,
                r#"10 "issue.started","issue":1,"title":"A title""#,
                r#"20.5 "issue.finished","issue":1,"status":"completed""#,
                r#"90 "note.added","issue":1,"text":"after""#,
            ],
            &[
                ("1/duration_seconds", "10.5"),
                ("1/status", r#""completed""#),
                ("1/title", r#""A title""#),
                ("1/started_at", r#""2024-12-03T12:00:10.000000Z""#),
                ("1/ended_at", r#""2024-12-03T12:00:20.500000Z""#),
            ],
        );
    }

    #[test]
    fn an_open_issue_lasts_to_its_own_last_event() {
        check(
            &[
                r#"10 "issue.started","issue":1"#,
                r#"15 "note.added","issue":1,"text":"t""#,
                r#"99 "issue.started","issue":2"#,
            ],
            &[
                ("1/duration_seconds", "5.0"),
                ("1/status", r#""in_progress""#),
                ("1/ended_at", "null"),
                ("1/first_time_right", "null"),
                ("2/duration_seconds", "0.0"),
            ],
        );
    }

    #[test]
    fn the_first_event_stands_for_a_missing_start() {
        let note = r#"10 "note.added","issue":1,"text":"t""#;
        let end = r#"30 "issue.finished","issue":1,"status":"failed""#;
        let late = r#"40 "note.added","issue":1,"text":"t""#;
        check(&[note, late], &[("1/duration_seconds", "30.0")]);
        check(
            &[note, end, late],
            &[
                ("1/duration_seconds", "20.0"),
                ("1/started_at", r#""2024-12-03T12:00:10.000000Z""#),
                ("1/anomalies", "[]"),
            ],
        );
        check(&[end], &[("1/duration_seconds", "0.0")]);
    }

    #[test]
    fn the_first_event_is_the_one_with_the_least_ts() {
        check(
            &[
                r#"30 "note.added","issue":1,"text":"t""#,
                r#"10 "note.added","issue":1,"text":"t""#,
                r#"20 "issue.finished","issue":1,"status":"failed""#,
            ],
            &[("1/duration_seconds", "10.0")],
        );
    }

    #[test]
    fn a_start_of_an_open_issue_changes_nothing() {
        check(
            &[
                r#"10 "issue.started","issue":1"#,
                r#"20 "issue.started","issue":1,"title":"told second""#,
                r#"25 "issue.started","issue":1,"title":"told third""#,
                r#"30 "issue.finished","issue":1,"status":"completed""#,
            ],
            &[
                ("1/duration_seconds", "20.0"),
                ("1/title", r#""told second""#),
            ],
        );
    }

    #[test]
    fn a_start_after_the_end_opens_the_issue_again() {
        let first = [
            r#"10 "issue.started","issue":1"#,
            r#"20 "issue.finished","issue":1,"status":"failed""#,
            r#"50 "issue.started","issue":1"#,
            r#"55 "note.added","issue":1,"text":"t""#,
        ];
        check(
            &first,
            &[
                ("1/duration_seconds", "15.0"),
                ("1/status", r#""in_progress""#),
                ("1/ended_at", "null"),
            ],
        );
        let end = r#"57 "issue.finished","issue":1,"status":"completed""#;
        check(
            &[&first[..], &[end]].concat(),
            &[
                ("1/duration_seconds", "17.0"),
                ("1/status", r#""completed""#),
                ("1/started_at", r#""2024-12-03T12:00:10.000000Z""#),
                ("1/ended_at", r#""2024-12-03T12:00:57.000000Z""#),
            ],
        );
    }

    #[test]
    fn a_second_end_changes_the_status_alone() {
        check(
            &[
                r#"10 "issue.started","issue":1"#,
                r#"20 "issue.finished","issue":1,"status":"failed""#,
                r#"50 "issue.finished","issue":1,"status":"completed""#,
            ],
            &[
                ("1/duration_seconds", "10.0"),
                ("1/status", r#""completed""#),
                ("1/ended_at", r#""2024-12-03T12:00:20.000000Z""#),
                ("final/issues_by_status/completed", "1"),
                ("final/issues_by_status/failed", "0"),
            ],
        );
    }

    #[test]
    fn a_negative_part_is_0_and_an_anomaly() {
        check(
            &[
                r#"20 "issue.started","issue":1"#,
                r#"10 "issue.finished","issue":1,"status":"failed""#,
                r#"30 "issue.started","issue":1"#,
                r#"33 "issue.finished","issue":1,"status":"completed""#,
            ],
            &[
                ("1/duration_seconds", "3.0"),
                (
                    "1/anomalies",
                    r#"[{"kind":"issue_end_before_start","at":"2024-12-03T12:00:10.000000Z"}]"#,
                ),
                ("metadata/anomalies", "1"),
            ],
        );
    }

    #[test]
    fn an_issue_without_an_end_is_abandoned_once_its_run_ended() {
        check(
            &[
                r#"0 "run.started","project_id":"p""#,
                r#"10 "issue.started","issue":1"#,
                r#"20 "run.finished","status":"completed""#,
                r#"30 "issue.started","issue":2"#,
                r#"35 "note.added","issue":2,"text":"t""#,
            ],
            &[
                ("1/status", r#""abandoned""#),
                ("1/duration_seconds", "0.0"),
                ("1/first_time_right", "false"),
                ("2/status", r#""abandoned""#),
                ("2/duration_seconds", "5.0"),
                ("2/ended_at", "null"),
                ("final/issues_by_status/abandoned", "2"),
                ("final/issues_by_status/in_progress", "0"),
                ("final/success_rate", "0.0"),
            ],
        );
    }

    #[test]
    fn times_of_a_segment_without_times_serve_order_only() {
        check(
            &[
                r#"10 none "issue.started","issue":1"#,
                r#"12 none "agent.started","issue":1,"agent":"a""#,
                r#"14 none "agent.finished","issue":1,"agent":"a","success":true"#,
                r#"20 none "issue.finished","issue":1,"status":"completed""#,
                r#"30 "issue.started","issue":2"#,
                r#"40 none "issue.finished","issue":2,"status":"completed""#,
                r#"50 "issue.started","issue":2"#,
                r#"60 "issue.finished","issue":2,"status":"completed""#,
            ],
            &[
                ("1/duration_seconds", "null"),
                ("1/started_at", "null"),
                ("1/ended_at", "null"),
                ("1/agent_metrics/a/duration", "null"),
                ("1/agent_metrics/a/successes", "1"),
                ("2/duration_seconds", "null"),
                ("2/started_at", r#""2024-12-03T12:00:30.000000Z""#),
                ("final/duration_seconds", "30.0"),
            ],
        );
    }
}
