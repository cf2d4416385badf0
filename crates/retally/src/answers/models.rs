use super::{NOT_ENOUGH, Question};
use crate::answer::{Answer, Names, ROWS_MAX, count, interval_cell, of_share};
use crate::comparison_json::{in_unit, rounded_p};
use crate::sheet::Sheet;
use crate::verdict::{advice, percent, shown_p};
use retally_stats::{CLUSTERS_MIN, Contrast, Insights, RankedGroup, Ranking};
use serde_json::{Value, json};

/// What is ranked, in words.
struct Kind {
    one: &'static str,
    title: &'static str,
    /// How runs come to state it.
    cure: &'static str,
}

const MODEL: Kind = Kind {
    one: "model",
    title: "Model",
    cure: "start runs with --model",
};
const TEMPERATURE: Kind = Kind {
    one: "temperature",
    title: "Temperature",
    cure: "start runs with --temperature",
};

pub(super) fn best_model(insights: &Insights, names: Names) -> Answer {
    let ranking = &insights.models;
    Answer {
        key: Question::BestModel,
        question: "Which model has the highest success rate?",
        text: best(ranking, &MODEL, names),
        is_enough: ranking.is_settled(),
        sheet: sheet(ranking, &MODEL),
        more_rows: left_out(ranking),
    }
}

pub(super) fn best_temperature(insights: &Insights, names: Names) -> Answer {
    let temperatures = &insights.temperatures;
    let ranking = &temperatures.ranking;
    let text = match &temperatures.model {
        Some(model) => {
            let best = best(ranking, &TEMPERATURE, names);
            let model = names.show(model);
            format!("{best} Only runs with {model} are looked at.")
        }
        None => format!(
            "{NOT_ENOUGH}: no model was run at two temperatures ({}).",
            TEMPERATURE.cure
        ),
    };
    Answer {
        key: Question::BestTemperature,
        question: "Which temperature has the highest success rate?",
        text,
        is_enough: ranking.is_settled(),
        sheet: sheet(ranking, &TEMPERATURE),
        more_rows: left_out(ranking),
    }
}

fn left_out(ranking: &Ranking) -> usize {
    ranking.left_out + ranking.groups.len().saturating_sub(ROWS_MAX)
}

fn best(ranking: &Ranking, kind: &Kind, names: Names) -> String {
    let one = kind.one;
    let Some(first) = ranking.groups.first() else {
        let cure = kind.cure;
        return format!("{NOT_ENOUGH}: no issue ended in a run that states its {one} ({cure}).");
    };
    let (name, rate) = (names.show(&first.name), shown_rate(first));
    match ranking.ranked {
        0 => format!(
            "{NOT_ENOUGH}: a {one} needs {CLUSTERS_MIN} issues that ended, and none has so many."
        ),
        1 if ranking.groups.len() == 1 => format!(
            "{NOT_ENOUGH}: {name} is the only {one}, and completes {rate}. A second one on the \
             same issues would tell."
        ),
        1 => format!(
            "{NOT_ENOUGH}: {name} completes {rate}; no other {one} has the {CLUSTERS_MIN} issues \
             that ended which it takes to compare."
        ),
        _ if ranking.is_settled() => {
            let p = ranking.groups.iter().filter_map(first_holm_p);
            let p = shown_p(p.fold(0.0, f64::max));
            let than = match ranking.ranked {
                2 => names.show(&ranking.groups[1].name),
                several => format!("each of the {} other {one}s", several - 1),
            };
            let others = match ranking.groups.len() - ranking.ranked + ranking.left_out {
                0 => String::new(),
                others => format!(
                    " {} with fewer tries cannot be compared.",
                    count(others as u64, one)
                ),
            };
            format!("{name} completes {rate}, more than {than} (Holm p {p}).{others}")
        }
        _ => format!(
            "{NOT_ENOUGH} to call one best: {name} completes {rate}, {}.",
            rivals(ranking, names)
        ),
    }
}

fn shown_rate(group: &RankedGroup) -> String {
    let rate = &group.rate;
    let (value, interval) = (percent(rate.value), of_share(rate.interval));
    let tries = match group.tries == group.issues {
        true => count(group.tries, "issue"),
        false => format!("{} tries at {}", group.tries, count(group.issues, "issue")),
    };
    format!("{value} % {interval} of {tries}")
}

fn first_holm_p(group: &RankedGroup) -> Option<f64> {
    Some(group.first_against.as_ref()?.holm_p)
}

/// Says against whom the lead of the first may be chance, and what would show more.
fn rivals(ranking: &Ranking, names: Names) -> String {
    let rivals: Vec<&RankedGroup> = ranking.rivals().collect();
    let Some(nearest) = rivals.first() else {
        return String::new();
    };
    let others = match rivals.len() {
        1 => String::new(),
        several => format!(" and {} more", several - 1),
    };
    let p = first_holm_p(nearest).map_or(String::new(), |p| format!(" (Holm p {})", shown_p(p)));
    let advice = nearest.first_against.as_ref();
    let advice = advice.and_then(|it: &Contrast| advice_of(ranking, it));
    let name = names.show(&nearest.name);
    let advice = advice.unwrap_or_default();
    if nearest.rate.value == ranking.groups[0].rate.value {
        return format!("and {name}{others} as many{advice}");
    }
    format!("but its lead over {name}{others} may be chance{p}{advice}")
}

fn advice_of(ranking: &Ranking, contrast: &Contrast) -> Option<String> {
    advice(ranking.bootstrap, ranking.tests, contrast)
}

fn sheet(ranking: &Ranking, kind: &Kind) -> Sheet {
    let mut sheet = Sheet::new()
        .name(kind.one, kind.title)
        .number("issues", "Issues")
        .minor()
        .number("tries", "Tries")
        .minor()
        .number("success_rate", "Success, %")
        .interval("95 % interval")
        .number("holm_p", "v. first: Holm p")
        .minor();
    for group in ranking.groups.iter().take(ROWS_MAX) {
        let rate = &group.rate;
        sheet.push(vec![
            json!(group.name),
            json!(group.issues),
            json!(group.tries),
            in_unit("success_rate", true, rate.value),
            interval_cell("success_rate", true, Some(rate.interval)),
            first_holm_p(group).map_or(Value::Null, rounded_p),
        ]);
    }
    sheet
}
