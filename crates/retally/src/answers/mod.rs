//! The answers to the questions that people ask of their runs, one function each.

mod costs;
mod debugging;
mod errors;
mod models;
mod over_time;
mod pipelines;

use crate::answer::{Answer, Names};
use clap::ValueEnum;
use retally_stats::Insights;
use serde::Serialize;

/// A question, by its name for machines; in the order in which answers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Question {
    BestModel,
    BestTemperature,
    FirstPass,
    CyclesPerIssue,
    AgentWithMostRetries,
    Difficulty,
    CostOutliers,
    MostFrequentErrors,
    FlakyPipelines,
    Trend,
}

impl Question {
    pub(crate) fn answer(self, insights: &Insights, names: Names) -> Answer {
        match self {
            Self::BestModel => models::best_model(insights, names),
            Self::BestTemperature => models::best_temperature(insights, names),
            Self::FirstPass => pipelines::first_pass(insights, names),
            Self::CyclesPerIssue => debugging::cycles(insights),
            Self::AgentWithMostRetries => debugging::agents(insights, names),
            Self::Difficulty => debugging::difficulty(insights),
            Self::CostOutliers => costs::outliers(insights, names),
            Self::MostFrequentErrors => errors::types(insights, names),
            Self::FlakyPipelines => pipelines::flaky(insights, names),
            Self::Trend => over_time::trend(insights),
        }
    }
}

/// How each answer begins that cannot be given yet.
const NOT_ENOUGH: &str = "Not enough evidence yet";
