//! Folds the events of a run into metrics, and writes them as report files that can be deleted
//! and rebuilt to the same bytes.
//!
//! [`RunState`] takes events one by one and says at any time what they amount to: a
//! [`RunMetadata`], a [`RunReport`], and an [`IssueReport`] for each issue. `docs/metrics.md`
//! explains each number. [`RunFold`] keeps a state up with a run's log and [`RunFiles`] with its
//! files; [`rebuild`] does both for many runs, from the beginning.
//!
//! What this crate promises: the reports of a log are the same bytes on every machine, for any
//! number of threads and any chunking of the input. What its fold never does: read a clock, the
//! environment or randomness, calculate with a float, iterate in hash order, or fail.
#![forbid(unsafe_code)]

mod agents;
mod anomaly;
mod as_of;
mod checkpoint;
mod code;
mod cycles;
mod detail_list;
mod difference;
mod directory;
mod files_stamp;
mod fold;
mod issue_report;
mod issue_state;
mod issues;
mod known_files;
mod lifetime;
mod model_pattern;
mod moment;
mod named;
mod open_list;
mod pipeline_status;
mod pipelines;
mod price_book;
mod price_file;
mod quantity;
mod rebuild;
mod report_file;
mod report_files;
mod report_json;
mod run_metadata;
mod run_report;
mod run_start;
mod run_state;
#[cfg(test)]
mod test_helpers;
mod totals;
mod usage;
mod used_keys;

pub use agents::AgentMetrics;
pub use anomaly::{Anomaly, AnomalyKind};
pub use as_of::{AsOf, AsOfError, Replay, fold_as_of};
pub use code::CodeMetrics;
pub use cycles::CycleDetail;
pub use detail_list::DETAILS_MAX;
pub use files_stamp::FilesStamp;
pub use fold::{Advance, RunFold, UpdateError};
pub use issue_report::{IssueOutcome, IssueReport};
pub use issue_state::{ErrorDetail, NoteDetail};
pub use pipeline_status::pipeline_success;
pub use pipelines::PipelineDetail;
pub use price_book::{PRICES_FILE, PriceBook};
pub use price_file::PriceBookError;
pub use quantity::{Percent, Seconds, Usd};
pub use rebuild::{RebuildMode, Rebuilt, rebuild};
pub use report_file::ISSUES_DIR;
pub use report_files::{Change, ChangeKind, LockedRunFiles, ReportError, RunFiles};
pub use report_json::to_json_bytes;
pub use run_metadata::RunMetadata;
pub use run_report::{IssuesByStatus, RunOutcome, RunReport};
pub use run_start::LlmConfiguration;
pub use run_state::{REDUCER_VERSION, RunState};
pub use usage::ToolMetrics;
