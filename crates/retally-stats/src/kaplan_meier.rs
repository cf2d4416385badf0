use crate::distribution::normal_upper;
use crate::interval::{Confidence, Interval};

/// How long something took, or has taken so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// Finite and not negative, in whatever unit.
    pub time: f64,
    /// Whether it came to its end then; else nobody knows how long it would have taken, only that
    /// it was longer.
    pub has_ended: bool,
}

/// The share that still waits as time goes by, where some waits were broken off.
#[derive(Clone, Debug, PartialEq)]
pub struct KaplanMeier {
    steps: Vec<Step>,
}

/// What is true from one time to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    time: f64,
    waiting: f64,
    /// Greenwood's sum, with which the variance of ln(`waiting`) is estimated.
    greenwood: f64,
}

impl KaplanMeier {
    /// Takes waits that are independent, and of which breaking off says nothing about how long
    /// they would have been; `None` where there are none.
    ///
    /// Source: Kaplan and Meier, JASA 53 (1958) 457–481.
    pub fn new(waits: &[Wait]) -> Option<Self> {
        let mut waits = waits.to_vec();
        waits.sort_by(|left, right| left.time.total_cmp(&right.time));
        let (mut waiting, mut greenwood, mut at_risk) = (1.0, 0.0, waits.len() as f64);
        let mut steps = Vec::new();
        for same_time in waits.chunk_by(|left, right| left.time == right.time) {
            let ended = same_time.iter().filter(|wait| wait.has_ended).count() as f64;
            if ended > 0.0 {
                waiting *= 1.0 - ended / at_risk;
                greenwood += ended / (at_risk * (at_risk - ended));
                steps.push(Step {
                    time: same_time[0].time,
                    waiting: if ended == at_risk { 0.0 } else { waiting },
                    greenwood,
                });
            }
            at_risk -= same_time.len() as f64;
        }
        (!waits.is_empty()).then_some(Self { steps })
    }

    /// Returns the time after which half of the waits or more have ended; `None` where more than
    /// half still wait at the last time that is known.
    pub fn median(&self) -> Option<f64> {
        let mut steps = self.steps.iter();
        let half = steps.find(|step| step.waiting <= 0.5 + ROUNDING);
        half.map(|step| step.time)
    }

    /// Returns the interval of the median: the times at which a half is within the interval of the
    /// share that waits, on the scale ln(−ln). `None` where no time is; `high` is infinite where
    /// the data put no bound to it.
    ///
    /// Source: Brookmeyer and Crowley, Biometrics 38 (1982) 29–41, with the transformation of
    /// Kalbfleisch and Prentice.
    pub fn median_interval(&self, confidence: Confidence) -> Option<Interval> {
        let z = normal_upper(confidence.tail());
        let centre = 2.0_f64.ln().ln();
        let is_half = |step: &&Step| {
            let logarithm = step.waiting.ln();
            let error = step.greenwood.sqrt() / logarithm.abs();
            ((-logarithm).ln() - centre).abs() <= z * error
        };
        let inner = || self.steps.iter().filter(|step| step.waiting > 0.0);
        let low = inner().find(is_half)?;
        let last = inner().rev().find(is_half)?;
        let high = self.steps.iter().find(|step| step.time > last.time);
        Interval::new(low.time, high.map_or(f64::INFINITY, |step| step.time))
    }
}

/// What the product of shares may differ from a half by rounding.
const ROUNDING: f64 = 1e-12;
