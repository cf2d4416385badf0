use super::{NOT_ENOUGH, Question};
use crate::answer::{Answer, Names, ROWS_MAX, count, count_tries, interval_cell, of_share};
use crate::comparison_json::in_unit;
use crate::sheet::Sheet;
use crate::verdict::percent;
use retally_stats::{CLUSTERS_MIN, Counts, ErrorTypes, Insights};
use serde_json::{Value, json};

pub(super) fn types(insights: &Insights, names: Names) -> Answer {
    let errors = &insights.errors;
    let (text, is_enough) = text(errors, insights.counts, names);
    let mut sheet = Sheet::new()
        .name("error_type", "Error")
        .number("errors", "Errors")
        .number("share_percent", "Of all, %")
        .interval("95 % interval")
        .number("issues", "Issues")
        .number("cycles_resolved_rate", "Resolved, %")
        .minor();
    for it in errors.types.iter().take(ROWS_MAX) {
        let (rate, counts) = (it.share, it.counts);
        let resolved = counts.resolved as f64 / counts.cycles as f64;
        let resolved = match counts.cycles {
            0 => Value::Null,
            _ => in_unit("resolved", true, resolved),
        };
        sheet.push(vec![
            json!(it.error_type),
            json!(counts.errors),
            rate.map_or(Value::Null, |rate| in_unit("share", true, rate.value)),
            interval_cell("share", true, rate.map(|rate| rate.interval)),
            json!(it.issues),
            resolved,
        ]);
    }
    let more = usize::try_from(errors.all_types).unwrap_or(usize::MAX);
    Answer {
        key: Question::MostFrequentErrors,
        question: "Which type of error is most frequent?",
        text,
        is_enough,
        sheet,
        more_rows: more.saturating_sub(ROWS_MAX),
    }
}

/// Returns what is said, and whether there is enough evidence for it.
fn text(errors: &ErrorTypes, counts: Counts, names: Names) -> (String, bool) {
    let few = CLUSTERS_MIN as u64;
    let Some(first) = errors.types.first() else {
        let issues = count(counts.issues, "issue");
        return match counts.issues < few {
            true => {
                let text = format!(
                    "{NOT_ENOUGH}: no error is recorded, but there is {issues} only, and \
                     it takes {few}."
                );
                (text, false)
            }
            false => {
                let tries = count_tries(counts.tries, counts);
                (format!("No error is recorded on {tries}."), true)
            }
        };
    };
    let (name, own, all) = (
        names.show(&first.error_type),
        first.counts.errors,
        errors.errors,
    );
    let Some(share) = first.share.filter(|_| errors.clusters >= few) else {
        let places = match errors.clusters {
            1 => "1 issue or run".to_owned(),
            several => format!("{several} issues or runs"),
        };
        let text = format!(
            "{NOT_ENOUGH}: there are errors on {places} only, and it takes {few}; {name} has {own} \
             of {all} so far."
        );
        return (text, false);
    };
    let numbers = format!(
        "{own} of {all} errors, {} % {}",
        percent(share.value),
        of_share(share.interval)
    );
    match errors.types.get(1) {
        None => (format!("All {all} errors are {name}."), true),
        Some(_) if errors.is_settled() => {
            let types = count(errors.all_types, "type");
            (format!("{name} is: {numbers}, of {types}."), true)
        }
        Some(second) => {
            let rival = errors.rival.and_then(|at| errors.types.get(at));
            let second = names.show(&rival.unwrap_or(second).error_type);
            let text = format!(
                "{NOT_ENOUGH} to name one: {name} has {numbers}, but its lead over {second} may be \
                 chance."
            );
            (text, false)
        }
    }
}
