//! Tells each alert once, wherever the rules say.

use crate::alert_lane::{Lane, LaneContext, Said};
use crate::alert_memory::AlertMemory;
use crate::setting::{Setting, cache_folder};
use anyhow::{Result, bail};
use retally_alerts::{Alert, Delivery};
use retally_log::{Clock, Timestamp};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What stands for stdout among the targets.
const STDOUT: &str = "stdout";

/// Delivers alerts that came to be lately and were not delivered before, each once to each target.
pub(crate) struct AlertDelivery {
    lanes: Vec<Lane>,
    memory: Arc<Mutex<AlertMemory>>,
    said: Sender<Said>,
    max_age: Duration,
    clock: Arc<dyn Clock>,
    /// Keys that were handed to the lanes by this process.
    known: BTreeSet<String>,
    is_over: Arc<AtomicBool>,
    failures: Arc<AtomicUsize>,
}

impl AlertDelivery {
    /// Returns it with what is to be said: alerts, and what could not be done.
    ///
    /// # Errors
    /// Somebody else delivers, or a target cannot be made ready.
    pub(crate) fn start(setting: &Setting, delivery: &Delivery) -> Result<(Self, Receiver<Said>)> {
        let since = since(&*setting.clock, delivery.max_age);
        let memory = AlertMemory::open(cache_folder().as_deref(), &setting.root, since)?;
        let (said, receiver) = channel();
        let mut started = Self {
            lanes: Vec::new(),
            memory: Arc::new(Mutex::new(memory)),
            said,
            max_age: delivery.max_age,
            clock: Arc::clone(&setting.clock),
            known: BTreeSet::new(),
            is_over: Arc::default(),
            failures: Arc::default(),
        };
        for target in &delivery.targets {
            let context = LaneContext {
                memory: Arc::clone(&started.memory),
                said: started.said.clone(),
                is_over: Arc::clone(&started.is_over),
                failures: Arc::clone(&started.failures),
            };
            started.lanes.push(Lane::start(target, context)?);
        }
        Ok((started, receiver))
    }

    /// Has alerts delivered that are young enough and were not delivered yet.
    pub(crate) fn push(&mut self, alerts: Vec<Alert>) {
        let since = since(&*self.clock, self.max_age);
        for alert in alerts {
            let is_old = alert.ts.is_some_and(|ts| ts < since);
            if is_old || !self.known.insert(alert.key.clone()) {
                continue;
            }
            let alert = Arc::new(alert);
            let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            if !memory.holds(STDOUT, &alert.key) {
                // Nobody listens where the watcher has ended.
                _ = self.said.send(Said::Alert(Arc::clone(&alert)));
            }
            for lane in &self.lanes {
                if !memory.holds(&lane.id, &alert.key) {
                    lane.push(Arc::clone(&alert));
                }
            }
        }
    }

    /// Returns what notes that an alert was said.
    pub(crate) fn printed(&self) -> Printed {
        Printed(Arc::clone(&self.memory))
    }

    /// Delivers what waits; what fails is tried again no more where `is_hasty`.
    ///
    /// # Errors
    /// Some alerts could not be delivered.
    pub(crate) fn end(self, is_hasty: bool) -> Result<()> {
        self.is_over.store(is_hasty, Ordering::SeqCst);
        for lane in self.lanes {
            lane.end()?;
        }
        match self.failures.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => bail!("1 alert was not delivered (the next start tries again)"),
            count => bail!("{count} alerts were not delivered (the next start tries again)"),
        }
    }
}

/// Notes that alerts were said.
pub(crate) struct Printed(Arc<Mutex<AlertMemory>>);

impl Printed {
    /// # Errors
    /// It is noted for this process alone.
    pub(crate) fn note(&self, alert: &Alert) -> Result<()> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.note(STDOUT, &alert.key, alert.ts)
    }
}

fn since(clock: &dyn Clock, max_age: Duration) -> Timestamp {
    let micros = i64::try_from(max_age.as_micros()).unwrap_or(i64::MAX);
    clock.now().saturating_add_micros(-micros)
}
