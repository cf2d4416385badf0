//! What the agents of one issue did.

use crate::anomaly::AnomalyKind;
use crate::moment::{Moment, Span};
use crate::open_list::{Label, OpenList};
use crate::quantity::Seconds;
use retally_log::{AgentFinished, AgentStarted, Position};
use serde::Serialize;
use std::collections::BTreeMap;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agents(BTreeMap<String, Agent>);

#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Notes that the event at `position` names the agent.
    pub(crate) fn see(&mut self, name: &str, position: &Position) {
        match self.0.get_mut(name) {
            Some(agent) if *position < agent.first => agent.first = position.clone(),
            Some(_) => {}
            None => {
                let agent = Agent::first_seen(position.clone());
                self.0.insert(name.to_owned(), agent);
            }
        }
    }

    /// Starts an attempt of an agent that was seen.
    pub(crate) fn start(&mut self, moment: Moment, event: &AgentStarted<'_>) {
        if let Some(agent) = self.0.get_mut(&*event.agent) {
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
        let agent = self.0.get_mut(&*event.agent)?;
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
