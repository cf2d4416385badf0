use super::{NOT_ENOUGH, Question};
use crate::answer::{
    Answer, Names, ROWS_MAX, count, count_tries, interval_cell, of_numbers, of_share, rho_cells,
    short, shown_rho,
};
use crate::comparison_json::{figure_value, in_unit, rounded_p};
use crate::comparison_sheets::title;
use crate::sheet::Sheet;
use crate::verdict::{percent, shown_p};
use retally_stats::{CLUSTERS_MIN, Counts, Difficulty, Figure, Insights, PAIRS_MIN, Rework};
use serde_json::{Value, json};

pub(super) fn cycles(insights: &Insights) -> Answer {
    let figures = &insights.cycles;
    let of = |name: &str| figures.iter().find(|figure| figure.name == name);
    let ended = of("cycles_per_issue").map_or(0, |figure| figure.base);
    let issues = insights.counts.ended_issues;
    let is_enough = issues >= CLUSTERS_MIN as u64;
    let mean = of("cycles_per_issue").and_then(|figure| figure.value);
    let text = match mean.filter(|_| is_enough) {
        Some(mean) => {
            let interval = of("cycles_per_issue").and_then(|figure| figure.interval);
            let interval = match interval {
                Some(interval) => format!(" {}", of_numbers(interval)),
                None => ", all alike".to_owned(),
            };
            let untouched = of("issues_without_cycle_rate").and_then(|figure| figure.value);
            let untouched = percent(untouched.unwrap_or_default());
            format!(
                "{} per issue{interval}, and none on {untouched} % of {}.{}",
                match &*short(mean) {
                    "1" => "1 debugging cycle".to_owned(),
                    mean => format!("{mean} debugging cycles"),
                },
                count_tries(ended, insights.counts),
                resolution(
                    of("resolved_cycles_rate"),
                    of("median_seconds_to_resolution")
                )
            )
        }
        None => format!(
            "{NOT_ENOUGH}: {} ended, and it takes {CLUSTERS_MIN}.",
            count(issues, "issue")
        ),
    };
    let mut sheet = Sheet::new()
        .label("figure", "Figure")
        .number("value", "Value")
        .interval("95 % interval")
        .number("base", "Of");
    for figure in figures.iter().filter(|figure| figure.base > 0) {
        sheet.push(vec![
            json!([figure.name, title(figure.name, figure.is_rate)]),
            figure_value(figure),
            interval_cell(figure.name, figure.is_rate, figure.interval),
            json!(figure.base),
        ]);
    }
    Answer {
        key: Question::CyclesPerIssue,
        question: "How many debugging cycles are there per issue, and how soon do they end?",
        text,
        is_enough,
        sheet,
        more_rows: 0,
    }
}

fn resolution(resolved: Option<&Figure>, seconds: Option<&Figure>) -> String {
    let value = |figure: Option<&Figure>| figure.and_then(|figure| figure.value);
    let Some(share) = value(resolved) else {
        return String::new();
    };
    let within = match value(seconds).filter(|seconds| seconds.is_finite()) {
        Some(value) => {
            let interval = seconds.and_then(|figure| figure.interval).map(of_numbers);
            let interval = interval.map_or(String::new(), |it| format!(" {it}"));
            format!(", half of all within {} s{interval}", short(value))
        }
        None => String::new(),
    };
    format!(" {} % of cycles are resolved{within}.", percent(share))
}

pub(super) fn agents(insights: &Insights, names: Names) -> Answer {
    let rework = &insights.rework;
    let (text, is_enough) = of_agents(rework, insights.counts, names);
    let mut sheet = Sheet::new()
        .name("agent", "Agent")
        .number("retries", "Retries")
        .number("share_percent", "Of all, %")
        .interval("95 % interval")
        .number("cycles", "Cycles")
        .number("issues", "Issues");
    for agent in rework.agents.iter().take(ROWS_MAX) {
        sheet.push(vec![
            json!(agent.agent),
            json!(agent.retries),
            agent
                .share
                .map_or(Value::Null, |it| in_unit("share", true, it)),
            interval_cell("share", true, agent.interval),
            json!(agent.cycles),
            json!(agent.issues),
        ]);
    }
    Answer {
        key: Question::AgentWithMostRetries,
        question: "Which agent needs most retries?",
        text,
        is_enough,
        sheet,
        more_rows: rework.agents.len().saturating_sub(ROWS_MAX),
    }
}

fn of_agents(rework: &Rework, counts: Counts, names: Names) -> (String, bool) {
    let retries = rework.retries;
    let Some(first) = rework.agents.first().filter(|_| retries > 0) else {
        let text = format!(
            "{NOT_ENOUGH}: no retry is recorded on {} (debug.started and debug.attempted say who \
             has to rework).",
            count_tries(counts.tries, counts)
        );
        return (text, false);
    };
    let name = names.show(&first.agent);
    let few = CLUSTERS_MIN as u64;
    if rework.issues < few {
        let issues = count(rework.issues, "issue");
        let text = format!(
            "{NOT_ENOUGH}: there were retries on {issues} only, and it takes {few}; {name} has {} \
             of {retries} so far.",
            first.retries
        );
        return (text, false);
    }
    let issues = rework.issues;
    let share = percent(first.share.unwrap_or_default());
    let interval = first.interval.map(of_share);
    let interval = interval.map_or(String::new(), |it| format!(" {it}"));
    let lead = format!(
        "{} of {retries} retries on {issues} issues, {share} %{interval}",
        first.retries
    );
    match rework.agents.get(1) {
        None => (
            format!("All {retries} retries are of {name}, on {issues} issues."),
            true,
        ),
        Some(_) if rework.is_settled() => (format!("{name} does: {lead} of all rework."), true),
        Some(second) => {
            let rival = rework.rival.and_then(|at| rework.agents.get(at));
            let second = names.show(&rival.unwrap_or(second).agent);
            let text = format!(
                "{NOT_ENOUGH} to name one: {name} has {lead} of all rework, but its lead over \
                 {second} may be chance."
            );
            (text, false)
        }
    }
}

pub(super) fn difficulty(insights: &Insights) -> Answer {
    let found = &insights.difficulty;
    let level = 1.0 - insights.bootstrap.confidence.level();
    let sentences: Vec<String> = found.iter().map(|it| of_difficulty(it, level)).collect();
    let mut sheet = Sheet::new()
        .label("with", "Retries with")
        .number("rho", "rho")
        .interval("95 % interval")
        .number("holm_p", "Holm p")
        .number("issues", "Issues");
    for it in found {
        let [rho, interval] = rho_cells(it.found);
        sheet.push(vec![
            json!([it.name, in_words(it.name)]),
            rho,
            interval,
            it.holm_p.map_or(Value::Null, rounded_p),
            json!(it.issues),
        ]);
    }
    Answer {
        key: Question::Difficulty,
        question: "Do larger or longer issues take more retries?",
        text: sentences.join(" "),
        is_enough: found.iter().any(|it| it.found.is_some()),
        sheet,
        more_rows: 0,
    }
}

fn in_words(name: &'static str) -> &'static str {
    match name {
        "changed_lines" => "lines changed",
        "seconds" => "duration",
        other => other,
    }
}

fn of_difficulty(it: &Difficulty, level: f64) -> String {
    let issues = count(it.issues, "issue");
    let what = in_words(it.name);
    let Some(found) = it.found else {
        if it.issues >= PAIRS_MIN as u64 {
            return format!(
                "{NOT_ENOUGH} on {what}: it, or retries, are the same on all {issues}."
            );
        }
        let cure = match it.name {
            "changed_lines" => " (code.changed with lines)",
            _ => "",
        };
        return format!(
            "{NOT_ENOUGH} on {what}: it is known of {issues} that ended, and it takes \
             {PAIRS_MIN}{cure}."
        );
    };
    let p = shown_p(it.holm_p.unwrap_or(1.0));
    let numbers = format!("{}, Holm p {p}, {issues}", shown_rho(found));
    let is_evident = it.holm_p.is_some_and(|p| p <= level);
    match (is_evident, found.rho > 0.0, it.name) {
        (true, true, "seconds") => format!(
            "Issues with more retries take longer: {numbers}; retries take time themselves."
        ),
        (true, true, _) => format!("Larger issues take more retries: {numbers}."),
        (true, false, "seconds") => format!("Issues with more retries end sooner: {numbers}."),
        (true, false, _) => format!("Larger issues take fewer retries: {numbers}."),
        (false, ..) => format!("There is no evidence that retries go with {what}: {numbers}."),
    }
}
