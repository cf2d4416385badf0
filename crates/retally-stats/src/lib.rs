//! Statistics of issues: how far a number can be trusted, and whether two groups differ.
//!
//! Pure functions of numbers. Each says which method it is and where that comes from;
//! `docs/statistics.md` says when which is taken. Rates are shares from 0 to 1 here. [`Grouping`]
//! takes what runs did on issues, and [`Comparison`] says how groups of that differ. [`RunWork`]
//! takes all that [`Insights`] answer the usual questions with.
//!
//! What this crate promises: the same input gives the same output, with chance started from a seed
//! that is handed in. Whatever finite numbers come in, none of what comes out is NaN, and nothing
//! panics: where the data cannot tell, the answer is `None`, which reads "not enough evidence".
//! What it never does: print, read a clock or the environment.
#![forbid(unsafe_code)]

mod bootstrap;
mod cluster;
mod comparison;
mod contrast;
mod correlations;
mod cost_outliers;
mod distribution;
mod error_types;
mod exact;
mod group;
mod grouping;
mod holm;
mod insights;
mod interval;
mod issue_work;
mod kaplan_meier;
mod lead;
mod measure;
mod pipeline_rates;
mod proportion;
mod quantile;
mod random;
mod rank_test;
mod ranking;
mod ranks;
mod rework;
mod robust_z;
mod run_work;
mod sample_size;
mod spearman;

pub use bootstrap::{Bootstrap, CLUSTERS_MIN, DRAWN_CLUSTERS_MAX, RESAMPLES};
pub use cluster::Cluster;
pub use comparison::{ComparedGroup, Comparison};
pub use contrast::{Contrast, Test};
pub use correlations::{Difficulty, PAIRS_MIN, TREND_RUNS_MIN, Trend};
pub use cost_outliers::{COSTS_MIN, CostOutlier, CostOutliers, OUTLIER_FACTOR, OUTLIER_Z};
pub use error_types::{ERROR_TYPES_MAX, ErrorType, ErrorTypes};
pub use exact::{fisher_exact, mcnemar_exact};
pub use group::{Counts, Figure, Group};
pub use grouping::{GROUPINGS, Grouping, UnknownGrouping};
pub use holm::holm;
pub use insights::{Insights, Temperatures};
pub use interval::{Confidence, Interval};
pub use issue_work::{IssueKey, IssueWork};
pub use kaplan_meier::{KaplanMeier, Wait};
pub use lead::RIVALS_MAX;
pub use measure::Measure;
pub use pipeline_rates::{FirstPass, Flakiness, FlakyPipelines};
pub use proportion::{Rate, clustered_rate, paired_rate_difference, rate_difference, wilson};
pub use quantile::{Quantile, quantile};
pub use rank_test::{MannWhitney, SignedRank, mann_whitney, signed_rank};
pub use ranking::{RANKED_MAX, RankedGroup, Ranking};
pub use rework::{AgentShare, Rework};
pub use robust_z::RobustScale;
pub use run_work::{AgentRework, ErrorCounts, IssueStory, PipelineTry, RunWork};
pub use sample_size::{POWER, pairs_to_see, plain_tries_to_see, tries_to_see};
pub use spearman::{Spearman, spearman};
