//! What began, has no end, and says nothing.

use crate::alert::{Alert, Evidence, RuleName, Severity, Spot, quoted, said};
use crate::fact::Origin;
use crate::retry_storm::micros;
use crate::rules::{Rules, SilenceRule};
use retally_log::{Timestamp, short_hash};

/// The last sign of life of a run, or of an agent on an issue.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    last: Spot,
    /// Whether the silence behind it was told.
    is_told: bool,
}

/// A silence that lasted too long.
#[derive(Clone, Debug)]
pub(crate) struct Silence {
    /// The last event before it.
    pub(crate) last: Spot,
    /// When it was too long.
    pub(crate) since: Timestamp,
}

impl Life {
    pub(crate) fn new(spot: Spot) -> Self {
        let is_told = false;
        Self {
            last: spot,
            is_told,
        }
    }

    /// Takes a sign of life in, and returns the silence that it ends, where that is not told yet.
    pub(crate) fn show(&mut self, spot: &Spot, rule: Option<&SilenceRule>) -> Option<Silence> {
        let silence = spot.moment.and_then(|now| self.silence(now, rule?, false));
        // An event that came late is no later sign of life.
        if spot.moment >= self.last.moment {
            *self = Self::new(spot.clone());
        }
        silence
    }

    /// Returns the silence that goes on, where it is to be told and is not yet.
    pub(crate) fn overdue(&mut self, now: Timestamp, rule: &SilenceRule) -> Option<Silence> {
        self.silence(now, rule, true)
    }

    fn silence(&mut self, now: Timestamp, rule: &SilenceRule, goes_on: bool) -> Option<Silence> {
        let due = self.deadline(rule)?;
        let lasted = now
            .as_micros()
            .saturating_sub(self.last.moment?.as_micros());
        let is_forgotten = goes_on && lasted > micros(rule.forget_after);
        if now <= due || is_forgotten {
            return None;
        }
        self.is_told = true;
        Some(Silence {
            last: self.last.clone(),
            since: due,
        })
    }

    /// Returns behind what time it is too silent; `None` where it has no time or that was told.
    pub(crate) fn deadline(&self, rule: &SilenceRule) -> Option<Timestamp> {
        let last = self.last.moment.filter(|_| !self.is_told)?;
        Some(last.saturating_add_micros(micros(rule.after)))
    }
}

/// Returns that a run has no end and says nothing.
pub(crate) fn stalled(origin: &Origin, silence: &Silence, rules: &Rules) -> Alert {
    let rule = rules.run_stalled.as_ref();
    let severity = rule.map_or(Severity::Warning, |it| it.severity);
    let after = rule.map_or(0.0, |it| it.after.as_secs_f64());
    let mut alert = origin.alert(RuleName::RunStalled, severity, &silence.last.key());
    alert.text = format!("the run has no end and said nothing for {} s", said(after));
    alert.of_silence(silence, after)
}

/// Returns that an agent began and says nothing.
pub(crate) fn silent(
    origin: &Origin,
    id: &str,
    agent: &str,
    silence: &Silence,
    rules: &Rules,
) -> Alert {
    let rule = rules.agent_silent.as_ref();
    let severity = rule.map_or(Severity::Warning, |it| it.severity);
    let after = rule.map_or(0.0, |it| it.after.as_secs_f64());
    let key = format!("{}:{}", silence.last.key(), short_hash(agent));
    let mut alert = origin.alert(RuleName::AgentSilent, severity, &key);
    alert.text = format!(
        "agent {} began on issue {} and said nothing for {} s",
        quoted(agent),
        quoted(id),
        said(after)
    );
    alert.issue = Some(id.to_owned());
    alert.agent = Some(agent.to_owned());
    alert.of_silence(silence, after)
}

impl Alert {
    fn of_silence(mut self, silence: &Silence, after: f64) -> Self {
        self.ts = Some(silence.since);
        self.trigger = silence.last.trigger();
        self.evidence = Evidence::default().figure("silent_seconds", after);
        self
    }
}
