//! The answers to the questions that people ask of their runs, one function each.

mod costs;
mod debugging;
mod errors;
mod models;
mod over_time;
mod pipelines;

use crate::answer::{Answer, Names};
use retally_stats::Insights;

/// Returns all answers, in the order in which they are read.
pub(crate) fn answers(insights: &Insights, names: Names) -> Vec<Answer> {
    vec![
        models::best_model(insights, names),
        models::best_temperature(insights, names),
        pipelines::first_pass(insights, names),
        debugging::cycles(insights),
        debugging::agents(insights, names),
        debugging::difficulty(insights),
        costs::outliers(insights, names),
        errors::types(insights, names),
        pipelines::flaky(insights, names),
        over_time::trend(insights),
    ]
}

/// How each answer begins that cannot be given yet.
const NOT_ENOUGH: &str = "Not enough evidence yet";
