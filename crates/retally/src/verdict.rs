//! What a comparison comes to, in plain sentences.

use crate::setting::short_name;
use retally_stats::{Bootstrap, ComparedGroup, Comparison, Contrast, Interval, Measure};

/// The difference between rates that it is asked how many issues it takes to see.
const DIFFERENCE_OF_INTEREST: f64 = 0.1;

/// Returns what is said of a group: first whether it succeeds more often than the baseline, then
/// in what else there is evidence that they differ. Names come from logs.
pub(crate) fn verdicts(
    comparison: &Comparison,
    group: &ComparedGroup,
    baseline: &ComparedGroup,
) -> Vec<String> {
    let names = (shown_name(group), shown_name(baseline));
    let of_success = |it: &&Contrast| it.measure == Measure::SuccessRate;
    let mut verdicts = vec![match group.contrasts.iter().find(of_success) {
        Some(success) => verdict_of_success(comparison, &names, success),
        None => {
            let empty = if has_ended(group) { baseline } else { group };
            let (group, baseline, empty) = (&names.0, &names.1, shown_name(empty));
            format!(
                "not enough evidence to compare {group} with {baseline}: no issue of {empty} ended"
            )
        }
    }];
    let others = group.contrasts.iter().filter(|it| !of_success(it));
    let evident = others.filter(|it| it.is_evident(comparison.bootstrap));
    verdicts.extend(evident.map(|it| {
        let (group, baseline) = (&names.0, &names.1);
        format!("{group} {} {baseline}: {}", way(it), numbers(it))
    }));
    verdicts
}

/// Returns a group's name as it stands in a sentence.
pub(crate) fn shown_name(group: &ComparedGroup) -> String {
    match &group.name {
        Some(name) => format!("`{}`", short_name(name)),
        None => "(none)".to_owned(),
    }
}

fn has_ended(group: &ComparedGroup) -> bool {
    let of_success = group
        .figures
        .iter()
        .find(|it| it.name == Measure::SuccessRate.name());
    of_success.is_some_and(|figure| figure.base > 0)
}

fn verdict_of_success(
    comparison: &Comparison,
    (group, baseline): &(String, String),
    success: &Contrast,
) -> String {
    let numbers = numbers(success);
    if success.is_evident(comparison.bootstrap) {
        return format!("{group} {} {baseline}: {numbers}", way(success));
    }
    let advice = match success.is_contradictory {
        true => "; rates and the order of issues disagree".to_owned(),
        false => advice(comparison.bootstrap, comparison.tests, success).unwrap_or_default(),
    };
    format!("no evidence that {group} and {baseline} differ in success: {numbers}{advice}")
}

/// Says how many issues more it would take, where that can be told.
pub(crate) fn advice(bootstrap: Bootstrap, tests: u64, success: &Contrast) -> Option<String> {
    let confidence = bootstrap.confidence;
    let needed = success.issues_to_see(DIFFERENCE_OF_INTEREST, tests, confidence)?;
    let have = success.issues.0.min(success.issues.1);
    let points = number(DIFFERENCE_OF_INTEREST * 100.0);
    let whose = match success.test.is_paired() {
        true => "issues that both do",
        false => "issues in each",
    };
    Some(match needed.checked_sub(have) {
        Some(more) if more > 0 => {
            format!("; about {more} more {whose} would be needed to see {points} points")
        }
        _ => format!("; {points} points would have been likely to show"),
    })
}

fn way(contrast: &Contrast) -> &'static str {
    let is_more = contrast.difference() > 0.0;
    match (contrast.measure, is_more) {
        (Measure::SuccessRate, true) => "succeeds more often than",
        (Measure::SuccessRate, false) => "succeeds less often than",
        (Measure::FirstPassRate, true) => "passes pipelines at first more often than",
        (Measure::FirstPassRate, false) => "passes pipelines at first less often than",
        (Measure::Retries, true) => "needs more retries per issue than",
        (Measure::Retries, false) => "needs fewer retries per issue than",
        (Measure::Cycles, true) => "needs more debugging cycles per issue than",
        (Measure::Cycles, false) => "needs fewer debugging cycles per issue than",
        (Measure::Errors, true) => "meets more errors per issue than",
        (Measure::Errors, false) => "meets fewer errors per issue than",
        (Measure::Seconds, true) => "takes longer per issue than",
        (Measure::Seconds, false) => "takes less time per issue than",
        (Measure::Cost, true) => "costs more per issue than",
        (Measure::Cost, false) => "costs less per issue than",
    }
}

/// Returns both values, the difference with its interval, and p.
fn numbers(contrast: &Contrast) -> String {
    let measure = contrast.measure;
    let (unit, difference_unit) = match measure {
        Measure::SuccessRate | Measure::FirstPassRate => (" %", " points"),
        Measure::Seconds => (" s", " s"),
        Measure::Cost => (" USD", " USD"),
        Measure::Retries | Measure::Cycles | Measure::Errors => ("", ""),
    };
    let shown = |value: f64| match measure.is_rate() {
        true => percent(value),
        false => number(value),
    };
    let (first, second) = (shown(contrast.first), shown(contrast.second));
    let difference = shown(contrast.difference());
    let bounds = match contrast.interval {
        Some(Interval { low, high }) => format!(" [{}, {}]", shown(low), shown(high)),
        None => ", too few issues for its interval".to_owned(),
    };
    let p = shown_p(contrast.holm_p);
    let both = match contrast.test.is_paired() {
        true => format!(", over {} issues that both did", contrast.issues.0),
        false => String::new(),
    };
    format!(
        "{first}{unit} v. {second}{unit}, difference {difference}{difference_unit}{bounds}, Holm p {p}{both}"
    )
}

/// Returns a share in percent, with one decimal where it says something.
pub(crate) fn percent(share: f64) -> String {
    number((share * 1000.0).round() / 10.0)
}

/// Returns a number with three digits that say something, and no zeros at its end.
pub(crate) fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    let size = value.abs();
    let places = match size {
        _ if size >= 100.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ if size >= 0.001 => 4,
        _ => 6,
    };
    let text = format!("{value:.places$}");
    if !text.contains('.') {
        return text;
    }
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// Returns a p value behind the sign that goes with it.
pub(crate) fn shown_p(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else if p < 0.1 {
        format!("= {}", number((p * 1000.0).round() / 1000.0))
    } else {
        format!("= {}", number((p * 100.0).round() / 100.0))
    }
}
