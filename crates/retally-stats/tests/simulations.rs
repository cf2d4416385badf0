//! How often intervals hold the true value, and how often tests raise a false alarm, over
//! thousands of made-up comparisons.
//!
//! The bounds are what the methods are known to keep, less three standard errors of the
//! simulation; what was counted is printed.
#![expect(clippy::print_stdout, reason = "says what was counted")]

use retally_stats::{
    Bootstrap, Cluster, Confidence, clustered_rate, fisher_exact, mann_whitney, mcnemar_exact,
    paired_rate_difference, quantile, rate_difference, signed_rank, spearman, tries_to_see, wilson,
};

/// A generator of its own, so that the one under test is not its own judge.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    fn successes(&mut self, tries: u64, probability: f64) -> u64 {
        (0..tries)
            .map(|_| u64::from(self.happens(probability)))
            .sum()
    }
}

const SIZES: [usize; 3] = [5, 20, 100];
const LEVEL: f64 = 0.05;

/// Returns how often something holds, as a share, where it is said at all.
fn share(of: &str, rounds: usize, mut holds: impl FnMut(&mut Chance) -> Option<bool>) -> f64 {
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let said: Vec<bool> = (0..rounds).filter_map(|_| holds(&mut chance)).collect();
    assert!(!said.is_empty(), "{of}: never said");
    let share = said.iter().filter(|held| **held).count() as f64 / said.len() as f64;
    println!("{of}: {share:.3} of {}", said.len());
    share
}

/// Three standard errors of a share near 95 % or 5 % that is counted over so many rounds.
fn slack(rounds: usize) -> f64 {
    3.0 * (0.95 * 0.05 / rounds as f64).sqrt()
}

#[test]
fn score_intervals_hold_the_rate() {
    for n in SIZES {
        for rate in [0.3, 0.5, 0.8] {
            let held = share(&format!("wilson, n {n}, rate {rate}"), 4000, |chance| {
                let successes = chance.successes(n as u64, rate) as f64;
                Some(wilson(successes, n as f64, Confidence::USUAL)?.contains(rate))
            });
            // Wilson's interval keeps its level on average; at single rates it falls to 0.93.
            assert!(held >= 0.93 - slack(4000), "n {n}, rate {rate}: {held}");
        }
    }
}

#[test]
fn clustered_intervals_hold_the_rate_where_issues_repeat() {
    for n in SIZES {
        let (mut covered, mut naive) = (0, 0);
        let rounds = 2000;
        let of = format!("clustered rate, {n} issues of 4 tries");
        let held = share(&of, rounds, |chance| {
            // Issues are easy or hard, and four tries at each go accordingly.
            let clusters: Vec<Cluster> = (0..n)
                .map(|_| Cluster {
                    sum: {
                        let rate = if chance.happens(0.5) { 0.9 } else { 0.3 };
                        chance.successes(4, rate) as f64
                    },
                    count: 4.0,
                })
                .collect();
            let total = Cluster::total(&clusters);
            let plain = wilson(total.sum, total.count, Confidence::USUAL)?;
            let rate = clustered_rate(&clusters, Confidence::USUAL)?;
            covered += usize::from(rate.interval.contains(0.6));
            naive += usize::from(plain.contains(0.6));
            Some(rate.interval.contains(0.6))
        });
        assert!(held >= 0.94 - slack(rounds), "n {n}: {held}");
        assert!(naive + rounds / 20 < covered, "clusters make a difference");
    }
}

#[test]
fn intervals_of_differences_of_rates_hold_them() {
    for n in SIZES {
        let held = share(&format!("difference, n {n}"), 4000, |chance| {
            let mut rate = |probability| {
                let tries = (0..n).map(|_| Cluster::of(f64::from(chance.happens(probability))));
                clustered_rate(&tries.collect::<Vec<_>>(), Confidence::USUAL)
            };
            let (first, second) = (rate(0.8)?, rate(0.6)?);
            Some(rate_difference(&first, &second)?.contains(0.2))
        });
        assert!(held >= 0.94 - slack(4000), "n {n}: {held}");
        let held = share(&format!("paired difference, n {n}"), 4000, |chance| {
            let (mut first, mut second) = (0, 0);
            for _ in 0..n {
                let way = chance.uniform();
                first += u64::from(way < 0.3);
                second += u64::from((0.3..0.4).contains(&way));
            }
            let pairs = n as u64;
            let found = paired_rate_difference(first, second, pairs, Confidence::USUAL)?;
            Some(found.contains(0.2))
        });
        assert!(held >= 0.94 - slack(4000), "paired, n {n}: {held}");
    }
}

#[test]
fn bootstrap_intervals_hold_means_and_differences() {
    // Few values of a skewed distribution do not show its tail, whatever the method.
    for (n, least) in [(5, 0.85), (20, 0.91), (100, 0.93)] {
        let rounds = 1000;
        let bootstrap = Bootstrap {
            confidence: Confidence::USUAL,
            seed: 1,
        };
        let held = share(&format!("mean of exponentials, n {n}"), rounds, |chance| {
            let values: Vec<Cluster> = (0..n).map(|_| Cluster::of(chance.exponential())).collect();
            Some(bootstrap.ratio(&values)?.contains(1.0))
        });
        assert!(held >= least - slack(rounds), "mean, n {n}: {held}");
        let held = share(&format!("paired difference, n {n}"), rounds, |chance| {
            let pair = |chance: &mut Chance| {
                let common = chance.normal() + 9.0;
                let own = |value: f64| Cluster::of(common + value);
                (own(chance.normal() + 1.0), own(chance.normal()))
            };
            let pairs: Vec<_> = (0..n).map(|_| pair(chance)).collect();
            Some(bootstrap.paired_difference(&pairs)?.contains(1.0))
        });
        assert!(held >= 0.93 - slack(rounds), "paired, n {n}: {held}");
    }
}

#[test]
fn intervals_of_medians_and_of_superiority_hold_them() {
    for n in SIZES {
        let median = std::f64::consts::LN_2;
        if n > 5 {
            let held = share(&format!("median, n {n}"), 2000, |chance| {
                let values: Vec<_> = (0..n).map(|_| vec![chance.exponential()]).collect();
                let found = quantile(&values, 0.5, Confidence::USUAL)?;
                Some(found.interval?.contains(median))
            });
            assert!(held >= 0.95 - slack(2000), "median, n {n}: {held}");
        }
        let held = share(&format!("superiority, n {n}"), 2000, |chance| {
            let first: Vec<f64> = (0..n).map(|_| 2.0 * chance.exponential()).collect();
            let second: Vec<f64> = (0..n).map(|_| chance.exponential()).collect();
            let found = mann_whitney(&first, &second, Confidence::USUAL)?;
            Some(found.interval.contains(2.0 / 3.0))
        });
        assert!(held >= 0.94 - slack(2000), "superiority, n {n}: {held}");
    }
}

#[test]
fn tests_hold_their_level() {
    let rounds = 3000;
    for n in SIZES {
        let check = |name: &str, test: &dyn Fn(&mut Chance) -> Option<f64>| {
            let alarms = share(&format!("{name}, n {n}"), rounds, |chance| {
                Some(test(chance)? <= LEVEL)
            });
            assert!(alarms <= LEVEL + slack(rounds), "{name}, n {n}: {alarms}");
        };
        check("fisher", &|chance| {
            let mut group = || {
                let successes = chance.successes(n as u64, 0.6);
                (successes, n as u64 - successes)
            };
            fisher_exact(group(), group())
        });
        check("mcnemar", &|chance| {
            let discordant = chance.successes(n as u64, 0.4);
            let first = chance.successes(discordant, 0.5);
            Some(mcnemar_exact(first, discordant - first))
        });
        check("mann and whitney, with ties", &|chance| {
            let mut values = || -> Vec<f64> {
                let value = |_| (3.0 * chance.exponential()).floor();
                (0..n).map(value).collect()
            };
            Some(mann_whitney(&values(), &values(), Confidence::USUAL)?.p)
        });
        check("signed rank, with ties", &|chance| {
            let differences: Vec<f64> = (0..n).map(|_| (2.0 * chance.normal()).round()).collect();
            Some(signed_rank(&differences)?.p)
        });
        check("spearman", &|chance| {
            let pairs: Vec<_> = (0..n).map(|_| (chance.normal(), chance.normal())).collect();
            Some(spearman(&pairs, Confidence::USUAL)?.p)
        });
    }
}

#[test]
fn as_many_issues_as_advised_see_the_difference() {
    let tries = tries_to_see(0.8, 0.6, Confidence::USUAL).expect("they differ");
    let seen = share(
        &format!("fisher, {tries} each, 0.8 v. 0.6"),
        2000,
        |chance| {
            let mut group = |rate| {
                let successes = chance.successes(tries, rate);
                (successes, tries - successes)
            };
            Some(fisher_exact(group(0.8), group(0.6))? <= LEVEL)
        },
    );
    assert!((0.77..0.86).contains(&seen), "power {seen}");
}
