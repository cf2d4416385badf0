//! Alerts of runs while they go on, in a thread of its own: reports wait for nothing of it.

use crate::alert_delivery::AlertDelivery;
use crate::alert_history::{ReadRun, alerts_of, told};
use anyhow::{Result, anyhow};
use rayon::prelude::*;
use retally_alerts::{Alert, Finding, Fleet, Rules};
use retally_log::{Clock, Root, RunId, Timestamp};
use retally_redact::SecretRedactor;
use retally_reduce::PriceBook;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many logs are kept open, so that a change costs what is new. Of more, those are closed that
/// changed longest ago; their next change costs reading the run again.
const READERS_MAX: usize = 256;
/// How long a log is kept open without a change.
const READER_KEPT: Duration = Duration::from_secs(600);
/// The longest wait, for clocks may be set.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What the watcher tells of runs.
pub(crate) enum RunNews {
    Changed(RunId),
    Gone(RunId),
    NewPrices,
}

/// What looking at runs takes.
pub(crate) struct AlertSurroundings {
    pub(crate) root: Root,
    /// The runs to look at; all of the root where `None`.
    pub(crate) only: Option<BTreeSet<RunId>>,
    pub(crate) rules: Rules,
    pub(crate) prices: Arc<PriceBook>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) redactor: SecretRedactor,
}

/// The thread that looks for alerts.
pub(crate) struct AlertWatch {
    news: Sender<RunNews>,
    thread: JoinHandle<AlertDelivery>,
}

impl AlertWatch {
    /// Begins with what the logs hold; what is told of runs meanwhile waits.
    pub(crate) fn start(around: AlertSurroundings, delivery: AlertDelivery) -> Result<Self> {
        let (news, receiver) = channel();
        let watching = Watching {
            around,
            delivery,
            fleet: Fleet::default(),
            runs: BTreeMap::new(),
            open: BTreeSet::new(),
            deadlines: BTreeSet::new(),
        };
        let work = move || watching.run(&receiver);
        let thread = std::thread::Builder::new().spawn(work)?;
        Ok(Self { news, thread })
    }

    /// Tells of a run.
    pub(crate) fn tell(&self, news: RunNews) {
        // Its thread goes on as long as the sender is there.
        _ = self.news.send(news);
    }

    /// Looks at what was told, and returns what delivers.
    pub(crate) fn end(self) -> Result<AlertDelivery> {
        drop(self.news);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the search for alerts ended too early"))
    }
}

struct Watching {
    around: AlertSurroundings,
    delivery: AlertDelivery,
    fleet: Fleet,
    /// The runs that have no end, or changed lately.
    runs: BTreeMap<RunId, KnownRun>,
    /// When the runs changed whose logs are open.
    open: BTreeSet<(Instant, RunId)>,
    /// When runs are too silent.
    deadlines: BTreeSet<(Timestamp, RunId)>,
}

struct KnownRun {
    /// Once it is closed, the next change has the run read again.
    read: ReadRun,
    changed_at: Instant,
    deadline: Option<Timestamp>,
}

impl Watching {
    fn run(mut self, news: &Receiver<RunNews>) -> AlertDelivery {
        self.look_back();
        loop {
            let wait = self.wait();
            let first = match news.recv_timeout(wait) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.delivery,
            };
            let mut changed = BTreeSet::new();
            for news in first.into_iter().chain(news.try_iter()) {
                match news {
                    RunNews::Changed(run) => {
                        changed.insert(run);
                    }
                    RunNews::Gone(run) => {
                        self.take(&run);
                    }
                    RunNews::NewPrices => self.read_prices(),
                }
            }
            self.look_at(changed);
            self.look_at_silence();
            self.close_logs();
        }
    }

    /// Looks at all that the logs hold.
    fn look_back(&mut self) {
        let around = &self.around;
        let folders = around.root.folders().unwrap_or_default();
        let is_meant = |run: &RunId| around.only.as_ref().is_none_or(|only| only.contains(run));
        let runs: Vec<RunId> = folders.into_iter().filter(is_meant).collect();
        let open = AtomicUsize::new(0);
        let read = |run: &RunId| {
            let dir = around.root.run(run);
            let mut read = ReadRun::read(&dir, &around.rules, &around.prices, None).ok()?;
            let is_kept = !read.watch.has_ended();
            if !is_kept || open.fetch_add(1, Ordering::Relaxed) >= READERS_MAX {
                read.close();
            }
            Some(read)
        };
        let found: Vec<Option<ReadRun>> = runs.par_iter().map(read).collect();
        let mut findings = Vec::new();
        for (run, read) in runs.into_iter().zip(found) {
            // What cannot be read the watcher says, and tells of once it can.
            if let Some(mut read) = read {
                findings.append(&mut read.findings);
                if !read.watch.has_ended() {
                    self.keep(run, read);
                }
            }
        }
        self.deliver(findings);
        self.look_at_silence();
        self.close_logs();
    }

    /// Looks at what is new in some runs.
    fn look_at(&mut self, runs: BTreeSet<RunId>) {
        let mut findings = Vec::new();
        for run in runs {
            let known = self.take(&run);
            let Ok(mut read) = self.read_on(&run, known) else {
                continue;
            };
            findings.append(&mut read.findings);
            // One that ended too: something may come late.
            self.keep(run, read);
        }
        self.deliver(findings);
    }

    fn read_on(&self, run: &RunId, known: Option<KnownRun>) -> Result<ReadRun> {
        let (rules, prices) = (&self.around.rules, &*self.around.prices);
        match known.filter(|known| known.read.is_open()) {
            Some(KnownRun { mut read, .. }) => {
                read.catch_up(rules, prices)?;
                Ok(read)
            }
            None => ReadRun::read(&self.around.root.run(run), rules, prices, None),
        }
    }

    /// Tells the silences that are too long by now.
    fn look_at_silence(&mut self) {
        let now = self.around.clock.now();
        let mut findings = Vec::new();
        while let Some((deadline, run)) = self.deadlines.pop_first() {
            if deadline >= now {
                self.deadlines.insert((deadline, run));
                break;
            }
            let Some(known) = self.runs.get_mut(&run) else {
                continue;
            };
            let overdue = known.read.watch.overdue(now, &self.around.rules);
            findings.extend(overdue.into_iter().map(|it| Finding::Alert(Box::new(it))));
            // One that lasts for so long that it is not told has no deadline to come.
            let next = known.read.watch.deadline(&self.around.rules);
            known.deadline = next.filter(|next| *next >= now);
            self.deadlines
                .extend(known.deadline.map(|next| (next, run)));
        }
        self.deliver(findings);
    }

    fn deliver(&mut self, findings: Vec<Finding>) {
        let mut alerts: Vec<Alert> = alerts_of(findings, &mut self.fleet, &self.around.rules);
        for alert in &mut alerts {
            told(alert, &self.around.redactor);
        }
        self.delivery.push(alerts);
    }

    fn keep(&mut self, run: RunId, read: ReadRun) {
        let (changed_at, deadline) = (Instant::now(), read.watch.deadline(&self.around.rules));
        if read.is_open() {
            self.open.insert((changed_at, run.clone()));
        }
        self.deadlines.extend(deadline.map(|it| (it, run.clone())));
        let known = KnownRun {
            read,
            changed_at,
            deadline,
        };
        self.runs.insert(run, known);
    }

    fn take(&mut self, run: &RunId) -> Option<KnownRun> {
        let known = self.runs.remove(run)?;
        self.open.remove(&(known.changed_at, run.clone()));
        if let Some(deadline) = known.deadline {
            self.deadlines.remove(&(deadline, run.clone()));
        }
        Some(known)
    }

    fn read_prices(&mut self) {
        // A broken book the watcher says; the old one holds.
        if let Ok(prices) = PriceBook::for_root(self.around.root.path()) {
            self.around.prices = Arc::new(prices);
        }
    }

    /// Closes logs that did not change lately, and those that are too many.
    fn close_logs(&mut self) {
        while let Some((changed_at, run)) = self.open.first()
            && (self.open.len() > READERS_MAX || changed_at.elapsed() > READER_KEPT)
        {
            if let Some(known) = self.runs.get_mut(run) {
                known.read.close();
                if known.read.watch.has_ended() {
                    self.runs.remove(run);
                }
            }
            self.open.pop_first();
        }
    }

    fn wait(&self) -> Duration {
        let Some((deadline, _)) = self.deadlines.first() else {
            return WAIT_MAX;
        };
        let now = self.around.clock.now().as_micros();
        let micros = deadline.as_micros().saturating_sub(now).max(0);
        let wait = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        // Just behind it: what falls on it is not too long yet.
        (wait + Duration::from_millis(1)).min(WAIT_MAX)
    }
}
