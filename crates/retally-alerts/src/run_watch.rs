//! What one run tells, line by line.

use crate::alert::{Alert, Evidence, RuleName, Severity, Spot, Trigger, quoted};
use crate::budget::{exceeds, over_budget};
use crate::fact::{Fact, FactKind, Origin};
use crate::issue_watch::IssueWatch;
use crate::rules::{Rules, SilenceRule};
use crate::silence::{Life, silent, stalled};
use retally_log::{
    Content, Entry, Event, EventType, IssueStatus, LlmCalled, Logged, PipelineRecorded, Place,
    RunId, RunStarted, Times, Timestamp,
};
use retally_reduce::{PriceBook, pipeline_success};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What comes of a line of a log.
#[derive(Clone, Debug)]
pub enum Finding {
    /// A rule found something.
    Alert(Box<Alert>),
    /// Something that is to be compared with other runs; a [`Fleet`](crate::Fleet) does.
    Fact(Fact),
}

/// Looks at one run, line by line in log order, by the rules that concern one run alone.
///
/// It holds what is open and hardly anything of what ended: memory grows with the issues,
/// pipelines and idempotency keys of the run, not with its events.
#[derive(Clone, Debug)]
pub struct RunWatch {
    origin: Arc<Origin>,
    life: Option<Life>,
    has_ended: bool,
    /// Whether all that it told of so far are pipelines; `None` where it told of nothing yet.
    only_pipelines: Option<bool>,
    issues: BTreeMap<Box<str>, IssueWatch>,
    cost_nanos: u128,
    is_over_budget: bool,
    /// Hashes of the idempotency keys that were used, with their issues.
    keys: HashSet<u64>,
    /// The last status of each pipeline attempt, by the hash of what identifies it.
    pipelines: HashMap<u64, Box<str>>,
    /// The files in which damage was told.
    damaged: HashSet<Box<str>>,
}

impl RunWatch {
    /// Begins to look at a run of which nothing is known.
    pub fn new(run: &RunId) -> Self {
        Self::of(run.as_str())
    }

    fn of(run: &str) -> Self {
        let origin = Origin {
            run: run.to_owned(),
            project: None,
            model: None,
        };
        Self {
            origin: Arc::new(origin),
            life: None,
            has_ended: false,
            only_pipelines: None,
            issues: BTreeMap::new(),
            cost_nanos: 0,
            is_over_budget: false,
            keys: HashSet::new(),
            pipelines: HashMap::new(),
            damaged: HashSet::new(),
        }
    }

    /// Takes in the next entry of the log. After [`Entry::Rewound`] it begins anew, and finds again
    /// what it had found.
    pub fn take(&mut self, entry: &Entry<'_>, rules: &Rules, prices: &PriceBook) -> Vec<Finding> {
        let mut found = Vec::new();
        match entry {
            Entry::Rewound => *self = Self::of(&self.origin.run),
            Entry::Stretch(place, Content::Event(logged)) if !self.is_repeated(logged) => {
                let spot = spot(place, logged);
                self.take_event(&spot, &logged.envelope.event, rules, prices, &mut found);
            }
            Entry::Stretch(place, Content::Damage(damage)) => {
                if let Some(severity) = rules.damage {
                    found.extend(self.damage(place, &damage.to_string(), severity));
                }
            }
            Entry::Stretch(..) => {}
        }
        found
    }

    /// Returns what is too silent by now and was not told yet.
    pub fn overdue(&mut self, now: Timestamp, rules: &Rules) -> Vec<Alert> {
        if self.has_ended {
            return Vec::new();
        }
        let mut found = Vec::new();
        let rule_of_stalls = self.rule_of_stalls(rules);
        let Self {
            life,
            issues,
            origin,
            ..
        } = self;
        if let (Some(rule), Some(life)) = (rule_of_stalls, life)
            && let Some(silence) = life.overdue(now, rule)
        {
            found.push(stalled(origin, &silence, rules));
        }
        if let Some(rule) = &rules.agent_silent {
            for (id, issue) in issues {
                for (agent, silence) in issue.overdue(now, rule) {
                    found.push(silent(origin, id, &agent, &silence, rules));
                }
            }
        }
        found
    }

    /// Returns behind what time something is too silent next.
    pub fn deadline(&self, rules: &Rules) -> Option<Timestamp> {
        if self.has_ended {
            return None;
        }
        let run = self.rule_of_stalls(rules);
        let run = run.and_then(|rule| self.life.as_ref()?.deadline(rule));
        let agents = rules.agent_silent.iter().flat_map(|rule| {
            let issues = self.issues.values();
            issues.filter_map(move |issue| issue.deadline(rule))
        });
        run.into_iter().chain(agents).min()
    }

    /// Returns whether the run ended.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }
}

impl RunWatch {
    /// Whether the event bears a key that was used; the first in log order counts.
    fn is_repeated(&mut self, logged: &Logged<'_>) -> bool {
        let Some(key) = &logged.envelope.key else {
            return false;
        };
        let issue = logged.envelope.event.issue().map(|it| it.as_str());
        !self.keys.insert(hash(&(issue, &**key)))
    }

    fn take_event(
        &mut self,
        spot: &Spot,
        event: &Event<'_>,
        rules: &Rules,
        prices: &PriceBook,
        found: &mut Vec<Finding>,
    ) {
        self.show_life(spot, event, rules, found);
        let issue = event.issue().map(|it| it.as_str().to_owned());
        if let Some(issue) = &issue
            && !self.issues.contains_key(issue.as_str())
        {
            self.issues
                .insert(issue.as_str().into(), IssueWatch::default());
        }
        match event {
            Event::RunStarted(event) => self.start(event),
            Event::RunFinished(_) => self.finish(spot, found),
            Event::LlmCalled(call) => {
                self.add_cost(spot, issue.as_deref(), call, prices, rules, found);
            }
            Event::PipelineRecorded(pipeline) => {
                found.extend(self.pipeline_ended(spot, issue, pipeline));
            }
            _ => {
                if let Some(issue) = issue {
                    self.take_step(spot, &issue, event, rules, found);
                }
            }
        }
    }

    /// Returns that a pipeline ended, where it did and says how long it took.
    fn pipeline_ended(
        &mut self,
        spot: &Spot,
        issue: Option<String>,
        event: &PipelineRecorded<'_>,
    ) -> Option<Finding> {
        let (pipeline, name) = (event.pipeline_id.as_str(), event.name.as_deref());
        let identity = hash(&(&issue, pipeline, name, event.attempt.unwrap_or(1)));
        let before = self.pipelines.insert(identity, (&*event.status).into());
        let is_repeated = before.is_some_and(|before| *before == *event.status);
        let is_meant = !is_repeated && pipeline_success(&event.status).is_some();
        let millis = event.duration_ms.filter(|_| is_meant)?;
        let kind = FactKind::PipelineEnded {
            issue,
            pipeline: pipeline.to_owned(),
            name: name.map(str::to_owned),
            seconds: millis as f64 / 1000.0,
        };
        Some(self.fact(spot, kind))
    }

    /// Takes in what agents do on an issue, and its end.
    fn take_step(
        &mut self,
        spot: &Spot,
        id: &str,
        event: &Event<'_>,
        rules: &Rules,
        found: &mut Vec<Finding>,
    ) {
        let Some(issue) = self.issues.get_mut(id) else {
            return;
        };
        let is_retry = match event {
            Event::AgentStarted(event) => issue.start(&event.agent, spot),
            Event::AgentFinished(event) => {
                issue.end(&event.agent);
                false
            }
            Event::DebugAttempted(_) => true,
            Event::IssueFinished(event) => {
                let is_first = issue.finish();
                let cost = issue.known_cost_usd();
                if is_first {
                    self.decide(
                        spot,
                        id,
                        event.status == IssueStatus::Completed,
                        cost,
                        found,
                    );
                }
                return;
            }
            _ => false,
        };
        let storm = rules.retry_storm.as_ref().filter(|_| is_retry);
        let storm = storm.and_then(|rule| {
            let storm = issue.retries.take(spot.moment?, rule)?;
            Some((rule, storm))
        });
        if let Some((rule, storm)) = storm {
            let mut alert = self.alert(RuleName::RetryStorm, rule.severity, spot, &spot.key());
            storm.describe(&mut alert, id, rule);
            alert.agent = event.agent().map(str::to_owned);
            found.push(boxed(alert));
        }
    }

    /// Returns the rule for silences of the run. The history of CI is no work that could stall, and
    /// has no end.
    fn rule_of_stalls<'r>(&self, rules: &'r Rules) -> Option<&'r SilenceRule> {
        let can_stall = !self.has_ended && self.only_pipelines != Some(true);
        rules.run_stalled.as_ref().filter(|_| can_stall)
    }

    /// Notes the signs of life in an event, and tells the silences that it ends.
    fn show_life(
        &mut self,
        spot: &Spot,
        event: &Event<'_>,
        rules: &Rules,
        found: &mut Vec<Finding>,
    ) {
        let rule_of_stalls = self.rule_of_stalls(rules);
        match event {
            Event::RunStarted(_) => {}
            Event::PipelineRecorded(_) => _ = self.only_pipelines.get_or_insert(true),
            _ => self.only_pipelines = Some(false),
        }
        let Self {
            life,
            issues,
            origin,
            has_ended,
            ..
        } = self;
        match life {
            None => *life = Some(Life::new(spot.clone())),
            Some(life) => {
                let silence = life.show(spot, rule_of_stalls);
                found.extend(silence.map(|it| boxed(stalled(origin, &it, rules))));
            }
        }
        let rule = rules.agent_silent.as_ref().filter(|_| !*has_ended);
        let is_end = matches!(event, Event::RunFinished(_));
        let named = event
            .issue()
            .and_then(|id| issues.get_key_value(id.as_str()));
        let named: Vec<Box<str>> = match named {
            _ if is_end => issues.keys().cloned().collect(),
            Some((id, _)) => vec![id.clone()],
            None => Vec::new(),
        };
        for id in named {
            let Some(issue) = issues.get_mut(&id) else {
                continue;
            };
            for (agent, silence) in issue.show_life(event.agent(), spot, rule) {
                found.push(boxed(silent(origin, &id, &agent, &silence, rules)));
            }
        }
    }

    fn start(&mut self, event: &RunStarted<'_>) {
        if self.origin.project.is_none() {
            let model = event.llm.as_ref().and_then(|llm| llm.model.as_deref());
            self.origin = Arc::new(Origin {
                run: self.origin.run.clone(),
                project: Some(event.project_id.as_str().to_owned()),
                model: model.map(str::to_owned),
            });
        }
    }

    /// Ends the run: issues without an end are abandoned, which is no success.
    fn finish(&mut self, spot: &Spot, found: &mut Vec<Finding>) {
        self.has_ended = true;
        let issues = self.issues.iter_mut();
        let open = issues.filter_map(|(id, issue)| {
            let cost = issue.known_cost_usd();
            issue.finish().then(|| (id.clone(), cost))
        });
        let open: Vec<_> = open.collect();
        for (id, cost) in open {
            self.decide(spot, &id, false, cost, found);
        }
    }

    fn decide(
        &self,
        spot: &Spot,
        id: &str,
        is_success: bool,
        cost_usd: Option<f64>,
        found: &mut Vec<Finding>,
    ) {
        let issue = id.to_owned();
        found.push(self.fact(spot, FactKind::IssueDecided { issue, is_success }));
        if let Some(usd) = cost_usd {
            let issue = id.to_owned();
            found.push(self.fact(spot, FactKind::IssueCost { issue, usd }));
        }
    }

    fn add_cost(
        &mut self,
        spot: &Spot,
        id: Option<&str>,
        call: &LlmCalled<'_>,
        prices: &PriceBook,
        rules: &Rules,
        found: &mut Vec<Finding>,
    ) {
        let cost = prices.cost_of(spot.moment, call);
        let issue = id.and_then(|id| self.issues.get_mut(id));
        let Some(cost) = cost else {
            if let Some(issue) = issue {
                issue.lacks_cost = true;
            }
            return;
        };
        let nanos = cost.as_nanos();
        self.cost_nanos = self.cost_nanos.saturating_add(nanos);
        let mut over = Vec::new();
        let rule = rules.budget.as_ref();
        if let Some(issue) = issue {
            issue.cost_nanos = issue.cost_nanos.saturating_add(nanos);
            let exceeded = exceeds(issue.cost_nanos, rule.and_then(|it| it.issue_usd));
            if exceeded.is_some() && !std::mem::replace(&mut issue.is_over_budget, true) {
                over.extend(exceeded.map(|it| (id, it)));
            }
        }
        let exceeded = exceeds(self.cost_nanos, rule.and_then(|it| it.run_usd));
        if exceeded.is_some() && !std::mem::replace(&mut self.is_over_budget, true) {
            over.extend(exceeded.map(|it| (None, it)));
        }
        for (id, (usd, budget)) in over {
            found.extend(
                rule.map(|rule| boxed(over_budget(&self.origin, spot, id, usd, budget, rule))),
            );
        }
    }

    /// Tells the first damage of each file.
    fn damage(&mut self, place: &Place<'_>, reason: &str, severity: Severity) -> Option<Finding> {
        if !self.damaged.insert(place.file.into()) {
            return None;
        }
        let mut alert = self.origin.alert(RuleName::Damage, severity, place.file);
        alert.text = format!(
            "{} cannot be trusted at byte {}: {reason} (`retally check` lists all)",
            quoted(place.file),
            place.offset
        );
        alert.evidence = Evidence::default()
            .count("offset_bytes", place.offset)
            .count("length_bytes", place.length);
        alert.trigger = Trigger {
            type_name: None,
            ts: None,
            segment: place.segment.as_str().to_owned(),
            seq: place.seq,
            offset: Some(place.offset),
        };
        Some(boxed(alert))
    }

    fn alert(&self, rule: RuleName, severity: Severity, spot: &Spot, key: &str) -> Alert {
        self.origin.alert_at(rule, severity, spot, key)
    }

    fn fact(&self, spot: &Spot, kind: FactKind) -> Finding {
        Finding::Fact(Fact {
            origin: Arc::clone(&self.origin),
            spot: spot.clone(),
            kind,
        })
    }
}

fn boxed(alert: Alert) -> Finding {
    Finding::Alert(Box::new(alert))
}

fn spot(place: &Place<'_>, logged: &Logged<'_>) -> Spot {
    let name = logged.envelope.event.type_name();
    Spot {
        position: logged.position.clone(),
        moment: (logged.times != Times::None).then_some(logged.envelope.ts),
        seq: place.seq,
        type_name: EventType::find(name).map(|it| it.name),
    }
}

/// Returns the same number in every process.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
