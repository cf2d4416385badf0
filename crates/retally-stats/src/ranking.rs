use crate::bootstrap::{Bootstrap, CLUSTERS_MIN};
use crate::cluster::Cluster;
use crate::contrast::Contrast;
use crate::group::Group;
use crate::holm::holm;
use crate::measure::Measure;
use crate::proportion::{Rate, clustered_rate};

/// The most groups that are ranked: those of most issues.
pub const RANKED_MAX: usize = 10;

/// A group with its success rate.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedGroup {
    /// What its runs have in common.
    pub name: String,
    /// Different issues that ended.
    pub issues: u64,
    /// Times that work on one ended.
    pub tries: u64,
    /// How many of the tries were completed.
    pub rate: Rate,
    /// How the first group differs from this one; `None` of the first itself, and of groups with
    /// too few issues to be ranked.
    pub first_against: Option<Contrast>,
}

/// Groups by how often they succeed.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// Those of at least [`CLUSTERS_MIN`] issues, of the highest rate first; then the others.
    pub groups: Vec<RankedGroup>,
    /// How many of them have issues enough.
    pub ranked: usize,
    /// Groups that are left out, for there are more than [`RANKED_MAX`].
    pub left_out: usize,
    /// How many tests p values are adjusted for: one for each pair of groups.
    pub tests: u64,
    /// With which confidence it was made.
    pub bootstrap: Bootstrap,
}

impl Ranking {
    /// Ranks groups that have a name and issues that ended.
    ///
    /// Which is first is seen in the same data by which it is then tested. So p values are adjusted,
    /// by Holm's method, for the tests of all pairs of groups, though only those of the first are
    /// kept.
    pub fn of(groups: &[Group], bootstrap: Bootstrap) -> Self {
        let mut found: Vec<(RankedGroup, &Group)> = groups
            .iter()
            .filter_map(|group| Some((RankedGroup::of(group, bootstrap)?, group)))
            .collect();
        found.sort_by_key(|(group, _)| std::cmp::Reverse(group.tries));
        let left_out = found.len().saturating_sub(RANKED_MAX);
        found.truncate(RANKED_MAX);
        let is_small = |group: &RankedGroup| group.issues < CLUSTERS_MIN as u64;
        found.sort_by(|(left, _), (right, _)| {
            let by_rate = right.rate.value.total_cmp(&left.rate.value);
            is_small(left).cmp(&is_small(right)).then(by_rate)
        });
        let ranked = found.iter().filter(|(group, _)| !is_small(group)).count();
        let (mut ranking, sources): (Vec<RankedGroup>, Vec<&Group>) = found.into_iter().unzip();
        let tests = test_pairs(&mut ranking[..ranked], &sources, bootstrap);
        Self {
            groups: ranking,
            ranked,
            left_out,
            tests,
            bootstrap,
        }
    }

    /// Returns whether there is evidence that the first succeeds more often than each other group.
    pub fn is_settled(&self) -> bool {
        self.ranked > 1 && self.rivals().next().is_none()
    }

    /// Returns the ranked groups, without the first, of which there is no evidence that the first
    /// succeeds more often.
    pub fn rivals(&self) -> impl Iterator<Item = &RankedGroup> {
        let others = self.groups.iter().take(self.ranked).skip(1);
        others.filter(|group| {
            let contrast = group.first_against.as_ref();
            !contrast.is_some_and(|it| it.is_evident(self.bootstrap) && it.difference() > 0.0)
        })
    }
}

impl RankedGroup {
    fn of(group: &Group, bootstrap: Bootstrap) -> Option<Self> {
        let clusters = group.clusters(Measure::SuccessRate);
        let clusters: Vec<Cluster> = clusters.into_values().collect();
        Some(Self {
            name: group.name.clone()?,
            issues: clusters.len() as u64,
            tries: Cluster::total(&clusters).count as u64,
            rate: clustered_rate(&clusters, bootstrap.confidence)?,
            first_against: None,
        })
    }
}

/// Compares each pair of groups, keeps how the first differs from the others, and returns how many
/// tests that took.
fn test_pairs(ranking: &mut [RankedGroup], sources: &[&Group], bootstrap: Bootstrap) -> u64 {
    let mut contrasts = Vec::new();
    for first in 0..ranking.len() {
        for second in first + 1..ranking.len() {
            let (left, right) = (sources[first], sources[second]);
            let contrast = Contrast::of(Measure::SuccessRate, left, right, bootstrap);
            contrasts.extend(contrast.map(|contrast| (first, second, contrast)));
        }
    }
    let tested = |(.., contrast): &&mut (usize, usize, Contrast)| contrast.varies;
    let mut tests: Vec<_> = contrasts.iter_mut().filter(tested).collect();
    let p_values: Vec<f64> = tests.iter().map(|(.., contrast)| contrast.p).collect();
    for ((.., contrast), adjusted) in tests.iter_mut().zip(holm(&p_values)) {
        contrast.holm_p = adjusted;
    }
    for (first, second, contrast) in contrasts {
        if first == 0 {
            ranking[second].first_against = Some(contrast);
        }
    }
    p_values.len() as u64
}
