//! Sums over the issues of a run, kept as integers.

use crate::usage::UsageSums;
use retally_log::IssueStatus;
use serde::{Deserialize, Serialize};

macro_rules! share {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What one issue contributes to the sums of its run, or the sums themselves.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) struct Share {
            $($(#[$doc])* pub(crate) $field: u64,)*
        }

        impl Share {
            /// Puts an issue's new share in the place of its old one, which is part of the sums.
            pub(crate) fn replace(&mut self, old: &Self, new: &Self) {
                $(self.$field = self.$field - old.$field + new.$field;)*
            }
        }
    };
}

share! {
    /// Issues whose last end said completed.
    completed,
    /// Issues whose last end said failed.
    failed,
    /// Issues whose last end said skipped.
    skipped,
    /// Issues without an end: in progress, or abandoned once the run ended.
    open,
    pipeline_attempts,
    succeeded_pipelines,
    failed_pipelines,
    first_pass,
    first_pass_base,
    cycles,
    resolved_cycles,
    /// Cycles that become anomalies should the run end before their issues do.
    open_cycles_of_open_issues,
    anomalies,
}

impl Share {
    /// Counts one issue whose end said `status`, or that is open.
    pub(crate) fn of_status(status: Option<IssueStatus>) -> Self {
        let mut share = Self::default();
        let count = match status {
            Some(IssueStatus::Completed) => &mut share.completed,
            Some(IssueStatus::Failed) => &mut share.failed,
            Some(IssueStatus::Skipped) => &mut share.skipped,
            None => &mut share.open,
        };
        *count = 1;
        share
    }
}

/// The sums over all issues of a run and over its events that name no issue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) share: Share,
    pub(crate) usage: UsageSums,
}
