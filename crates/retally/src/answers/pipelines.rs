use super::{NOT_ENOUGH, Question};
use crate::answer::{Answer, Names, ROWS_MAX, count, interval_cell, of_share};
use crate::comparison_json::in_unit;
use crate::sheet::Sheet;
use crate::verdict::percent;
use retally_stats::{Flakiness, Insights};
use serde_json::json;

/// The fewest issues, or commits, of which a share is told.
const BASE_MIN: u64 = 5;

/// What a pipeline without a name is called in a sentence.
const NO_NAME: &str = "the pipeline without a name";

pub(super) fn first_pass(insights: &Insights, names: Names) -> Answer {
    let figure = &insights.first_pass;
    let by_name = &insights.first_pass_by_name;
    let of_all = figure.value.zip(figure.interval);
    let of_all = of_all.filter(|_| insights.first_pass_issues >= BASE_MIN);
    let text = match of_all {
        Some((value, interval)) => {
            let base = figure.base;
            let worst = by_name.iter().filter(|it| it.base >= BASE_MIN);
            let worst = worst.min_by(|left, right| {
                let (left, right) = (left.rate.interval, right.rate.interval);
                left.high.total_cmp(&right.high)
            });
            // Of equal ones none is the least.
            let worst = worst.filter(|it| it.rate.interval.high < value);
            let worst = worst.map(|it| {
                let name = names.show_or(it.name.as_deref(), NO_NAME);
                let (value, interval) = (percent(it.rate.value), of_share(it.rate.interval));
                format!(" The least is {value} % {interval}, of {name}.")
            });
            let (value, interval) = (percent(value), of_share(interval));
            format!(
                "{value} % {interval} of pipelines pass at the first attempt, of {base} that \
                 succeeded or failed on an issue.{}",
                worst.unwrap_or_default()
            )
        }
        None => format!(
            "{NOT_ENOUGH}: pipelines of {} succeeded or failed, and it takes {BASE_MIN} \
             (pipeline.recorded with an issue).",
            count(insights.first_pass_issues, "issue")
        ),
    };
    let mut sheet = Sheet::new()
        .name("pipeline", "Pipeline")
        .number("first_pass_rate", "First pass, %")
        .interval("95 % interval")
        .number("passed", "Passed")
        .number("base", "Of");
    for it in by_name.iter().take(ROWS_MAX) {
        sheet.push(vec![
            json!(it.name),
            in_unit("first_pass_rate", true, it.rate.value),
            interval_cell("first_pass_rate", true, Some(it.rate.interval)),
            json!(it.passed),
            json!(it.base),
        ]);
    }
    Answer {
        key: Question::FirstPass,
        question: "How many pipelines pass at the first attempt?",
        text,
        is_enough: of_all.is_some(),
        sheet,
        more_rows: by_name.len().saturating_sub(ROWS_MAX),
    }
}

pub(super) fn flaky(insights: &Insights, names: Names) -> Answer {
    let flaky = &insights.flaky;
    let judged = || flaky.pipelines.iter().filter(|it| it.commits >= BASE_MIN);
    let commits = judged().map(|it| it.commits).sum();
    let most = flaky.pipelines.iter().map(|it| it.commits).max();
    let tried_again: u64 = judged().map(|it| it.tried_again).sum();
    let is_enough = tried_again > 0;
    let text = match judged().next() {
        Some(first) if is_enough => of_the_worst(first, judged().count(), tried_again, names),
        Some(_) => format!(
            "{NOT_ENOUGH}: on none of {} was a pipeline tried again after it had \
             failed, and only that can show it.",
            count(commits, "commit")
        ),
        _ => format!(
            "{NOT_ENOUGH}: no pipeline succeeded or failed on more than {} that it names, and it takes \
             {BASE_MIN} (pipeline.recorded with commit_sha); {} named none.",
            count(most.unwrap_or(0), "commit"),
            flaky.without_commit
        ),
    };
    let mut sheet = Sheet::new()
        .name("pipeline", "Pipeline")
        .number("flaky", "Flaky")
        .number("commits", "Commits")
        .number("flaky_rate", "Flaky, %")
        .interval("95 % interval")
        .number("tried_again", "Tried again");
    for it in flaky.pipelines.iter().take(ROWS_MAX) {
        sheet.push(vec![
            json!(it.name),
            json!(it.flaky),
            json!(it.commits),
            in_unit("flaky_rate", true, it.rate.value),
            interval_cell("flaky_rate", true, Some(it.rate.interval)),
            json!(it.tried_again),
        ]);
    }
    Answer {
        key: Question::FlakyPipelines,
        question: "Which pipelines are flaky?",
        text,
        is_enough,
        sheet,
        more_rows: flaky.pipelines.len().saturating_sub(ROWS_MAX),
    }
}

fn of_the_worst(first: &Flakiness, all: usize, tried_again: u64, names: Names) -> String {
    let again = format!(
        "Only a failed commit that is tried again can show it; {}.",
        match tried_again {
            1 => "1 was".to_owned(),
            several => format!("{several} were"),
        }
    );
    if first.flaky == 0 {
        return format!("No pipeline failed and then passed on the same commit. {again}");
    }
    let name = names.show_or(first.name.as_deref(), NO_NAME);
    let most = match all {
        1 => String::new(),
        several => format!(", the highest lower bound of {several} pipelines"),
    };
    format!(
        "{name} failed and then passed on {} of {}, {} % {}{most}. {again}",
        first.flaky,
        count(first.commits, "commit"),
        percent(first.rate.value),
        of_share(first.rate.interval)
    )
}
