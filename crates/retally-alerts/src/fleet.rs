//! What all runs tell together.

use crate::alert::{Alert, Evidence, RuleName, Severity, quoted, said};
use crate::fact::{Fact, FactKind};
use crate::fall_test::{Fall, FallTest};
use crate::outlier::{Outlier, Sample};
use crate::rules::{OutlierRule, Rules, SuccessRateRule};
use retally_log::short_hash;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many projects, models and pipelines are told apart; facts of more are passed over.
const STREAMS_MAX: usize = 10_000;
/// The least time and cost that are told apart: what is shorter or cheaper counts as this.
const SECONDS_MIN: f64 = 1.0;
const USD_MIN: f64 = 1e-4;

/// Looks at what happened in all runs, in the order in which it happened.
///
/// Each fact is compared with those before it alone, so that looking while they come finds what
/// looking back finds.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    success: BTreeMap<Stream, FallTest>,
    durations: BTreeMap<Stream, Sample>,
    costs: BTreeMap<Stream, Sample>,
    /// Hashes of the facts that were taken in: a log that is read again brings them again.
    taken: HashSet<u64>,
}

/// A project, and a model or pipeline of it.
type Stream = (Option<String>, Option<String>);

impl Fleet {
    /// Takes in a fact, and returns what a rule finds. A fact that it has taken already changes
    /// nothing.
    pub fn take(&mut self, fact: &Fact, rules: &Rules) -> Option<Alert> {
        if !self.taken.insert(hash(fact)) {
            return None;
        }
        let origin = &fact.origin;
        match &fact.kind {
            FactKind::IssueDecided { issue, is_success } => {
                let rule = rules.success_rate.as_ref()?;
                let model = origin.model.clone().filter(|_| rule.by_model);
                let test = stream(&mut self.success, (origin.project.clone(), model), || {
                    FallTest::new(rule.issues_per_false_alarm)
                })?;
                let fall = test.take(*is_success)?;
                Some(fell(fact, issue, &fall, rule))
            }
            FactKind::IssueCost { issue, usd } => {
                let rule = rules.issue_cost.as_ref()?;
                let of = (origin.project.clone(), origin.model.clone());
                let sample = stream(&mut self.costs, of, Sample::default)?;
                let outlier = sample.take(usd.max(USD_MIN), &rule.test)?;
                let what = format!("issue {} cost", quoted(issue));
                let mut alert = far_above(fact, RuleName::IssueCost, &what, "USD", &outlier, rule);
                alert.issue = Some(issue.clone());
                Some(alert)
            }
            FactKind::PipelineEnded {
                issue,
                pipeline,
                name,
                seconds,
            } => {
                let rule = rules.pipeline_duration.as_ref()?;
                let of = (origin.project.clone(), name.clone());
                let sample = stream(&mut self.durations, of, Sample::default)?;
                let outlier = sample.take(seconds.max(SECONDS_MIN), &rule.test)?;
                let name = quoted(name.as_deref().unwrap_or(pipeline));
                let what = format!("pipeline {name} took");
                let mut alert =
                    far_above(fact, RuleName::PipelineDuration, &what, "s", &outlier, rule);
                (alert.issue, alert.pipeline) = (issue.clone(), Some(pipeline.clone()));
                Some(alert)
            }
        }
    }
}

/// Returns what is known of a stream, which is there from now on unless there are too many.
fn stream<T>(
    streams: &mut BTreeMap<Stream, T>,
    of: Stream,
    begin: impl FnOnce() -> T,
) -> Option<&mut T> {
    if streams.len() >= STREAMS_MAX && !streams.contains_key(&of) {
        return None;
    }
    Some(streams.entry(of).or_insert_with(begin))
}

fn hash(fact: &Fact) -> u64 {
    let mut hasher = DefaultHasher::new();
    let position = &fact.spot.position;
    let (kind, issue) = match &fact.kind {
        FactKind::IssueDecided { issue, .. } => (0, Some(issue)),
        FactKind::IssueCost { issue, .. } => (1, Some(issue)),
        FactKind::PipelineEnded { issue, .. } => (2, issue.as_ref()),
    };
    let place = (position.segment.as_str(), position.index);
    (&fact.origin.run, place, kind, issue).hash(&mut hasher);
    hasher.finish()
}

fn alert(fact: &Fact, rule: RuleName, severity: Severity) -> Alert {
    let mut alert = fact.origin.alert(rule, severity, &fact.spot.key());
    alert.ts = Some(fact.spot.moment.unwrap_or(fact.spot.position.time));
    alert.trigger = fact.spot.trigger();
    alert
}

fn fell(fact: &Fact, issue: &str, fall: &Fall, rule: &SuccessRateRule) -> Alert {
    let mut alert = alert(fact, RuleName::SuccessRate, rule.severity);
    let ((before, of_before), (after, of_after)) = (fall.before, fall.after);
    let project = fact.origin.project.as_deref();
    let of = match project {
        Some(project) => format!(" of project {}", quoted(project)),
        None => String::new(),
    };
    let with = match &fact.origin.model {
        Some(model) if rule.by_model => format!(" with {}", quoted(model)),
        _ => String::new(),
    };
    alert.text = format!(
        "fewer issues{of} are solved{with}: {after} of the last {of_after}, \
         {before} of the {of_before} before"
    );
    alert.issue = Some(issue.to_owned());
    alert.evidence = Evidence::default()
        .count("successes_before", before)
        .count("issues_before", of_before)
        .count("successes_after", after)
        .count("issues_after", of_after)
        .figure("log_likelihood_ratio", fall.statistic)
        .figure("threshold", fall.threshold)
        .figure("issues_per_false_alarm", rule.issues_per_false_alarm);
    alert
}

fn far_above(
    fact: &Fact,
    name: RuleName,
    what: &str,
    unit: &str,
    outlier: &Outlier,
    rule: &OutlierRule,
) -> Alert {
    let mut alert = alert(fact, name, rule.severity);
    if let FactKind::IssueCost { issue, .. } = &fact.kind {
        // An abandoned issue shares its event with the others of its run.
        alert.key = format!("{}:{}", alert.key, short_hash(issue));
    }
    alert.text = format!(
        "{what} {} {unit}, usually {} {unit} (robust z {}, over the last {})",
        said(outlier.value),
        said(outlier.median),
        said((outlier.z * 10.0).round() / 10.0),
        outlier.sample
    );
    let (value, median) = match name {
        RuleName::IssueCost => ("cost_usd", "median_usd"),
        _ => ("duration_seconds", "median_seconds"),
    };
    alert.evidence = Evidence::default()
        .figure(value, outlier.value)
        .figure(median, outlier.median)
        .figure("robust_z", outlier.z)
        .figure("robust_z_limit", rule.test.z)
        .count("sample", outlier.sample as u64);
    alert
}
