//! A comparison as tables.

use crate::comparison_json::{bounds, figure_value, in_unit, rounded_p};
use crate::sheet::Sheet;
use crate::verdict::{number, percent};
use retally_stats::{ComparedGroup, Comparison, Contrast, Figure, Interval};
use serde_json::{Value, json};

/// What people see of runs that do not say what they are grouped by.
const NO_NAME: &str = "(none)";

/// Returns a row for each group: how many issues stand where.
pub(crate) fn groups_sheet(comparison: &Comparison) -> Sheet {
    let mut sheet = Sheet::new()
        .text("group", "Group")
        .number("runs", "Runs")
        .number("issues", "Issues")
        .number("tries", "Tries")
        .number("completed", "Completed")
        .number("failed", "Failed")
        .number("skipped", "Skipped")
        .number("abandoned", "Abandoned")
        .number("open", "Open")
        .number("without_cost", "Without cost")
        .minor();
    for group in &comparison.groups {
        let counts = group.counts;
        sheet.push(vec![
            name_for_people(group),
            json!(group.runs),
            json!(counts.issues),
            json!(counts.tries),
            json!(counts.completed),
            json!(counts.failed),
            json!(counts.skipped),
            json!(counts.abandoned),
            json!(counts.open),
            json!(counts.without_cost),
        ]);
    }
    sheet
}

/// Returns a row for each figure and group, a figure's rows together; without those of which no
/// group knows anything.
pub(crate) fn figures_sheet(comparison: &Comparison) -> Sheet {
    let mut sheet = Sheet::new()
        .text("figure", "Figure")
        .whole()
        .text("group", "Group")
        .number("value", "Value")
        .text("interval", "95 % interval")
        .number("base", "Of");
    let figures = comparison
        .groups
        .first()
        .map_or(0, |group| group.figures.len());
    for at in 0..figures {
        if comparison
            .groups
            .iter()
            .all(|group| group.figures[at].base == 0)
        {
            continue;
        }
        for group in &comparison.groups {
            let figure = &group.figures[at];
            sheet.push(vec![
                json!(title(figure.name, figure.is_rate)),
                name_for_people(group),
                figure_value(figure),
                shown_interval(figure.interval, figure.is_rate),
                json!(figure.base),
            ]);
        }
    }
    sheet
}

/// Returns a row for each difference from the baseline.
pub(crate) fn differences_sheet(comparison: &Comparison) -> Sheet {
    let mut sheet = Sheet::new()
        .text("group", "Group")
        .text("measure", "Differs from the first in")
        .whole()
        .number("difference", "By")
        .text("interval", "95 % interval")
        .number("p", "p")
        .number("holm_p", "Holm p")
        .text("test", "Test")
        .minor()
        .text("issues", "Issues")
        .minor();
    for group in &comparison.groups {
        for contrast in &group.contrasts {
            let (name, is_rate) = (contrast.measure.name(), contrast.measure.is_rate());
            sheet.push(vec![
                name_for_people(group),
                json!(title(name, is_rate)),
                in_unit(name, is_rate, contrast.difference()),
                shown_interval(contrast.interval, is_rate),
                rounded_p(contrast.p),
                rounded_p(contrast.holm_p),
                json!(contrast.test.name().replace('_', " ")),
                json!(shown_issues(contrast)),
            ]);
        }
    }
    sheet
}

/// Returns figures and differences in one table for machines.
pub(crate) fn whole_sheet(comparison: &Comparison) -> Sheet {
    let mut sheet = Sheet::new()
        .text("kind", "Kind")
        .text("group", "Group")
        .text("baseline", "Baseline")
        .text("name", "Name")
        .number("value", "Value")
        .number("low", "Low")
        .number("high", "High")
        .number("base", "Base")
        .text("test", "Test")
        .number("p", "p")
        .number("holm_p", "Holm p");
    let baseline = comparison.groups.first().map(|group| json!(group.name));
    for group in &comparison.groups {
        for figure in &group.figures {
            sheet.push(figure_row(group, figure));
        }
        for contrast in &group.contrasts {
            let baseline = baseline.clone().unwrap_or_default();
            sheet.push(difference_row(group, baseline, contrast));
        }
    }
    sheet
}

fn figure_row(group: &ComparedGroup, figure: &Figure) -> Vec<Value> {
    let (low, high) = bounds(figure.name, figure.is_rate, figure.interval);
    vec![
        json!("figure"),
        json!(group.name),
        Value::Null,
        json!(figure.name),
        figure_value(figure),
        low,
        high,
        json!(figure.base),
        Value::Null,
        Value::Null,
        Value::Null,
    ]
}

fn difference_row(group: &ComparedGroup, baseline: Value, contrast: &Contrast) -> Vec<Value> {
    let (name, is_rate) = (contrast.measure.name(), contrast.measure.is_rate());
    let (low, high) = bounds(name, is_rate, contrast.interval);
    vec![
        json!("difference"),
        json!(group.name),
        baseline,
        json!(name),
        in_unit(name, is_rate, contrast.difference()),
        low,
        high,
        json!(contrast.issues.0),
        json!(contrast.test.name()),
        rounded_p(contrast.p),
        rounded_p(contrast.holm_p),
    ]
}

fn name_for_people(group: &ComparedGroup) -> Value {
    json!(group.name.as_deref().unwrap_or(NO_NAME))
}

/// Returns a name for machines as people read it.
pub(crate) fn title(name: &str, is_rate: bool) -> String {
    let words = name.replace("_usd", ", USD").replace('_', " ");
    if is_rate {
        format!("{words}, %")
    } else {
        words
    }
}

pub(crate) fn shown_interval(interval: Option<Interval>, is_rate: bool) -> Value {
    let Some(Interval { low, high }) = interval else {
        return json!("not enough evidence");
    };
    let shown = if is_rate { percent } else { number };
    json!(format!("{} to {}", shown(low), shown(high)))
}

fn shown_issues(contrast: &Contrast) -> String {
    let (first, second) = contrast.issues;
    match contrast.test.is_paired() {
        true => format!("{first} by both"),
        false => format!("{first} v. {second}"),
    }
}
