//! What little or odd data give: a defined answer, which is often "not enough evidence".

use proptest::prelude::*;
use retally_stats::{
    Bootstrap, Cluster, Confidence, Interval, KaplanMeier, Wait, clustered_rate, fisher_exact,
    holm, mann_whitney, mcnemar_exact, paired_rate_difference, pairs_to_see, quantile,
    rate_difference, signed_rank, spearman, tries_to_see, wilson,
};

const USUAL: Confidence = Confidence::USUAL;
const BOOTSTRAP: Bootstrap = Bootstrap {
    confidence: USUAL,
    seed: 1,
};

#[test]
fn nothing_is_not_enough_evidence() {
    assert_eq!(wilson(0.0, 0.0, USUAL), None);
    assert_eq!(clustered_rate(&[], USUAL), None);
    assert_eq!(clustered_rate(&[Cluster::default()], USUAL), None);
    assert_eq!(paired_rate_difference(0, 0, 0, USUAL), None);
    assert_eq!(fisher_exact((0, 0), (1, 1)), None);
    assert_eq!(mann_whitney(&[], &[1.0], USUAL), None);
    assert_eq!(signed_rank(&[]), None);
    assert_eq!(BOOTSTRAP.ratio(&[]), None);
    assert_eq!(quantile(&[], 0.5, USUAL), None);
    assert_eq!(spearman(&[], USUAL), None);
    assert_eq!(KaplanMeier::new(&[]), None);
    assert_eq!(holm(&[]), Vec::<f64>::new());
}

#[test]
fn one_value_has_a_wide_interval_or_none() {
    let rate = clustered_rate(&[Cluster::of(1.0)], USUAL).expect("a try");
    assert!(rate.interval.low < 0.21 && rate.interval.high == 1.0);
    let one = mann_whitney(&[1.0], &[2.0], USUAL).expect("values");
    assert_eq!((one.p, one.superiority), (1.0, 0.0));
    assert!(one.interval.low == 0.0 && one.interval.high > 0.79);
    assert_eq!(signed_rank(&[3.0]).expect("a value").p, 1.0);
    let one = quantile(&[vec![7.0]], 0.9, USUAL).expect("a value");
    assert_eq!((one.value, one.interval), (7.0, None));
    assert_eq!(BOOTSTRAP.ratio(&[Cluster::of(7.0); 1]), None);
    let waits = [Wait {
        time: 3.0,
        has_ended: false,
    }];
    let curve = KaplanMeier::new(&waits).expect("a wait");
    assert_eq!((curve.median(), curve.median_interval(USUAL)), (None, None));
}

#[test]
fn values_that_are_all_equal_show_no_difference_and_no_spread() {
    let same = [2.0; 60];
    let found = mann_whitney(&same, &same, USUAL).expect("values");
    assert_eq!((found.p, found.superiority), (1.0, 0.5));
    assert_eq!(signed_rank(&[0.0; 60]).expect("values").p, 1.0);
    assert_eq!(mcnemar_exact(0, 0), 1.0);
    for value in [2.0, 0.1, 1e-9, 1e12] {
        assert_eq!(BOOTSTRAP.ratio(&[Cluster::of(value); 61]), None);
    }
    assert_eq!(spearman(&[(1.0, 2.0); 60], USUAL), None);
    assert_eq!(tries_to_see(0.5, 0.5, USUAL), None);
    assert_eq!(pairs_to_see(0.0, 0.5, USUAL), None);
}

#[test]
fn where_all_succeed_the_rate_is_still_not_certain() {
    let successes = [Cluster::of(1.0); 20];
    let rate = clustered_rate(&successes, USUAL).expect("tries");
    assert_eq!((rate.value, rate.interval.high), (1.0, 1.0));
    assert!(rate.interval.low < 0.84);
    let repeated = [Cluster {
        sum: 4.0,
        count: 4.0,
    }; 5];
    let of_few = clustered_rate(&repeated, USUAL).expect("tries");
    assert_eq!(of_few.effective_tries, 5.0, "each issue counts once");
    let difference = rate_difference(&rate, &rate).expect("bounds");
    assert!(difference.low < -0.1 && difference.high > 0.1);
}

#[test]
fn a_cost_per_success_may_have_no_upper_bound() {
    let mut issues = [Cluster {
        sum: 1.0,
        count: 0.0,
    }; 20];
    issues[0].count = 1.0;
    let found = BOOTSTRAP.ratio(&issues).expect("a lower bound");
    assert!(found.low.is_finite() && found.high == f64::INFINITY);
    issues[0].count = 0.0;
    assert_eq!(BOOTSTRAP.ratio(&issues), None, "no success, no cost of one");
}

#[test]
fn the_same_seed_gives_the_same_interval_and_another_nearly_the_same() {
    let values: Vec<Cluster> = (0..30).map(|it| Cluster::of(f64::from(it * it))).collect();
    let with_seed = |seed| {
        let confidence = USUAL;
        let interval = Bootstrap { confidence, seed }.ratio(&values);
        interval.expect("enough values")
    };
    assert_eq!(with_seed(1), with_seed(1));
    let (one, other) = (with_seed(1), with_seed(2));
    assert_ne!(one, other);
    assert!((one.low - other.low).abs() < 0.1 * one.low);
}

fn is_sound(interval: Option<Interval>) -> bool {
    interval.is_none_or(|it| it.low.is_finite() && it.low <= it.high)
}

fn values(most: usize) -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        0.0..1e12_f64,
        Just(0.0),
        Just(1.0),
        Just(1e-300),
        Just(1e300)
    ];
    prop::collection::vec(value, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    })]

    /// Property: no finite input gives a number that is none, or a panic.
    #[test]
    fn no_answer_is_nan(first in values(70), second in values(70), share in 0.0..1.0_f64) {
        let clusters = |values: &[f64]| -> Vec<Cluster> {
            let counts = second.iter().chain([&0.0, &1.0]).cycle();
            let pairs = values.iter().zip(counts);
            pairs.map(|(sum, count)| Cluster { sum: *sum, count: *count }).collect()
        };
        let (left, right) = (clusters(&first), clusters(&second));
        prop_assert!(is_sound(BOOTSTRAP.ratio(&left)));
        prop_assert!(is_sound(BOOTSTRAP.difference(&left, &right)));
        let pairs: Vec<_> = left.iter().copied().zip(right.iter().copied()).collect();
        prop_assert!(is_sound(BOOTSTRAP.paired_difference(&pairs)));
        if let Some(found) = mann_whitney(&first, &second, USUAL) {
            prop_assert!((0.0..=1.0).contains(&found.p) && is_sound(Some(found.interval)));
        }
        let differences: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a - b).collect();
        if let Some(found) = signed_rank(&differences) {
            prop_assert!((0.0..=1.0).contains(&found.p));
        }
        let points: Vec<_> = first.iter().copied().zip(second.iter().copied()).collect();
        if let Some(found) = spearman(&points, USUAL) {
            prop_assert!((0.0..=1.0).contains(&found.p) && found.rho.abs() <= 1.0);
            prop_assert!(is_sound(found.interval));
        }
        let grouped: Vec<Vec<f64>> = first.chunks(2).map(<[f64]>::to_vec).collect();
        if let Some(found) = quantile(&grouped, share, USUAL) {
            prop_assert!(found.value.is_finite() && is_sound(found.interval));
        }
        let waits = first.iter().zip(&second).map(|(time, other)| Wait { time: *time, has_ended: time < other });
        if let Some(curve) = KaplanMeier::new(&waits.collect::<Vec<_>>()) {
            prop_assert!(is_sound(curve.median_interval(USUAL)));
        }
    }
}
