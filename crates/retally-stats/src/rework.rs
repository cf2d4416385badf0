use crate::bootstrap::Bootstrap;
use crate::cluster::Cluster;
use crate::interval::Interval;
use crate::issue_work::IssueKey;
use crate::lead::{RIVALS_MAX, rival_of_first};
use crate::run_work::RunWork;
use std::collections::BTreeMap;

/// The rework of one agent on all issues.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentShare {
    /// The agent.
    pub agent: String,
    /// Different issues on which it had to rework.
    pub issues: u64,
    /// Its debugging cycles.
    pub cycles: u64,
    /// Its retries.
    pub retries: u64,
    /// Its retries of all, from 0 to 1; `None` where nobody has any.
    pub share: Option<f64>,
    /// Of the share; `None` where there is not enough evidence for one.
    pub interval: Option<Interval>,
}

/// Who causes how much of all rework.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rework {
    /// Of most retries first; then of most cycles.
    pub agents: Vec<AgentShare>,
    /// The retries of all agents.
    pub retries: u64,
    /// Different issues with any retry.
    pub issues: u64,
    /// Which of the agents is the first of which there is no evidence that it has fewer retries than
    /// the first of all.
    pub rival: Option<usize>,
}

/// What an agent adds on an issue, whichever run it was in.
#[derive(Clone, Copy, Default)]
struct Part {
    retries: u64,
    cycles: u64,
}

impl Rework {
    /// Adds up the rework of all agents, that on open issues too.
    ///
    /// Intervals draw whole issues. Which agent is first is seen in the same data, which its lead
    /// over each of the next [`RIVALS_MAX`] allows for.
    pub fn of(runs: &[RunWork], bootstrap: Bootstrap) -> Self {
        let mut parts: BTreeMap<&str, BTreeMap<&IssueKey, Part>> = BTreeMap::new();
        let mut totals: BTreeMap<&IssueKey, u64> = BTreeMap::new();
        for story in runs.iter().flat_map(|run| &run.issues) {
            for rework in &story.agents {
                let of_agent = parts.entry(&rework.agent).or_default();
                let part = of_agent.entry(story.key()).or_default();
                part.retries += rework.retries;
                part.cycles += rework.cycles;
                *totals.entry(story.key()).or_default() += rework.retries;
            }
        }
        totals.retain(|_, retries| *retries > 0);
        let mut agents: Vec<(AgentShare, BTreeMap<&IssueKey, Part>)> = parts
            .into_iter()
            .map(|(agent, parts)| (AgentShare::new(agent, &parts), parts))
            .collect();
        // Stable, so that of equal ones the first by name comes first.
        agents.sort_by_key(|(agent, _)| std::cmp::Reverse((agent.retries, agent.cycles)));
        let shares = |parts: &BTreeMap<&IssueKey, Part>| shares_of(parts, &totals);
        let clusters = agents.iter().map(|(_, parts)| shares(parts));
        let rival = rival_of_first(clusters, agents.len(), bootstrap);
        for (agent, parts) in agents.iter_mut().take(RIVALS_MAX) {
            let clusters = shares(parts);
            agent.share = Cluster::total(&clusters).ratio();
            agent.interval = bootstrap.ratio(&clusters).and_then(within_a_share);
        }
        Self {
            retries: totals.values().sum(),
            issues: totals.len() as u64,
            rival,
            agents: agents.into_iter().map(|(agent, _)| agent).collect(),
        }
    }
}

impl Rework {
    /// Returns whether there is evidence that the first has more retries than each other.
    pub fn is_settled(&self) -> bool {
        self.agents.len() > 1 && self.rival.is_none()
    }
}

impl AgentShare {
    fn new(agent: &str, parts: &BTreeMap<&IssueKey, Part>) -> Self {
        Self {
            agent: agent.to_owned(),
            issues: parts.len() as u64,
            cycles: parts.values().map(|part| part.cycles).sum(),
            retries: parts.values().map(|part| part.retries).sum(),
            share: None,
            interval: None,
        }
    }
}

/// Returns, for each issue with retries, those of the agent of those of all.
fn shares_of(parts: &BTreeMap<&IssueKey, Part>, totals: &BTreeMap<&IssueKey, u64>) -> Vec<Cluster> {
    let cluster = |(key, all): (&&IssueKey, &u64)| Cluster {
        sum: parts.get(key).map_or(0, |part| part.retries) as f64,
        count: *all as f64,
    };
    totals.iter().map(cluster).collect()
}

fn within_a_share(interval: Interval) -> Option<Interval> {
    Interval::new(interval.low.max(0.0), interval.high.min(1.0))
}
