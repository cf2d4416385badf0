use super::{NOT_ENOUGH, Question};
use crate::answer::{Answer, count, rho_cells, short, shown_rho};
use crate::comparison_json::{in_unit, rounded_p};
use crate::sheet::Sheet;
use crate::verdict::{percent, shown_p};
use retally_stats::{Insights, Measure, TREND_RUNS_MIN, Trend};
use serde_json::{Value, json};

pub(super) fn trend(insights: &Insights) -> Answer {
    let trends: Vec<&Trend> = insights.trends.iter().filter(|it| it.runs > 0).collect();
    let most = trends.iter().map(|it| it.runs).max().unwrap_or(0);
    let has_runs = most >= TREND_RUNS_MIN as u64;
    let is_enough = has_runs && trends.iter().any(|it| it.found.is_some());
    let level = 1.0 - insights.bootstrap.confidence.level();
    let is_evident = |it: &&&Trend| it.holm_p.is_some_and(|p| p <= level);
    let evident: Vec<String> = trends.iter().filter(is_evident).map(|it| of(it)).collect();
    let runs = count(most, "run");
    let text = if has_runs && !is_enough {
        format!("{NOT_ENOUGH}: {runs} started at the same time, or nothing differs between them.")
    } else if !is_enough {
        format!(
            "{NOT_ENOUGH}: a trend takes {TREND_RUNS_MIN} runs with times and issues that ended, \
             not {most}."
        )
    } else if evident.is_empty() {
        format!("There is no evidence that anything changes over {runs}, by when they started.")
    } else {
        format!("Over {runs}, by when they started: {}.", evident.join("; "))
    };
    let mut sheet = Sheet::new()
        .label("measure", "What")
        .number("earlier", "Earlier")
        .minor()
        .number("later", "Later")
        .minor()
        .number("rho", "rho")
        .interval("95 % interval")
        .number("holm_p", "Holm p")
        .number("runs", "Runs")
        .minor();
    for it in trends {
        let (name, is_rate) = (it.measure.name(), it.measure.is_rate());
        let of_half = |half: Option<f64>| half.map_or(Value::Null, |it| in_unit(name, is_rate, it));
        let [rho, interval] = rho_cells(it.found);
        sheet.push(vec![
            json!([name, short_title(it.measure)]),
            of_half(it.earlier),
            of_half(it.later),
            rho,
            interval,
            it.holm_p.map_or(Value::Null, rounded_p),
            json!(it.runs),
        ]);
    }
    Answer {
        key: Question::Trend,
        question: "What changes over time?",
        text,
        is_enough,
        sheet,
        more_rows: 0,
    }
}

/// Returns a measure in words for which a narrow table has room.
fn short_title(measure: Measure) -> &'static str {
    match measure {
        Measure::SuccessRate => "success, %",
        Measure::FirstPassRate => "first pass, %",
        Measure::Retries => "retries/issue",
        Measure::Cycles => "cycles/issue",
        Measure::Errors => "errors/issue",
        Measure::Seconds => "seconds/issue",
        Measure::Cost => "USD/issue",
    }
}

fn of(trend: &Trend) -> String {
    let (name, is_rate) = (trend.measure.name(), trend.measure.is_rate());
    let shown = |half: Option<f64>| match half {
        Some(half) if is_rate => format!("{} %", percent(half)),
        Some(half) => short(half),
        None => "–".to_owned(),
    };
    let words = name.replace("_usd", ", USD,").replace('_', " ");
    let rho = trend.found.map_or(0.0, |found| found.rho);
    let way = if rho > 0.0 { "up" } else { "down" };
    let p = shown_p(trend.holm_p.unwrap_or(1.0));
    let numbers = format!(
        "{}, Holm p {p}",
        trend.found.map_or(String::new(), shown_rho)
    );
    let (earlier, later) = (shown(trend.earlier), shown(trend.later));
    let difference = trend
        .later
        .zip(trend.earlier)
        .map(|(later, earlier)| later - earlier);
    match difference.is_some_and(|difference| difference * rho > 0.0) {
        true => format!(
            "{words} {way} from {earlier} in the earlier half to {later} in the later ({numbers})"
        ),
        // Runs count alike in the one and by their issues in the other.
        false => format!(
            "{words} {way} from run to run ({numbers}), though over all issues {earlier} in the \
             earlier half and {later} in the later"
        ),
    }
}
