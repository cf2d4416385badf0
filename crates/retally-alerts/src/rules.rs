//! What is looked for, and where it is told: the file of rules.

use crate::alert::Severity;
use crate::delivery::{Delivery, DeliveryEntry};
use crate::fall_test;
use crate::outlier::OutlierTest;
use retally_log::Root;
use serde::Deserialize;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// The file in a root that holds its rules.
pub const ALERTS_FILE: &str = "alerts.toml";
/// The longest file of rules, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The rules by which runs are looked at; what a file leaves out is as by default.
///
/// ```
/// use retally_alerts::Rules;
///
/// let rules = Rules::parse("[budget]\nrun_usd = 20\n", "alerts.toml")?;
/// assert_ne!(rules, Rules::default());
/// assert!(Rules::parse("[budget]\nrun_usd = -1\n", "alerts.toml").is_err());
/// # Ok::<(), retally_alerts::RulesError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// `None` where a rule is turned off, as of the others.
    pub(crate) success_rate: Option<SuccessRateRule>,
    pub(crate) pipeline_duration: Option<OutlierRule>,
    pub(crate) issue_cost: Option<OutlierRule>,
    pub(crate) retry_storm: Option<RetryStormRule>,
    pub(crate) agent_silent: Option<SilenceRule>,
    pub(crate) run_stalled: Option<SilenceRule>,
    /// How bad damage is.
    pub(crate) damage: Option<Severity>,
    pub(crate) budget: Option<BudgetRule>,
    /// Where alerts are told beside stdout.
    pub delivery: Delivery,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SuccessRateRule {
    pub(crate) severity: Severity,
    /// Whether each model of a project is looked at by itself.
    pub(crate) by_model: bool,
    pub(crate) issues_per_false_alarm: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OutlierRule {
    pub(crate) severity: Severity,
    pub(crate) test: OutlierTest,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetryStormRule {
    pub(crate) severity: Severity,
    pub(crate) retries: usize,
    pub(crate) window: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SilenceRule {
    pub(crate) severity: Severity,
    /// How long nothing may be heard.
    pub(crate) after: Duration,
    /// A silence that goes on for longer is not told about: nobody waits any more.
    pub(crate) forget_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BudgetRule {
    pub(crate) severity: Severity,
    pub(crate) run_usd: Option<f64>,
    pub(crate) issue_usd: Option<f64>,
}

/// Why there are no rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// The file cannot be read.
    #[error("rules `{}` cannot be read (make it a regular file of at most 1 MiB)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text holds something else.
    #[error("rules `{file}`, line {line}: {reason}")]
    Malformed {
        /// What the file is called.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the cure.
        reason: String,
    },
    /// The file of a root says where to deliver.
    #[error(
        "rules `{file}`, line {line}: what writes a root could have commands run so \
         (move `[delivery]` to a file of your own, and name it)"
    )]
    DeliveryInRoot {
        /// What the file is called.
        file: String,
        /// Counted from 1.
        line: usize,
    },
}

/// Where in the text something is wrong, and what, with the cure.
pub(crate) type Reason = (usize, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    success_rate: Option<SuccessRateEntry>,
    pipeline_duration: Option<OutlierEntry>,
    issue_cost: Option<OutlierEntry>,
    retry_storm: Option<RetryStormEntry>,
    agent_silent: Option<SilenceEntry>,
    run_stalled: Option<SilenceEntry>,
    damage: Option<DamageEntry>,
    budget: Option<BudgetEntry>,
    delivery: Option<Spanned<DeliveryEntry>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuccessRateEntry {
    enabled: Option<bool>,
    severity: Option<Severity>,
    by: Option<Spanned<String>>,
    issues_per_false_alarm: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutlierEntry {
    enabled: Option<bool>,
    severity: Option<Severity>,
    z: Option<Spanned<f64>>,
    factor: Option<Spanned<f64>>,
    sample_min: Option<Spanned<f64>>,
    sample_max: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryStormEntry {
    enabled: Option<bool>,
    severity: Option<Severity>,
    retries: Option<Spanned<f64>>,
    window_seconds: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceEntry {
    enabled: Option<bool>,
    severity: Option<Severity>,
    after_seconds: Option<Spanned<f64>>,
    forget_after_hours: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DamageEntry {
    enabled: Option<bool>,
    severity: Option<Severity>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetEntry {
    enabled: Option<bool>,
    severity: Option<Severity>,
    run_usd: Option<Spanned<f64>>,
    issue_usd: Option<Spanned<f64>>,
}

/// The longest time that a rule knows, in seconds: a year.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

impl Default for Rules {
    fn default() -> Self {
        Self::parse("", "the default rules").expect("a test reads the default rules")
    }
}

impl Rules {
    /// Returns the rules of a root: its [`ALERTS_FILE`] where it has one, else the default ones.
    ///
    /// # Errors
    /// The file is there and cannot be read, holds no rules, or says where to deliver: whoever can
    /// write logs could have a command run.
    pub fn for_root(root: &Root) -> Result<Self, RulesError> {
        let path = root.path().join(ALERTS_FILE);
        match root.read_file(ALERTS_FILE) {
            Ok(Some(text)) => Self::read(&text, &path.display().to_string(), false),
            Ok(None) => Ok(Self::default()),
            Err(source) => Err(RulesError::Read { path, source }),
        }
    }

    /// Reads a file that its user named.
    ///
    /// # Errors
    /// The file cannot be read, or holds no rules.
    pub fn from_file(path: &Path) -> Result<Self, RulesError> {
        let text = read_text(path).map_err(|source| RulesError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads rules; `file` is what errors call the text.
    ///
    /// # Errors
    /// The text holds no rules; the error names the line and the cure.
    pub fn parse(text: &str, file: &str) -> Result<Self, RulesError> {
        Self::read(text, file, true)
    }

    fn read(text: &str, file: &str, may_deliver: bool) -> Result<Self, RulesError> {
        let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let malformed = |(at, reason): Reason| RulesError::Malformed {
            file: file.to_owned(),
            line: line_of(at),
            reason,
        };
        let parsed: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            malformed((
                at,
                format!("{} (docs/alerts.md has all keys)", error.message()),
            ))
        })?;
        if let Some(delivery) = &parsed.delivery
            && !may_deliver
        {
            return Err(RulesError::DeliveryInRoot {
                file: file.to_owned(),
                line: line_of(delivery.span().start),
            });
        }
        parsed.into_rules().map_err(malformed)
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path)?;
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason);
    if !file.metadata()?.is_file() {
        return Err(invalid("not a regular file"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(invalid("longer than 1 MiB"));
    }
    Ok(text)
}

impl File {
    fn into_rules(self) -> Result<Rules, Reason> {
        let half_hour = 1800.0;
        Ok(Rules {
            success_rate: self.success_rate.unwrap_or_default().rule()?,
            pipeline_duration: self.pipeline_duration.unwrap_or_default().rule()?,
            issue_cost: self.issue_cost.unwrap_or_default().rule()?,
            retry_storm: self.retry_storm.unwrap_or_default().rule()?,
            agent_silent: self.agent_silent.unwrap_or_default().rule(half_hour)?,
            run_stalled: self.run_stalled.unwrap_or_default().rule(2.0 * half_hour)?,
            damage: self.damage.unwrap_or_default().rule(),
            budget: self.budget.unwrap_or_default().rule()?,
            delivery: self
                .delivery
                .map(Spanned::into_inner)
                .unwrap_or_default()
                .delivery()?,
        })
    }
}

impl SuccessRateEntry {
    fn rule(self) -> Result<Option<SuccessRateRule>, Reason> {
        let by_model = match self.by {
            None => false,
            Some(by) => match by.get_ref().as_str() {
                "project" => false,
                "model" => true,
                _ => {
                    let reason = "`by` is neither \"project\" nor \"model\" (write one of them)";
                    return Err((by.span().start, reason.to_owned()));
                }
            },
        };
        let rate = self.issues_per_false_alarm;
        let rule = SuccessRateRule {
            severity: self.severity.unwrap_or(Severity::Warning),
            by_model,
            issues_per_false_alarm: number(
                "issues_per_false_alarm",
                rate,
                1000.0,
                fall_test::RANGE,
            )?,
        };
        Ok(self.enabled.unwrap_or(true).then_some(rule))
    }
}

impl OutlierEntry {
    fn rule(self) -> Result<Option<OutlierRule>, Reason> {
        let at = self.sample_max.as_ref().map_or(0, |it| it.span().start);
        let test = OutlierTest {
            z: number("z", self.z, 3.5, 1.0..=100.0)?,
            factor: number("factor", self.factor, 2.0, 1.0..=1000.0)?,
            sample_min: count("sample_min", self.sample_min, 20, 5..=1000)?,
            sample_max: count("sample_max", self.sample_max, 200, 5..=1000)?,
        };
        if test.sample_max < test.sample_min {
            let reason = "`sample_max` is below `sample_min` (raise it)";
            return Err((at, reason.to_owned()));
        }
        let severity = self.severity.unwrap_or(Severity::Warning);
        let rule = OutlierRule { severity, test };
        Ok(self.enabled.unwrap_or(true).then_some(rule))
    }
}

impl RetryStormEntry {
    fn rule(self) -> Result<Option<RetryStormRule>, Reason> {
        let rule = RetryStormRule {
            severity: self.severity.unwrap_or(Severity::Warning),
            retries: count("retries", self.retries, 10, 2..=1000)?,
            window: seconds("window_seconds", self.window_seconds, 600.0)?,
        };
        Ok(self.enabled.unwrap_or(true).then_some(rule))
    }
}

impl SilenceEntry {
    fn rule(self, after: f64) -> Result<Option<SilenceRule>, Reason> {
        let hours = number(
            "forget_after_hours",
            self.forget_after_hours,
            168.0,
            0.01..=8784.0,
        )?;
        let rule = SilenceRule {
            severity: self.severity.unwrap_or(Severity::Warning),
            after: seconds("after_seconds", self.after_seconds, after)?,
            forget_after: Duration::from_secs_f64(hours * 3600.0),
        };
        Ok(self.enabled.unwrap_or(true).then_some(rule))
    }
}

impl DamageEntry {
    fn rule(self) -> Option<Severity> {
        let severity = self.severity.unwrap_or(Severity::Critical);
        self.enabled.unwrap_or(true).then_some(severity)
    }
}

impl BudgetEntry {
    fn rule(self) -> Result<Option<BudgetRule>, Reason> {
        let usd = |name, value: Option<Spanned<f64>>| {
            value
                .map(|value| number(name, Some(value), 0.0, 0.0..=1e9))
                .transpose()
        };
        let rule = BudgetRule {
            severity: self.severity.unwrap_or(Severity::Critical),
            run_usd: usd("run_usd", self.run_usd)?,
            issue_usd: usd("issue_usd", self.issue_usd)?,
        };
        Ok(self.enabled.unwrap_or(true).then_some(rule))
    }
}

/// Returns a number of the file, or the default where it has none.
pub(crate) fn number(
    name: &str,
    value: Option<Spanned<f64>>,
    default: f64,
    range: RangeInclusive<f64>,
) -> Result<f64, Reason> {
    let Some(value) = value else {
        return Ok(default);
    };
    if range.contains(value.get_ref()) {
        return Ok(*value.get_ref());
    }
    let (least, greatest) = (range.start(), range.end());
    let reason = format!(
        "`{name}` is {} (want {least} to {greatest})",
        value.get_ref()
    );
    Err((value.span().start, reason))
}

fn seconds(name: &str, value: Option<Spanned<f64>>, default: f64) -> Result<Duration, Reason> {
    number(name, value, default, 1.0..=SECONDS_MAX).map(Duration::from_secs_f64)
}

/// Returns a whole number of the file, or the default where it has none.
pub(crate) fn count(
    name: &str,
    value: Option<Spanned<f64>>,
    default: u16,
    range: RangeInclusive<u16>,
) -> Result<usize, Reason> {
    let at = value.as_ref().map_or(0, |value| value.span().start);
    let range = f64::from(*range.start())..=f64::from(*range.end());
    let count = number(name, value, f64::from(default), range)?;
    if count.fract() != 0.0 {
        return Err((at, format!("`{name}` is {count} (want a whole number)")));
    }
    // Whole and at most 65535, as the range says.
    Ok(count as usize)
}

#[cfg(test)]
mod tests;
