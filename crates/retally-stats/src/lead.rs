use crate::bootstrap::Bootstrap;
use crate::cluster::Cluster;
use crate::exact::mcnemar_exact;
use crate::interval::Confidence;

/// With how many others the first is compared: those next to it.
pub const RIVALS_MAX: usize = 20;

/// Returns which of several shares, the largest first, is the first of which there is no evidence
/// that it is smaller than the first of all; `None` where there is none, or one share only.
pub(crate) fn rival_of_first(
    mut shares: impl Iterator<Item = Vec<Cluster>>,
    candidates: usize,
    bootstrap: Bootstrap,
) -> Option<usize> {
    let first = shares.next()?;
    let mut others = shares.take(RIVALS_MAX);
    let rival = others.position(|other| !leads(&first, &other, candidates, bootstrap))?;
    Some(rival + 1)
}

/// Returns whether there is evidence that the first of some shares is larger than the second. Both
/// hold what they add in each cluster, of the same clusters in the same order.
///
/// Which is first is seen in the same data. So its lead is told by a paired bootstrap interval at
/// Bonferroni's level for all pairs among `candidates`; where all clusters are alike, so that there
/// is no interval, by the sign test at that level.
fn leads(first: &[Cluster], second: &[Cluster], candidates: usize, bootstrap: Bootstrap) -> bool {
    let pairs = candidates as f64 * (candidates as f64 - 1.0) / 2.0;
    let level = 1.0 - (1.0 - bootstrap.confidence.level()) / pairs.max(1.0);
    // Draws tell no finer level.
    let Some(confidence) = Confidence::new(level.min(0.9999)) else {
        return false;
    };
    let pairs: Vec<(Cluster, Cluster)> =
        first.iter().copied().zip(second.iter().copied()).collect();
    let interval = Bootstrap {
        confidence,
        ..bootstrap
    }
    .paired_difference(&pairs);
    if let Some(interval) = interval {
        return interval.low > 0.0;
    }
    // Where all issues are alike there is no interval; their number can still be evidence.
    let more = pairs
        .iter()
        .filter(|(first, second)| first.sum > second.sum);
    let less = pairs
        .iter()
        .filter(|(first, second)| first.sum < second.sum);
    let (more, less) = (more.count() as u64, less.count() as u64);
    more > less && mcnemar_exact(more, less) <= 1.0 - confidence.level()
}
