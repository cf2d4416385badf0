//! The debugging cycles of one issue.

use crate::anomaly::{Anomaly, AnomalyKind};
use crate::detail_list::DETAILS_MAX;
use crate::moment::{Moment, Span};
use crate::open_list::{Label, OpenList};
use crate::quantity::Seconds;
use retally_log::{DebugAttempted, DebugFinished, DebugStarted, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// One debugging cycle in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CycleDetail {
    /// The agent that has to rework.
    pub agent: String,
    /// What kind of error it is.
    pub error_type: String,
    /// How many fixes were attempted.
    pub attempts: u64,
    /// Whether the error is gone; `false` while the cycle is open.
    pub resolved: bool,
    /// End − start; of an open cycle, the issue's last event − start. `None` where one of them
    /// has no time.
    pub duration_seconds: Option<Seconds>,
    /// What the error says.
    pub error_message: String,
    /// When the cycle began.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it is open.
    pub ended_at: Option<Timestamp>,
    /// Whether it has no end.
    pub open: bool,
    /// How it was resolved, where that was said.
    pub resolution_method: Option<String>,
}

/// The debugging cycles of one issue, numbered from 0 in log order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cycles {
    open: OpenList<Cycle>,
    /// The closed ones whose number is below [`DETAILS_MAX`], sorted by it.
    closed: Vec<(u64, Cycle, End)>,
    resolved: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cycle {
    position: Position,
    started: Moment,
    agent: String,
    error_type: String,
    error_message: String,
    attempts: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    at: Moment,
    is_resolved: bool,
    method: Option<String>,
}

impl Cycles {
    /// Opens a cycle.
    pub(crate) fn start(&mut self, position: &Position, moment: Moment, event: &DebugStarted<'_>) {
        let mut labels = vec![Label::Agent(event.agent.clone().into_owned())];
        if event.span.is_some() {
            labels.push(Label::of_span(event.span.as_deref()));
        }
        let cycle = Cycle {
            position: position.clone(),
            started: moment,
            agent: event.agent.clone().into_owned(),
            error_type: event.error_type.clone().into_owned(),
            error_message: event.error_message.clone().into_owned(),
            attempts: 0,
        };
        self.open.open(labels, cycle);
    }

    /// Counts an attempt in the open cycle that it belongs to and returns that cycle's agent, or
    /// `None` where no cycle is open.
    pub(crate) fn attempt(&mut self, event: &DebugAttempted<'_>) -> Option<String> {
        let number = self.find(event.span.as_deref(), event.agent.as_deref())?;
        let cycle = self.open.get_mut(number)?;
        cycle.attempts += 1;
        Some(cycle.agent.clone())
    }

    /// Closes the open cycle that an end belongs to, and returns what is wrong with that.
    pub(crate) fn finish(
        &mut self,
        moment: Moment,
        event: &DebugFinished<'_>,
    ) -> Option<AnomalyKind> {
        let number = self.find(event.span.as_deref(), event.agent.as_deref());
        let closed = number.and_then(|number| Some((number, self.open.close(number)?)));
        let Some((number, cycle)) = closed else {
            return Some(AnomalyKind::CycleEndWithoutStart);
        };
        self.resolved += u64::from(event.resolved);
        let span = Span::between(cycle.started, moment);
        let end = End {
            at: moment,
            is_resolved: event.resolved,
            method: event.resolution_method.clone().map(String::from),
        };
        if number < DETAILS_MAX as u64 {
            let at = self.closed.partition_point(|(other, ..)| *other < number);
            self.closed.insert(at, (number, cycle, end));
        }
        (span == Span::Negative).then_some(AnomalyKind::CycleEndBeforeStart)
    }

    /// Finds the newest open cycle of the span, else of the agent, else of all.
    fn find(&self, span: Option<&str>, agent: Option<&str>) -> Option<u64> {
        let newest_with = |label| self.open.newest_with(&label);
        span.and_then(|span| newest_with(Label::Span(span.to_owned())))
            .or_else(|| agent.and_then(|agent| newest_with(Label::Agent(agent.to_owned()))))
            .or_else(|| self.open.newest())
    }

    /// Returns how many cycles were opened.
    pub(crate) fn count(&self) -> u64 {
        self.open.opened()
    }

    /// Returns how many cycles were resolved.
    pub(crate) fn resolved(&self) -> u64 {
        self.resolved
    }

    /// Returns how many cycles are open.
    pub(crate) fn open_count(&self) -> u64 {
        self.open.iter().len() as u64
    }

    /// Returns the first cycles in log order; open ones last to `last_event`.
    pub(crate) fn details(&self, last_event: Moment) -> Vec<CycleDetail> {
        let kept = self.count().min(DETAILS_MAX as u64);
        let mut closed = self.closed.iter().peekable();
        (0..kept)
            .filter_map(
                |number| match closed.next_if(|(closed, ..)| *closed == number) {
                    Some((_, cycle, end)) => Some(cycle.detail(Some(end), end.at)),
                    None => Some(self.open.get(number)?.detail(None, last_event)),
                },
            )
            .collect()
    }

    /// Returns the anomalies of an issue that ended, each with the place of the cycle's start.
    pub(crate) fn still_open(&self) -> impl Iterator<Item = (&Position, Anomaly)> {
        self.open.iter().take(DETAILS_MAX).map(|cycle| {
            let agent = Some(cycle.agent.as_str());
            let anomaly = Anomaly::new(AnomalyKind::CycleStillOpen, agent, cycle.started);
            (&cycle.position, anomaly)
        })
    }
}

impl Cycle {
    fn detail(&self, end: Option<&End>, until: Moment) -> CycleDetail {
        CycleDetail {
            agent: self.agent.clone(),
            error_type: self.error_type.clone(),
            attempts: self.attempts,
            resolved: end.is_some_and(|end| end.is_resolved),
            duration_seconds: Span::between(self.started, until)
                .micros()
                .map(Seconds::from_micros),
            error_message: self.error_message.clone(),
            started_at: self.started,
            ended_at: end.and_then(|end| end.at),
            open: end.is_none(),
            resolution_method: end.and_then(|end| end.method.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test_helpers::{check, fold, log};
    use retally_log::IssueId;

    #[test]
    fn a_cycle_counts_its_attempts_as_retries_of_its_agent() {
        check(
            &[
                r#"0 "debug.started","issue":1,"agent":"testing","error_type":"e","error_message":"m""#,
                r#"10 "debug.attempted","issue":1"#,
                r#"20 "debug.attempted","issue":1,"agent":"coding""#,
                r#"30 "debug.finished","issue":1,"resolved":true,"resolution_method":"fix""#,
            ],
            &[
                ("1/agent_metrics/testing/retries", "2"),
                ("1/agent_metrics/coding/retries", "0"),
                ("1/total_agent_retries", "2"),
                ("1/debugging_cycles", "1"),
                ("1/resolved_cycles", "1"),
                ("1/debugging_success_rate", "100.0"),
                ("1/total_errors", "1"),
                (
                    "1/debugging_details/0",
                    r#"{"agent":"testing","error_type":"e","attempts":2,"resolved":true,
                        "duration_seconds":30.0,"error_message":"m",
                        "started_at":"2024-12-03T12:00:00.000000Z",
                        "ended_at":"2024-12-03T12:00:30.000000Z","open":false,
                        "resolution_method":"fix"}"#,
                ),
                ("final/retries_by_agent", r#"{"coding":0,"testing":2}"#),
            ],
        );
    }

    /// Opens cycle A (agent a, span s, at 0), B (agent b, no span, at 1) and C (agent a, span t,
    /// at 2), and returns the error types of the cycles that are closed after one end.
    fn closed_by(end: &str) -> Vec<String> {
        let end = format!(r#"9 "debug.finished","issue":1,"resolved":true{end}"#);
        let state = fold(&log(&[
            r#"0 "debug.started","issue":1,"agent":"a","span":"s","error_type":"A","error_message":"""#,
            r#"1 "debug.started","issue":1,"agent":"b","error_type":"B","error_message":"""#,
            r#"2 "debug.started","issue":1,"agent":"a","span":"t","error_type":"C","error_message":"""#,
            &end,
        ]));
        let report = state.issue_report(&IssueId::from("1")).expect("issue 1");
        let closed = report
            .debugging_details
            .into_iter()
            .filter(|cycle| !cycle.open);
        closed.map(|cycle| cycle.error_type).collect()
    }

    #[test]
    fn an_end_goes_to_its_span_else_its_agent_else_the_newest_open_cycle() {
        for (end, expected) in [
            (r#","span":"s""#, "A"),
            (r#","span":"s","agent":"b""#, "A"),
            (r#","agent":"b""#, "B"),
            (r#","agent":"a""#, "C"),
            ("", "C"),
            (r#","span":"?","agent":"b""#, "B"),
            (r#","span":"?","agent":"?""#, "C"),
        ] {
            assert_eq!(closed_by(end), [expected], "{end}");
        }
    }

    #[test]
    fn without_an_open_cycle_attempts_and_ends_are_anomalies() {
        check(
            &[
                r#"0 "debug.attempted","issue":1,"agent":"a""#,
                r#"1 "debug.finished","issue":1,"resolved":true"#,
            ],
            &[
                (
                    "1/anomalies",
                    r#"[{"kind":"debug_attempt_without_cycle","agent":"a","at":"2024-12-03T12:00:00.000000Z"},
                        {"kind":"cycle_end_without_start","at":"2024-12-03T12:00:01.000000Z"}]"#,
                ),
                ("1/resolved_cycles", "0"),
                ("1/debugging_success_rate", "null"),
                ("1/agent_metrics/a/retries", "0"),
            ],
        );
    }

    #[test]
    fn a_cycle_that_is_open_when_its_issue_ends_is_an_anomaly_until_it_ends() {
        let open = [
            r#"0 "debug.started","issue":1,"agent":"a","error_type":"e","error_message":"m""#,
            r#"5 "note.added","issue":1,"text":"t""#,
        ];
        check(
            &open,
            &[
                ("1/anomalies", "[]"),
                ("1/debugging_details/0/open", "true"),
                ("1/debugging_details/0/resolved", "false"),
                ("1/debugging_details/0/ended_at", "null"),
                ("1/debugging_details/0/duration_seconds", "5.0"),
                ("metadata/anomalies", "0"),
            ],
        );
        let ended = [
            &open[..],
            &[r#"9 "issue.finished","issue":1,"status":"failed""#],
        ]
        .concat();
        check(
            &ended,
            &[
                (
                    "1/anomalies",
                    r#"[{"kind":"cycle_still_open","agent":"a","at":"2024-12-03T12:00:00.000000Z"}]"#,
                ),
                ("1/debugging_details/0/duration_seconds", "9.0"),
                ("metadata/anomalies", "1"),
            ],
        );
        let closed = [
            &ended[..],
            &[r#"12 "debug.finished","issue":1,"resolved":true"#],
        ]
        .concat();
        check(
            &closed,
            &[
                ("1/anomalies", "[]"),
                ("1/resolved_cycles", "1"),
                ("metadata/anomalies", "0"),
            ],
        );
        let run_ended = [&open[..], &[r#"9 "run.finished","status":"failed""#]].concat();
        check(
            &run_ended,
            &[
                ("1/anomalies/0/kind", r#""cycle_still_open""#),
                ("final/anomalies/0/issue_id", "1"),
                ("metadata/anomalies", "1"),
            ],
        );
    }

    #[test]
    fn a_thousand_cycles_are_listed_and_all_are_counted() {
        let start =
            r#"0 "debug.started","issue":1,"agent":"a","error_type":"e","error_message":"m""#;
        let end = r#"1 "debug.finished","issue":1,"resolved":true"#;
        let lines: Vec<&str> = std::iter::repeat_n([start, end], 1_500).flatten().collect();
        let state = fold(&log(&lines));
        let report = state.issue_report(&IssueId::from("1")).expect("issue 1");
        assert_eq!(report.debugging_cycles, 1_500);
        assert_eq!(report.debugging_details.len(), 1_000);
        assert_eq!(
            report.omitted.into_iter().collect::<Vec<_>>(),
            [("debugging_details", 500)]
        );
    }
}
