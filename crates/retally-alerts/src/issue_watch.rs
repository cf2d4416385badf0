//! What is open of one issue.

use crate::alert::Spot;
use crate::retry_storm::Retries;
use crate::rules::SilenceRule;
use crate::silence::{Life, Silence};
use retally_log::Timestamp;
use std::collections::BTreeMap;

/// What one issue's events amount to, as far as rules ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct IssueWatch {
    /// Whether it ever ended; the first end is what is compared with other issues.
    is_decided: bool,
    agents: BTreeMap<Box<str>, AgentWatch>,
    pub(crate) retries: Retries,
    pub(crate) cost_nanos: u128,
    /// Whether there were calls of which the cost is not known.
    pub(crate) lacks_cost: bool,
    pub(crate) is_over_budget: bool,
}

#[derive(Clone, Debug)]
struct AgentWatch {
    /// How many attempts have no end.
    open: u64,
    /// `None` while none is open.
    life: Option<Life>,
}

/// An agent that said nothing.
pub(crate) type SilentAgent = (Box<str>, Silence);

impl IssueWatch {
    /// Starts an attempt of an agent, and returns whether it is not its first.
    pub(crate) fn start(&mut self, agent: &str, spot: &Spot) -> bool {
        let life = Some(Life::new(spot.clone()));
        match self.agents.get_mut(agent) {
            Some(agent) => {
                agent.open += 1;
                agent.life = life;
                true
            }
            None => {
                self.agents
                    .insert(agent.into(), AgentWatch { open: 1, life });
                false
            }
        }
    }

    /// Ends an attempt of an agent.
    pub(crate) fn end(&mut self, agent: &str) {
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.open = agent.open.saturating_sub(1);
            if agent.open == 0 {
                agent.life = None;
            }
        }
    }

    /// Ends the issue, and returns whether that was never done before.
    pub(crate) fn finish(&mut self) -> bool {
        for agent in self.agents.values_mut() {
            (agent.open, agent.life) = (0, None);
        }
        !std::mem::replace(&mut self.is_decided, true)
    }

    /// Notes a sign of life: of one agent, or of all where none is named. Returns the silences that
    /// it ends.
    pub(crate) fn show_life(
        &mut self,
        agent: Option<&str>,
        spot: &Spot,
        rule: Option<&SilenceRule>,
    ) -> Vec<SilentAgent> {
        let is_meant = |name: &str| agent.is_none_or(|agent| agent == name);
        let agents = self.agents.iter_mut().filter(|(name, _)| is_meant(name));
        let ended = agents.filter_map(|(name, agent)| {
            let silence = agent.life.as_mut()?.show(spot, rule)?;
            Some((name.clone(), silence))
        });
        ended.collect()
    }

    /// Returns the silences that go on for too long and were not told yet.
    pub(crate) fn overdue(&mut self, now: Timestamp, rule: &SilenceRule) -> Vec<SilentAgent> {
        let overdue = self.agents.iter_mut().filter_map(|(name, agent)| {
            let silence = agent.life.as_mut()?.overdue(now, rule)?;
            Some((name.clone(), silence))
        });
        overdue.collect()
    }

    /// Returns behind what time an agent is too silent next.
    pub(crate) fn deadline(&self, rule: &SilenceRule) -> Option<Timestamp> {
        let lives = self.agents.values().filter_map(|agent| agent.life.as_ref());
        lives.filter_map(|life| life.deadline(rule)).min()
    }

    /// Returns what it cost, or `None` where that is not known, or it is nothing.
    pub(crate) fn known_cost_usd(&self) -> Option<f64> {
        let is_known = !self.lacks_cost && self.cost_nanos > 0;
        is_known.then_some(self.cost_nanos as f64 / 1e9)
    }
}
