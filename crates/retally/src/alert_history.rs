//! What rules find in whole logs.

use anyhow::Result;
use retally_alerts::{Alert, Fact, Finding, Fleet, Rules, RunWatch};
use retally_log::{Content, Entry, LogReader, RunDir, Timestamp};
use retally_reduce::PriceBook;
use std::collections::BTreeSet;

/// A run that was looked at as far as its log reaches.
pub(crate) struct ReadRun {
    pub(crate) watch: RunWatch,
    pub(crate) log: LogReader,
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
            log: LogReader::open(run.events_path())?,
            findings: Vec::new(),
        };
        read.read_on(rules, prices, until)?;
        Ok(read)
    }

    /// Looks at what is next in the log, as far as it is known.
    pub(crate) fn read_on(
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
        while log.next(&mut take)? == Some(true) {}
        Ok(())
    }
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
