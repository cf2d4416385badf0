//! Each method against scipy and statsmodels; `golden/make_values.py` made the values.
#![expect(clippy::print_stdout, reason = "says how near the values are")]

use retally_stats::{
    Bootstrap, Cluster, Confidence, Interval, KaplanMeier, Wait, fisher_exact, holm, mann_whitney,
    mcnemar_exact, paired_rate_difference, plain_tries_to_see, quantile, rate_difference,
    signed_rank, spearman, wilson,
};
use retally_stats::{Rate, RobustScale, clustered_rate};
use serde_json::Value;

/// Compares numbers, and notes by how much they differ at most, relative to the larger one.
struct Comparison {
    tolerance: f64,
    greatest: f64,
    numbers: usize,
}

impl Comparison {
    fn number(&mut self, got: f64, want: &Value, case: &Value) {
        let want = number(want);
        let apart = (got - want).abs() / want.abs().max(1e-6);
        assert!(apart <= self.tolerance, "got {got}, want {want}: {case}");
        self.greatest = self.greatest.max(apart);
        self.numbers += 1;
    }

    /// Compares with `low` and `high`, of which `null` stands for a bound that is none.
    fn interval(&mut self, got: Option<Interval>, low: &Value, high: &Value, case: &Value) {
        let Some(got) = got else {
            assert!(low.is_null() && high.is_null(), "got no interval: {case}");
            return;
        };
        self.number(got.low, low, case);
        if high.is_null() {
            assert_eq!(got.high, f64::INFINITY, "{case}");
        } else {
            self.number(got.high, high, case);
        }
    }
}

/// Compares all cases of a method with what its values say.
fn check(method: &str, tolerance: f64, compare: impl Fn(&Value, &mut Comparison)) {
    let values = include_str!("golden/values.json");
    let values: Value = serde_json::from_str(values).expect("the values are JSON");
    let cases = list(&values[method]);
    assert!(!cases.is_empty(), "no values of {method}");
    let mut comparison = Comparison {
        tolerance,
        greatest: 0.0,
        numbers: 0,
    };
    for case in cases {
        compare(case, &mut comparison);
    }
    let (numbers, greatest) = (comparison.numbers, comparison.greatest);
    println!("{method}: {numbers} numbers, at most {greatest:.1e} apart");
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn count(value: &Value) -> u64 {
    value.as_u64().expect("a count")
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(number).collect()
}

fn couple(value: &Value) -> (u64, u64) {
    (count(&value[0]), count(&value[1]))
}

fn confidence(case: &Value) -> Confidence {
    Confidence::new(number(&case["level"])).expect("a level")
}

#[test]
fn score_intervals_are_those_of_statsmodels() {
    check("wilson", 1e-9, |case, found| {
        let (successes, tries) = (number(&case["successes"]), number(&case["tries"]));
        let got = wilson(successes, tries, confidence(case));
        found.interval(got, &case["low"], &case["high"], case);
    });
}

#[test]
fn intervals_of_differences_of_rates_are_those_of_statsmodels() {
    let rate = |counts: &Value, confidence| -> Rate {
        let (successes, tries) = couple(counts);
        let cluster = |at| Cluster::of(f64::from(u8::from(at < successes)));
        let clusters: Vec<Cluster> = (0..tries).map(cluster).collect();
        clustered_rate(&clusters, confidence).expect("something was tried")
    };
    check("newcombe", 1e-9, |case, found| {
        let confidence = confidence(case);
        let first = rate(&case["first"], confidence);
        let second = rate(&case["second"], confidence);
        let got = rate_difference(&first, &second);
        found.interval(got, &case["low"], &case["high"], case);
    });
}

#[test]
fn intervals_of_paired_differences_are_those_of_their_formula() {
    check("bonett_price", 1e-9, |case, found| {
        let counts = [&case["only_first"], &case["only_second"], &case["pairs"]].map(count);
        let [first, second, pairs] = counts;
        let got = paired_rate_difference(first, second, pairs, confidence(case));
        found.interval(got, &case["low"], &case["high"], case);
    });
}

#[test]
fn fisher_s_test_is_that_of_scipy() {
    check("fisher", 1e-7, |case, found| {
        let got = fisher_exact(couple(&case["first"]), couple(&case["second"]));
        found.number(got.expect("no group is empty"), &case["p"], case);
    });
}

#[test]
fn mcnemar_s_test_is_that_of_statsmodels() {
    check("mcnemar", 1e-9, |case, found| {
        let got = mcnemar_exact(count(&case["only_first"]), count(&case["only_second"]));
        found.number(got, &case["p"], case);
    });
}

#[test]
fn the_test_of_mann_and_whitney_is_that_of_scipy() {
    check("mann_whitney", 1e-9, |case, found| {
        let (first, second) = (numbers(&case["first"]), numbers(&case["second"]));
        let got = mann_whitney(&first, &second, Confidence::USUAL).expect("no group is empty");
        found.number(got.u, &case["u"], case);
        found.number(got.p, &case["p"], case);
        found.interval(Some(got.interval), &case["low"], &case["high"], case);
    });
}

#[test]
fn the_signed_rank_test_is_that_of_scipy() {
    check("signed_rank", 1e-9, |case, found| {
        let got = signed_rank(&numbers(&case["differences"])).expect("differences");
        found.number(got.w, &case["w"], case);
        found.number(got.p, &case["p"], case);
    });
}

#[test]
fn holm_s_correction_is_that_of_statsmodels() {
    check("holm", 1e-12, |case, found| {
        let got = holm(&numbers(&case["p"]));
        for (got, want) in got.into_iter().zip(list(&case["adjusted"])) {
            found.number(got, want, case);
        }
    });
}

#[test]
fn spearman_s_correlation_is_that_of_scipy() {
    check("spearman", 1e-9, |case, found| {
        let pairs = list(&case["pairs"]).iter().map(numbers);
        let pairs: Vec<(f64, f64)> = pairs.map(|pair| (pair[0], pair[1])).collect();
        let got = spearman(&pairs, Confidence::USUAL).expect("enough pairs");
        found.number(got.rho, &case["rho"], case);
        found.number(got.p, &case["p"], case);
        found.interval(got.interval, &case["low"], &case["high"], case);
    });
}

#[test]
fn medians_of_waits_are_those_of_statsmodels() {
    check("kaplan_meier", 1e-9, |case, found| {
        let ended = numbers(&case["ended"]);
        let waits = numbers(&case["times"]).into_iter().zip(ended);
        let waits = waits.map(|(time, ended)| Wait {
            time,
            has_ended: ended == 1.0,
        });
        let curve = KaplanMeier::new(&waits.collect::<Vec<_>>()).expect("waits");
        match curve.median() {
            None => assert!(case["median"].is_null(), "{case}"),
            Some(median) => found.number(median, &case["median"], case),
        }
        let got = curve.median_interval(Confidence::USUAL);
        found.interval(got, &case["low"], &case["high"], case);
    });
}

#[test]
fn quantiles_are_those_of_numpy_and_their_intervals_those_of_scipy() {
    check("quantile", 1e-9, |case, found| {
        let values = numbers(&case["values"]).into_iter();
        let values: Vec<Vec<f64>> = values.map(|value| vec![value]).collect();
        let share = number(&case["share"]);
        let got = quantile(&values, share, Confidence::USUAL).expect("values");
        found.number(got.value, &case["value"], case);
        found.interval(got.interval, &case["low"], &case["high"], case);
    });
}

#[test]
fn sample_sizes_are_those_of_statsmodels() {
    check("sample_size", 1e-9, |case, found| {
        let (first, second) = (number(&case["first"]), number(&case["second"]));
        let got = plain_tries_to_see(first, second, Confidence::USUAL);
        found.number(got.expect("two rates"), &case["plain"], case);
    });
}

#[test]
fn bootstrap_intervals_are_those_of_scipy_over_the_same_draws() {
    let clusters = |value: &Value| -> Vec<Cluster> {
        let clusters = list(value).iter().map(numbers);
        let cluster = |it: Vec<f64>| Cluster {
            sum: it[0],
            count: it[1],
        };
        clusters.map(cluster).collect()
    };
    check("bootstrap", 1e-7, |case, found| {
        let bootstrap = Bootstrap {
            confidence: Confidence::USUAL,
            seed: count(&case["seed"]),
        };
        let (first, second) = (clusters(&case["first"]), clusters(&case["second"]));
        let pairs: Vec<_> = first.iter().copied().zip(second.iter().copied()).collect();
        for (got, name) in [
            (bootstrap.ratio(&first), "one"),
            (bootstrap.difference(&first, &second), "two"),
            (bootstrap.paired_difference(&pairs), "paired"),
        ] {
            found.interval(got, &case[name][0], &case[name][1], case);
        }
    });
}

#[test]
fn modified_z_scores_are_those_of_scipy_s_median_absolute_deviation() {
    check("robust_z", 1e-9, |case, found| {
        let logarithms: Vec<f64> = numbers(&case["values"]).iter().map(|it| it.ln()).collect();
        let scale = RobustScale::of(&logarithms, 0.05).expect("there are values");
        found.number(scale.median, &case["median"], case);
        found.number(scale.spread, &case["spread"], case);
        for (logarithm, z) in logarithms.iter().zip(numbers(&case["z"])) {
            assert!((scale.z(*logarithm) - z).abs() < 1e-9, "{case}");
        }
    });
}
