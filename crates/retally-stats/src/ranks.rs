//! Ranks with ties, and the exact distributions of their sums.

/// Up to how many values the distribution of a rank sum is counted out; above, the normal
/// distribution stands for it.
pub(crate) const EXACT_MAX: usize = 50;

/// Returns twice the rank of each value, from 2; values that are equal share the mean of theirs.
pub(crate) fn doubled_ranks(values: &[f64]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|left, right| values[*left].total_cmp(&values[*right]));
    let mut ranks = vec![0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|left, right| values[*left] == values[*right]) {
        let doubled = (2 * before + tied.len() + 1) as u64;
        tied.iter().for_each(|at| ranks[*at] = doubled);
        before += tied.len();
    }
    ranks
}

/// Returns Σ (t³ − t) over the groups of t equal ranks.
pub(crate) fn tie_correction(ranks: &[u64]) -> f64 {
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let groups = sorted.chunk_by(|left, right| left == right);
    let sizes = groups.map(|group| group.len() as f64);
    sizes.map(|size| size * size * size - size).sum()
}

/// Returns the two-sided p value of the sum of `chosen` of the ranks, where each choice of as many
/// is as likely: twice the smaller tail, at most 1.
pub(crate) fn choice_p(ranks: &[u64], chosen: usize, sum: u64) -> f64 {
    let greatest = ranks.iter().sum::<u64>() as usize;
    // By how many are chosen and their sum, in how many ways; floats hold these numbers exactly.
    let mut ways = vec![vec![0.0_f64; greatest + 1]; chosen + 1];
    ways[0][0] = 1.0;
    for rank in ranks {
        let rank = *rank as usize;
        for number in (1..=chosen).rev() {
            let (fewer, more) = ways.split_at_mut(number);
            let targets = more[0][rank.min(greatest + 1)..].iter_mut();
            targets
                .zip(&fewer[number - 1])
                .for_each(|(to, from)| *to += from);
        }
    }
    smaller_tail_twice(&ways[chosen], sum)
}

/// Returns the two-sided p value of the sum of those ranks that bear a plus, where each sign is as
/// likely: twice the smaller tail, at most 1.
pub(crate) fn sign_p(ranks: &[u64], sum: u64) -> f64 {
    let greatest = ranks.iter().sum::<u64>() as usize;
    let mut ways = vec![0.0_f64; greatest + 1];
    ways[0] = 1.0;
    for rank in ranks {
        let rank = *rank as usize;
        for to in (rank..=greatest).rev() {
            ways[to] += ways[to - rank];
        }
    }
    smaller_tail_twice(&ways, sum)
}

fn smaller_tail_twice(ways: &[f64], sum: u64) -> f64 {
    let at = (sum as usize).min(ways.len() - 1);
    let all: f64 = ways.iter().sum();
    let below: f64 = ways[..=at].iter().sum();
    let above: f64 = ways[at..].iter().sum();
    (2.0 * below.min(above) / all).min(1.0)
}
