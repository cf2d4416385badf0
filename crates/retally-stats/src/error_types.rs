use crate::bootstrap::Bootstrap;
use crate::cluster::Cluster;
use crate::issue_work::IssueKey;
use crate::lead::rival_of_first;
use crate::proportion::{Rate, clustered_rate};
use crate::run_work::{ErrorCounts, RunWork};
use std::collections::{BTreeMap, BTreeSet};

/// The most types of which the share is told: those of most errors.
pub const ERROR_TYPES_MAX: usize = 20;

/// Errors of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorType {
    /// The type, in the words of who recorded it.
    pub error_type: String,
    /// How often it occurred.
    pub counts: ErrorCounts,
    /// Different issues on which it did.
    pub issues: u64,
    /// Of all errors; the errors of one issue, or of one run beside its issues, are one cluster.
    pub share: Option<Rate>,
}

/// How often errors of which type occur.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorTypes {
    /// Those of most errors, at most [`ERROR_TYPES_MAX`], most first.
    pub types: Vec<ErrorType>,
    /// How many types there are in all.
    pub all_types: u64,
    /// How many errors there are in all.
    pub errors: u64,
    /// Different issues with any error, and runs with any beside their issues.
    pub clusters: u64,
    /// Which of the types is the first of which there is no evidence that it occurs less often than
    /// the first of all.
    pub rival: Option<usize>,
}

/// Where errors occurred that are taken as one cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'w> {
    Issue(&'w IssueKey),
    Run(&'w str),
}

impl ErrorTypes {
    /// Counts debugging cycles and recorded errors, on open issues too.
    pub fn of(runs: &[RunWork], bootstrap: Bootstrap) -> Self {
        let mut totals: BTreeMap<Place<'_>, u64> = BTreeMap::new();
        let mut by_type: BTreeMap<&str, BTreeMap<Place<'_>, ErrorCounts>> = BTreeMap::new();
        for run in runs {
            let beside = (Place::Run(&run.run), &run.errors_without_issue);
            let stories = run.issues.iter();
            let of_issues = stories.map(|story| (Place::Issue(story.key()), &story.errors));
            for (place, errors) in of_issues.chain([beside]) {
                for (error_type, counts) in errors {
                    *totals.entry(place).or_default() += counts.errors;
                    let of_type = by_type.entry(error_type).or_default();
                    of_type.entry(place).or_default().add(*counts);
                }
            }
        }
        let mut types: Vec<(ErrorType, BTreeMap<Place<'_>, ErrorCounts>)> = by_type
            .into_iter()
            .map(|(error_type, places)| (ErrorType::new(error_type, &places), places))
            .collect();
        let all_types = types.len() as u64;
        // Stable, so that of equal ones the first by name comes first.
        types.sort_by_key(|(error_type, _)| std::cmp::Reverse(error_type.counts.errors));
        types.truncate(ERROR_TYPES_MAX);
        let clusters = |places: &BTreeMap<Place<'_>, ErrorCounts>| -> Vec<Cluster> {
            let cluster = |(place, all): (&Place<'_>, &u64)| Cluster {
                sum: places.get(place).map_or(0, |counts| counts.errors) as f64,
                count: *all as f64,
            };
            totals.iter().map(cluster).collect()
        };
        for (error_type, places) in &mut types {
            error_type.share = clustered_rate(&clusters(places), bootstrap.confidence);
        }
        let candidates = usize::try_from(all_types).unwrap_or(usize::MAX);
        let shares = types.iter().map(|(_, places)| clusters(places));
        let rival = rival_of_first(shares, candidates, bootstrap);
        Self {
            types: types
                .into_iter()
                .map(|(error_type, _)| error_type)
                .collect(),
            all_types,
            errors: totals.values().sum(),
            clusters: totals.len() as u64,
            rival,
        }
    }
}

impl ErrorTypes {
    /// Returns whether there is evidence that the first occurs more often than each other.
    pub fn is_settled(&self) -> bool {
        self.types.len() > 1 && self.rival.is_none()
    }
}

impl ErrorType {
    fn new(error_type: &str, places: &BTreeMap<Place<'_>, ErrorCounts>) -> Self {
        let mut counts = ErrorCounts::default();
        places.values().for_each(|of_place| counts.add(*of_place));
        let is_issue = |place: &&Place<'_>| matches!(place, Place::Issue(_));
        let issues: BTreeSet<_> = places.keys().filter(is_issue).collect();
        Self {
            error_type: error_type.to_owned(),
            counts,
            issues: issues.len() as u64,
            share: None,
        }
    }
}
