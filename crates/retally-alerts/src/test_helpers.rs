//! What tests of several modules share.

use crate::{Alert, Finding, Fleet, Rules, RunWatch};
use retally_log::{LogReader, RunId, Timestamp};
use retally_reduce::PriceBook;
use std::f64::consts::TAU;
use std::fmt::Write as _;

/// SplitMix64, of Steele, Lea and Flood, OOPSLA 2014.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number from 0 to 1, 1 excluded.
    pub(crate) fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, rate: f64) -> bool {
        self.share() < rate
    }

    /// Returns a number of the standard normal distribution (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (TAU * self.share()).cos()
    }
}

/// Returns the alerts of a run whose events are given as `SECOND TYPE,FIELDS`, looked at `now`
/// seconds after their beginning.
pub(crate) fn alerts(rules: &str, events: &[&str], now: i64) -> Vec<Alert> {
    let rules = Rules::parse(rules, "rules").expect("rules");
    let folder = tempfile::tempdir().expect("a folder");
    let mut lines = String::new();
    for event in events {
        let Some((second, rest)) = event.split_once(' ') else {
            writeln!(lines, "{event}").expect("a String");
            continue;
        };
        let ts = second_at(second.parse().expect("a second"));
        writeln!(lines, r#"{{"ts":"{ts}","type":{rest}}}"#).expect("a String");
    }
    std::fs::write(folder.path().join("a.jsonl"), lines).expect("written");
    let mut watch = RunWatch::new(&RunId::new("r").expect("an id"));
    let mut log = LogReader::open(folder.path()).expect("a log");
    let (mut fleet, prices) = (Fleet::default(), PriceBook::default());
    let mut alerts = Vec::new();
    while let Some(found) = log
        .next(|entry| watch.take(&entry, &rules, &prices))
        .expect("read")
    {
        for finding in found {
            match finding {
                Finding::Alert(alert) => alerts.push(*alert),
                Finding::Fact(fact) => alerts.extend(fleet.take(&fact, &rules)),
            }
        }
    }
    let now = second_at(now);
    let is_due = watch.deadline(&rules).is_some_and(|due| due < now);
    let overdue = watch.overdue(now, &rules);
    assert!(
        is_due || overdue.is_empty(),
        "nothing is told before its time"
    );
    alerts.extend(overdue);
    assert!(watch.overdue(now, &rules).is_empty(), "told twice");
    alerts
}

fn second_at(second: i64) -> Timestamp {
    let start = Timestamp::parse("2024-12-03T12:00:00Z").expect("a time");
    start.saturating_add_micros(second * 1_000_000)
}

/// Checks what a run's alerts say, each as `SECOND RULE: TEXT`.
pub(crate) fn check(rules: &str, events: &[&str], now: i64, expected: &[&str]) {
    let shown: Vec<String> = alerts(rules, events, now)
        .into_iter()
        .map(|alert| {
            let start = second_at(0).as_micros();
            let second = alert
                .ts
                .map_or(-1, |ts| (ts.as_micros() - start) / 1_000_000);
            format!("{second} {}: {}", alert.rule.as_str(), alert.text)
        })
        .collect();
    assert_eq!(shown, expected, "{events:#?}");
}
