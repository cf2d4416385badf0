//! Many retries in short time.

use crate::alert::{Alert, Evidence, quoted, said};
use crate::rules::RetryStormRule;
use retally_log::Timestamp;
use std::collections::VecDeque;

/// The last retries of one issue: fixes that were attempted, and agents that started again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retries(VecDeque<Timestamp>);

/// Retries that came too fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Storm {
    pub(crate) retries: u64,
    /// From the first to the last of them.
    pub(crate) span_seconds: f64,
}

impl Retries {
    /// Takes a retry in, and returns the storm that it completes. The next storm begins anew.
    pub(crate) fn take(&mut self, at: Timestamp, rule: &RetryStormRule) -> Option<Storm> {
        self.0.push_back(at);
        let is_old = |first: Timestamp| {
            let age = at.as_micros().saturating_sub(first.as_micros());
            age > micros(rule.window)
        };
        while self.0.front().is_some_and(|first| is_old(*first)) {
            self.0.pop_front();
        }
        if self.0.len() < rule.retries {
            return None;
        }
        let first = *self.0.front()?;
        let span = at.as_micros().saturating_sub(first.as_micros());
        let storm = Storm {
            retries: self.0.len() as u64,
            span_seconds: span.max(0) as f64 / 1e6,
        };
        self.0.clear();
        Some(storm)
    }
}

impl Storm {
    /// Says in an alert what happened to an issue.
    pub(crate) fn describe(&self, alert: &mut Alert, id: &str, rule: &RetryStormRule) {
        let (retries, seconds) = (self.retries, said(self.span_seconds));
        alert.text = format!(
            "{retries} retries on issue {} within {seconds} s",
            quoted(id)
        );
        alert.issue = Some(id.to_owned());
        alert.evidence = Evidence::default()
            .count("retries", self.retries)
            .count("retries_limit", rule.retries as u64)
            .figure("span_seconds", self.span_seconds)
            .figure("window_seconds", rule.window.as_secs_f64());
    }
}

/// Returns a time in microseconds.
pub(crate) fn micros(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
