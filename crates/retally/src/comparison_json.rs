//! A comparison for machines, and the rounding of its numbers.

use crate::verdict::verdicts;
use retally_stats::{ComparedGroup, Comparison, Contrast, Figure, Interval};
use serde::Serialize;
use serde_json::{Value, json};

/// The whole comparison as one object, its keys in the order of these fields.
#[derive(Serialize)]
pub(crate) struct ComparisonJson<'c> {
    /// `null` where two sets of runs are compared.
    by: Option<String>,
    as_of: Option<&'c str>,
    confidence_percent: Value,
    seed: u64,
    tests: u64,
    groups: Vec<GroupJson<'c>>,
}

#[derive(Serialize)]
struct GroupJson<'c> {
    group: Option<&'c str>,
    is_baseline: bool,
    runs: u64,
    issues: u64,
    tries: u64,
    completed: u64,
    failed: u64,
    skipped: u64,
    abandoned: u64,
    open: u64,
    without_cost: u64,
    figures: Vec<FigureJson>,
    differences: Vec<DifferenceJson>,
    verdicts: Vec<String>,
}

#[derive(Serialize)]
struct FigureJson {
    figure: &'static str,
    value: Value,
    low: Value,
    high: Value,
    base: u64,
}

#[derive(Serialize)]
struct DifferenceJson {
    measure: &'static str,
    value: Value,
    baseline_value: Value,
    difference: Value,
    low: Value,
    high: Value,
    test: &'static str,
    paired: bool,
    issues: u64,
    baseline_issues: u64,
    p: Value,
    holm_p: Value,
    superiority: Value,
}

impl<'c> ComparisonJson<'c> {
    pub(crate) fn new(
        comparison: &'c Comparison,
        by: Option<String>,
        as_of: Option<&'c str>,
    ) -> Self {
        let baseline = comparison.groups.first();
        let groups = comparison.groups.iter().enumerate();
        let group = |(place, group): (usize, &'c ComparedGroup)| {
            let verdicts = match baseline {
                Some(baseline) if place > 0 => verdicts(comparison, group, baseline),
                _ => Vec::new(),
            };
            GroupJson::new(group, place == 0, verdicts)
        };
        Self {
            by,
            as_of,
            confidence_percent: rounded(comparison.bootstrap.confidence.level() * 100.0, 2),
            seed: comparison.bootstrap.seed,
            tests: comparison.tests,
            groups: groups.map(group).collect(),
        }
    }
}

impl<'c> GroupJson<'c> {
    fn new(group: &'c ComparedGroup, is_baseline: bool, verdicts: Vec<String>) -> Self {
        let counts = group.counts;
        Self {
            group: group.name.as_deref(),
            is_baseline,
            runs: group.runs,
            issues: counts.issues,
            tries: counts.tries,
            completed: counts.completed,
            failed: counts.failed,
            skipped: counts.skipped,
            abandoned: counts.abandoned,
            open: counts.open,
            without_cost: counts.without_cost,
            figures: group.figures.iter().map(FigureJson::new).collect(),
            differences: group.contrasts.iter().map(DifferenceJson::new).collect(),
            verdicts,
        }
    }
}

impl FigureJson {
    fn new(figure: &Figure) -> Self {
        let (low, high) = bounds(figure.name, figure.is_rate, figure.interval);
        Self {
            figure: figure.name,
            value: figure_value(figure),
            low,
            high,
            base: figure.base,
        }
    }
}

impl DifferenceJson {
    fn new(contrast: &Contrast) -> Self {
        let (name, is_rate) = (contrast.measure.name(), contrast.measure.is_rate());
        let value = |value: f64| in_unit(name, is_rate, value);
        let (low, high) = bounds(name, is_rate, contrast.interval);
        let superiority = contrast.superiority.map_or(Value::Null, |(value, interval)| {
            let share = |share: f64| rounded(share, 4);
            json!({"value": share(value), "low": share(interval.low), "high": share(interval.high)})
        });
        Self {
            measure: name,
            value: value(contrast.first),
            baseline_value: value(contrast.second),
            difference: value(contrast.difference()),
            low,
            high,
            test: contrast.test.name(),
            paired: contrast.test.is_paired(),
            issues: contrast.issues.0,
            baseline_issues: contrast.issues.1,
            p: rounded_p(contrast.p),
            holm_p: rounded_p(contrast.holm_p),
            superiority,
        }
    }
}

/// Returns the value of a figure in its unit, rates in percent.
pub(crate) fn figure_value(figure: &Figure) -> Value {
    let value = figure.value;
    value.map_or(Value::Null, |value| {
        in_unit(figure.name, figure.is_rate, value)
    })
}

/// Returns both bounds; `null` where there is no interval, and the upper one alone where the data
/// put no bound to it.
pub(crate) fn bounds(name: &str, is_rate: bool, interval: Option<Interval>) -> (Value, Value) {
    interval.map_or((Value::Null, Value::Null), |interval| {
        let bound = |value| in_unit(name, is_rate, value);
        (bound(interval.low), bound(interval.high))
    })
}

/// Returns a number as reports print it: percent with at most 2 decimals, USD with 6, seconds with
/// 3, counts with 4.
pub(crate) fn in_unit(name: &str, is_rate: bool, value: f64) -> Value {
    match name {
        _ if is_rate => rounded(value * 100.0, 2),
        _ if name.ends_with("_usd") => rounded(value, 6),
        _ if name.contains("seconds") => rounded(value, 3),
        _ => rounded(value, 4),
    }
}

/// Returns a p value with four digits that say something.
pub(crate) fn rounded_p(p: f64) -> Value {
    let digits = format!("{p:.3e}");
    digits.parse().map_or(Value::Null, |p: f64| json!(p))
}

/// Returns a number with at most so many decimals; `null` where it is infinite.
pub(crate) fn rounded(value: f64, places: usize) -> Value {
    // Through the decimal, which is rounded half to even and exactly so.
    let decimal = format!("{value:.places$}");
    match decimal.parse::<f64>() {
        // Adding 0 makes -0 the 0 that it is.
        Ok(value) if value.is_finite() => json!(value + 0.0),
        _ => Value::Null,
    }
}
