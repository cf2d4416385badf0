//! Statistics of issues: how far a number can be trusted, and whether two groups differ.
//!
//! Pure functions of numbers. Each says which method it is and where that comes from;
//! `docs/statistics.md` says when which is taken. Rates are shares from 0 to 1 here. [`Grouping`]
//! takes what runs did on issues, and [`Comparison`] says how groups of that differ.
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
mod distribution;
mod exact;
mod group;
mod grouping;
mod holm;
mod interval;
mod issue_work;
mod kaplan_meier;
mod measure;
mod proportion;
mod quantile;
mod random;
mod rank_test;
mod ranks;
mod sample_size;
mod spearman;

pub use bootstrap::{Bootstrap, CLUSTERS_MIN, DRAWN_CLUSTERS_MAX, RESAMPLES};
pub use cluster::Cluster;
pub use comparison::{ComparedGroup, Comparison};
pub use contrast::{Contrast, Test};
pub use exact::{fisher_exact, mcnemar_exact};
pub use group::{Counts, Figure, Group};
pub use grouping::{GROUPINGS, Grouping, UnknownGrouping};
pub use holm::holm;
pub use interval::{Confidence, Interval};
pub use issue_work::{IssueKey, IssueWork};
pub use kaplan_meier::{KaplanMeier, Wait};
pub use measure::Measure;
pub use proportion::{Rate, clustered_rate, paired_rate_difference, rate_difference, wilson};
pub use quantile::{Quantile, quantile};
pub use rank_test::{MannWhitney, SignedRank, mann_whitney, signed_rank};
pub use sample_size::{POWER, pairs_to_see, plain_tries_to_see, tries_to_see};
pub use spearman::{Spearman, spearman};
