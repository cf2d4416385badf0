//! What rules find in whole logs.

use anyhow::Result;
use retally_alerts::{Alert, Fact, Finding, Fleet, Rules, RunWatch};
use retally_log::{Content, Entry, LogReader, Redactor as _, RunDir, Timestamp};
use retally_redact::SecretRedactor;
use retally_reduce::PriceBook;
use std::collections::BTreeSet;

/// A run that was looked at as far as its log reaches.
pub(crate) struct ReadRun {
    pub(crate) watch: RunWatch,
    /// `None` once it is closed.
    log: Option<LogReader>,
    pub(crate) findings: Vec<Finding>,
}

impl ReadRun {
    /// Looks at the log of a run: at all of it, or at what was known at a time.
    pub(crate) fn read(
        run: &RunDir,
        rules: &Rules,
        prices: &PriceBook,
        until: Option<Timestamp>,
    ) -> Result<Self> {
        let mut read = Self {
            watch: RunWatch::new(run.id()),
            log: Some(LogReader::open(run.events_path())?),
            findings: Vec::new(),
        };
        read.read_on(rules, prices, until)?;
        Ok(read)
    }

    /// Looks at what is next in the log, as far as it is known.
    fn read_on(
        &mut self,
        rules: &Rules,
        prices: &PriceBook,
        until: Option<Timestamp>,
    ) -> Result<()> {
        let Self {
            watch,
            log,
            findings,
        } = self;
        let mut take = |entry: Entry<'_>| {
            let is_inside = until.is_none_or(|until| !is_behind(&entry, until));
            if is_inside {
                findings.extend(watch.take(&entry, rules, prices));
            }
            is_inside
        };
        if let Some(log) = log {
            while log.next(&mut take)? == Some(true) {}
        }
        Ok(())
    }

    /// Looks what is new in the log, and takes that in.
    pub(crate) fn catch_up(&mut self, rules: &Rules, prices: &PriceBook) -> Result<()> {
        if let Some(log) = &mut self.log {
            log.refresh()?;
        }
        self.read_on(rules, prices, None)
    }

    /// Lets go of the log: nothing is read on.
    pub(crate) fn close(&mut self) {
        self.log = None;
    }

    /// Returns whether it can be read on.
    pub(crate) fn is_open(&self) -> bool {
        self.log.is_some()
    }
}

/// The longest text of an alert, in characters; names in logs may be long.
const TEXT_CHARS_MAX: usize = 1000;

/// Makes an alert ready to be told: without secrets, and no longer than anybody reads.
pub(crate) fn told(alert: &mut Alert, redactor: &SecretRedactor) {
    alert.map_texts(|text| {
        let text = redactor.redact(text);
        match text.char_indices().nth(TEXT_CHARS_MAX) {
            None => text.into_owned(),
            Some((end, _)) => format!("{}…", &text[..end]),
        }
    });
}

fn is_behind(entry: &Entry<'_>, until: Timestamp) -> bool {
    matches!(entry, Entry::Stretch(_, Content::Event(event)) if event.position.time > until)
}

/// Takes findings of several runs in, in the order in which they came to be, and returns the alerts
/// that come of them, each once.
pub(crate) fn alerts_of(findings: Vec<Finding>, fleet: &mut Fleet, rules: &Rules) -> Vec<Alert> {
    let (mut alerts, mut facts): (Vec<Alert>, Vec<Fact>) = (Vec::new(), Vec::new());
    for finding in findings {
        match finding {
            Finding::Alert(alert) => alerts.push(*alert),
            Finding::Fact(fact) => facts.push(fact),
        }
    }
    // Stable: what an event brings stays in its order.
    facts.sort_by(|one, other| one.order().cmp(&other.order()));
    alerts.extend(facts.iter().filter_map(|fact| fleet.take(fact, rules)));
    let mut known = BTreeSet::new();
    alerts.retain(|alert| known.insert(alert.key.clone()));
    alerts.sort_by(|one, other| (one.ts, &one.key).cmp(&(other.ts, &other.key)));
    alerts
}
