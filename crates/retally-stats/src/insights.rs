use crate::bootstrap::Bootstrap;
use crate::correlations::{Difficulty, Trend};
use crate::cost_outliers::CostOutliers;
use crate::error_types::ErrorTypes;
use crate::group::{Counts, Figure, Group};
use crate::measure::Measure;
use crate::pipeline_rates::{FirstPass, FlakyPipelines};
use crate::ranking::Ranking;
use crate::rework::Rework;
use crate::run_work::RunWork;
use std::collections::BTreeMap;

/// What runs say about models, pipelines, agents, errors, issues, and how that changes.
///
/// Each part says for itself where there is not enough evidence: by a `None`, or by a count of what
/// it had.
#[derive(Clone, Debug, PartialEq)]
pub struct Insights {
    /// With which confidence and seed it was made.
    pub bootstrap: Bootstrap,
    /// How many runs there are.
    pub runs: u64,
    /// How many issues stand where.
    pub counts: Counts,
    /// Models by success.
    pub models: Ranking,
    /// Of one model, its temperatures by success.
    pub temperatures: Temperatures,
    /// Pipelines that passed at first, of all names.
    pub first_pass: Figure,
    /// The different issues of these.
    pub first_pass_issues: u64,
    /// The same by name.
    pub first_pass_by_name: Vec<FirstPass>,
    /// Debugging cycles and how they were resolved.
    pub cycles: Vec<Figure>,
    /// Agents by retries.
    pub rework: Rework,
    /// Retries against what makes an issue difficult.
    pub difficulty: Vec<Difficulty>,
    /// Costs out of the usual.
    pub costs: CostOutliers,
    /// Errors by type.
    pub errors: ErrorTypes,
    /// Pipelines that fail and succeed on one commit.
    pub flaky: FlakyPipelines,
    /// Numbers against time.
    pub trends: Vec<Trend>,
    /// Entries that reports leave out of long lists, and which are counted in no list here.
    pub left_out: u64,
}

/// The temperatures at which one model was run.
#[derive(Clone, Debug, PartialEq)]
pub struct Temperatures {
    /// The model that was run at several temperatures, of several that of most tries; `None` where
    /// none was.
    pub model: Option<String>,
    /// Its temperatures by success; no groups where `model` is `None`.
    pub ranking: Ranking,
}

impl Insights {
    /// Looks at what runs did; their order does not matter.
    pub fn of(runs: &[RunWork], bootstrap: Bootstrap) -> Self {
        let confidence = bootstrap.confidence;
        let mut all = Group {
            runs: runs.len() as u64,
            ..Group::default()
        };
        for story in runs.iter().flat_map(|run| &run.issues) {
            all.work.push(story.work.clone());
        }
        let models = groups(runs.iter(), |run| run.model.as_deref());
        Self {
            bootstrap,
            runs: all.runs,
            counts: all.counts(),
            models: Ranking::of(&models, bootstrap),
            temperatures: Temperatures::of(runs, bootstrap),
            first_pass: all.first_pass(bootstrap),
            first_pass_issues: all.clusters(Measure::FirstPassRate).len() as u64,
            first_pass_by_name: FirstPass::of(runs, confidence),
            cycles: all.rework_figures(bootstrap),
            rework: Rework::of(runs, bootstrap),
            difficulty: Difficulty::of(runs, confidence),
            costs: CostOutliers::of(runs),
            errors: ErrorTypes::of(runs, bootstrap),
            flaky: FlakyPipelines::of(runs, confidence),
            trends: Trend::of(runs, confidence),
            left_out: runs.iter().map(|run| run.left_out).sum(),
        }
    }
}

impl Temperatures {
    fn of(runs: &[RunWork], bootstrap: Bootstrap) -> Self {
        let mut by_model: BTreeMap<&str, Vec<&RunWork>> = BTreeMap::new();
        for run in runs.iter().filter(|run| run.temperature.is_some()) {
            if let Some(model) = &run.model {
                by_model.entry(model).or_default().push(run);
            }
        }
        let tries = |runs: &[&RunWork]| runs.iter().map(|run| run.issues.len()).sum::<usize>();
        let varied = by_model.into_iter().filter(|(_, runs)| {
            runs.iter()
                .any(|run| run.temperature != runs[0].temperature)
        });
        // Of equal ones the first by name.
        let chosen = varied.min_by_key(|(_, runs)| std::cmp::Reverse(tries(runs)));
        let (model, runs) = chosen.unzip();
        let runs = runs.unwrap_or_default().into_iter();
        let temperatures = groups(runs, |run| run.temperature.as_deref());
        Self {
            model: model.map(str::to_owned),
            ranking: Ranking::of(&temperatures, bootstrap),
        }
    }
}

/// Puts runs together that say the same; those that do not say it are left out.
fn groups<'r>(
    runs: impl Iterator<Item = &'r RunWork>,
    name: impl Fn(&RunWork) -> Option<&str>,
) -> Vec<Group> {
    let mut by_name: BTreeMap<String, Group> = BTreeMap::new();
    for run in runs {
        let Some(name) = name(run) else { continue };
        let group = by_name.entry(name.to_owned()).or_default();
        group.name = Some(name.to_owned());
        group.runs += 1;
        let works = run.issues.iter().map(|story| story.work.clone());
        group.work.extend(works);
    }
    by_name.into_values().collect()
}
