//! Finds what goes wrong in runs, by rules: fewer issues solved than before, a pipeline that takes
//! far longer than usual, an agent that says nothing any more.
//!
//! A [`RunWatch`] looks at one run line by line, a [`Fleet`] at what all runs tell together, and
//! both return [`Alert`]s. [`Rules`] are read from a file that `docs/alerts.md` describes.
//!
//! What this crate promises: the same log, rules and time give the same alerts with the same keys,
//! whether it is looked at while it grows or afterwards. What it never does: print, read a clock or
//! the environment, or deliver anything.
#![forbid(unsafe_code)]

mod alert;
mod budget;
mod delivery;
mod fact;
mod fall_test;
mod fleet;
mod issue_watch;
mod outlier;
mod retry_storm;
mod rules;
mod run_watch;
mod silence;
#[cfg(test)]
mod test_helpers;

pub use alert::{Alert, Evidence, RuleName, Severity, Trigger};
pub use delivery::{Delivery, Target, WebhookUrl, is_address};
pub use fact::Fact;
pub use fleet::Fleet;
pub use rules::{ALERTS_FILE, Rules, RulesError};
pub use run_watch::{Finding, RunWatch};
