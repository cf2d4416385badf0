//! What the agents of one issue did.

use crate::anomaly::AnomalyKind;
use crate::moment::{Moment, Span};
use crate::named::Named;
use crate::open_list::{Label, OpenList};
use crate::quantity::Seconds;
use retally_log::{AgentFinished, AgentStarted, Position};
use serde::{Deserialize, Serialize};

/// The numbers of one agent in one issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentMetrics {
    /// Starts, and ends without a start.
    pub attempts: u64,
    /// Ends with success.
    pub successes: u64,
    /// Ends without success.
    pub failures: u64,
    /// `debug.attempted` in cycles of this agent. Restarts are attempts, not retries.
    pub retries: u64,
    /// The sum over the attempts that ended; `None` where some ended but no duration is known.
    pub duration: Option<Seconds>,
}

/// The agents that any event of one issue names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Agents(Named<Agent>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Agent {
    /// The first event in log order that names it.
    first: Position,
    open: OpenList<Moment>,
    ends_without_start: u64,
    successes: u64,
    failures: u64,
    retries: u64,
    /// Attempts that ended and whose duration is known.
    measured: u64,
    micros: u128,
}

impl Agents {
    /// Notes that the event at `position` names the agent, and returns whether it is the first
    /// that arrived that does.
    pub(crate) fn see(&mut self, name: &str, position: &Position) -> bool {
        let mut is_new = false;
        let agent = self.0.get_or_insert_with(name, || {
            is_new = true;
            Agent::first_seen(position.clone())
        });
        if *position < agent.first {
            agent.first = position.clone();
        }
        is_new
    }

    /// Starts an attempt of an agent that was seen.
    pub(crate) fn start(&mut self, moment: Moment, event: &AgentStarted<'_>) {
        if let Some(agent) = self.0.get_mut(&event.agent) {
            let label = Label::of_span(event.span.as_deref());
            agent.open.open(vec![label], moment);
        }
    }

    /// Ends an attempt of an agent that was seen, and returns what is wrong with that.
    pub(crate) fn finish(
        &mut self,
        moment: Moment,
        event: &AgentFinished<'_>,
    ) -> Option<AnomalyKind> {
        let agent = self.0.get_mut(&event.agent)?;
        if event.success {
            agent.successes += 1;
        } else {
            agent.failures += 1;
        }
        let Some(start) = agent.close(event.span.as_deref()) else {
            agent.ends_without_start += 1;
            return Some(AnomalyKind::AgentEndWithoutStart);
        };
        let span = Span::between(start, moment);
        if let Some(micros) = span.micros() {
            agent.measured += 1;
            agent.micros += micros;
        }
        (span == Span::Negative).then_some(AnomalyKind::AgentEndBeforeStart)
    }

    /// Counts a retry of an agent that was seen.
    pub(crate) fn retry(&mut self, name: &str) {
        if let Some(agent) = self.0.get_mut(name) {
            agent.retries += 1;
        }
    }

    /// Returns the names and numbers in order of first appearance.
    pub(crate) fn metrics(&self) -> Vec<(String, AgentMetrics)> {
        let mut agents: Vec<_> = self.0.iter().collect();
        agents.sort_by_key(|(_, agent)| &agent.first);
        agents
            .into_iter()
            .map(|(name, agent)| (name.clone(), agent.metrics()))
            .collect()
    }
}

impl Agent {
    fn first_seen(first: Position) -> Self {
        Self {
            first,
            open: OpenList::default(),
            ends_without_start: 0,
            successes: 0,
            failures: 0,
            retries: 0,
            measured: 0,
            micros: 0,
        }
    }

    /// Closes the start that an end belongs to: the newest with its span, else the newest
    /// without; for an end without span the newest of all.
    fn close(&mut self, span: Option<&str>) -> Option<Moment> {
        let number = match span {
            Some(_) => self
                .open
                .newest_with(&Label::of_span(span))
                .or_else(|| self.open.newest_with(&Label::NoSpan)),
            None => self.open.newest(),
        };
        self.open.close(number?)
    }

    fn metrics(&self) -> AgentMetrics {
        let ended = self.successes + self.failures;
        let is_known = ended == 0 || self.measured > 0;
        AgentMetrics {
            attempts: self.open.opened() + self.ends_without_start,
            successes: self.successes,
            failures: self.failures,
            retries: self.retries,
            duration: is_known.then_some(Seconds::from_micros(self.micros)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test_helpers::{check, fold, log};
    use retally_log::IssueId;

    #[test]
    fn attempts_are_starts_and_ends_without_a_start() {
        check(
            &[
                r#"10 "agent.finished","issue":1,"agent":"a","success":false"#,
                r#"20 "agent.started","issue":1,"agent":"a""#,
                r#"25.3 "agent.finished","issue":1,"agent":"a","success":true"#,
                r#"30 "agent.started","issue":1,"agent":"a""#,
            ],
            &[
                (
                    "1/agent_metrics/a",
                    r#"{"attempts":3,"successes":1,"failures":1,"retries":0,"duration":5.3}"#,
                ),
                (
                    "1/anomalies",
                    r#"[{"kind":"agent_end_without_start","agent":"a","at":"2024-12-03T12:00:10.000000Z"}]"#,
                ),
            ],
        );
    }

    #[test]
    fn only_unknown_durations_have_no_sum() {
        let end = r#"10 "agent.finished","issue":1,"agent":"a","success":true"#;
        let start = r#"10 "agent.started","issue":1,"agent":"a""#;
        check(&[end], &[("1/agent_metrics/a/duration", "null")]);
        check(&[start], &[("1/agent_metrics/a/duration", "0.0")]);
    }

    #[test]
    fn start_and_end_pair_by_span_else_the_newest() {
        let start =
            |at: u32, span: &str| format!(r#"{at} "agent.started","issue":1,"agent":"a"{span}"#);
        let end = |at: u32, span: &str| {
            format!(r#"{at} "agent.finished","issue":1,"agent":"a","success":true{span}"#)
        };
        let (s, t) = (r#","span":"s""#, r#","span":"t""#);
        for (lines, duration, anomalies) in [
            // By span, though another is newer.
            ([start(0, s), start(10, t), end(30, s)], "30.0", 0),
            // Without span: the newest of all.
            ([start(0, ""), start(10, t), end(30, "")], "20.0", 0),
            // A span that is not open: the newest without one.
            ([start(0, ""), start(10, t), end(30, s)], "30.0", 0),
            // No such span and none without: an end without a start.
            ([start(0, t), start(10, t), end(30, s)], "null", 1),
            // A span opened twice: the newest.
            ([start(0, s), start(10, s), end(30, s)], "20.0", 0),
        ] {
            let state = fold(&log(&lines.each_ref().map(String::as_str)));
            let report = state.issue_report(&IssueId::from("1")).expect("issue 1");
            let duration_got = report.agent_metrics[0].1.duration;
            let duration_got = duration_got.map_or("null".to_owned(), |it| it.to_string());
            assert_eq!(duration_got, duration, "{lines:#?}");
            assert_eq!(report.anomalies.len(), anomalies, "{lines:#?}");
        }
    }

    #[test]
    fn an_end_pairs_with_starts_of_its_own_agent_and_issue_only() {
        check(
            &[
                r#"0 "agent.started","issue":1,"agent":"a","span":"s""#,
                r#"1 "agent.finished","issue":1,"agent":"b","span":"s","success":true"#,
                r#"2 "agent.finished","issue":2,"agent":"a","span":"s","success":true"#,
            ],
            &[
                ("1/agent_metrics/a/successes", "0"),
                ("1/agent_metrics/b/attempts", "1"),
                ("2/agent_metrics/a/duration", "null"),
                ("final/anomalies/0/kind", r#""agent_end_without_start""#),
                ("final/anomalies/0/issue_id", "1"),
                ("final/anomalies/1/issue_id", "2"),
            ],
        );
    }

    #[test]
    fn an_attempt_that_ends_before_it_starts_lasted_0() {
        check(
            &[
                r#"20 "agent.started","issue":1,"agent":"a""#,
                r#"10 "agent.finished","issue":1,"agent":"a","success":true"#,
            ],
            &[
                ("1/agent_metrics/a/duration", "0.0"),
                ("1/anomalies/0/kind", r#""agent_end_before_start""#),
            ],
        );
    }

    #[test]
    fn agents_stand_in_order_of_first_appearance_in_any_event() {
        let state = fold(&log(&[
            r#"10 "llm.called","issue":1,"agent":"z","model":"m""#,
            r#"20 "agent.started","issue":1,"agent":"m""#,
            r#"30 "note.added","issue":1,"agent":"b","text":"t""#,
            r#"5 b "tool.called","issue":1,"agent":"b","tool":"t""#,
        ]));
        let report = state.issue_report(&IssueId::from("1")).expect("issue 1");
        let names: Vec<&str> = report
            .agent_metrics
            .iter()
            .map(|(name, _)| &**name)
            .collect();
        assert_eq!(names, ["b", "z", "m"]);
        assert_eq!(report.agent_metrics[0].1.attempts, 0);
    }
}
