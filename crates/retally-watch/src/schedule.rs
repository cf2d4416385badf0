//! When which run is looked at.

use retally_log::RunId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often logs are looked at and report files written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// The least time between two writings of one run's report files; those of the run that were
    /// owed come between.
    pub interval: Duration,
    /// How often a live run is looked at without a hint.
    pub poll: Duration,
    /// How often all other runs are; less often where they are many.
    pub rest_poll: Duration,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            poll: Duration::from_secs(1),
            rest_poll: Duration::from_secs(30),
        }
    }
}

/// A fold from the beginning may take one part in so many of the time.
const REFOLD_SHARE: u32 = 20;
/// How long to wait for whoever else writes the same reports.
const LOCK_RETRY: Duration = Duration::from_millis(20);
/// The time that resting runs take at least from one to the next, which bounds what looking at
/// them costs to about one per cent of a core, however many they are.
const REST_PACE: Duration = Duration::from_millis(4);
/// A run waits behind others for so many times what its last look took, where more is due than can
/// be done: whoever costs little is served soon, and nobody starves.
const COST_WEIGHT: u32 = 100;
/// It waits no longer than this for its cost: one look that the system held up must not leave
/// reports behind for many seconds.
const COST_WAIT_MAX: Duration = Duration::from_secs(2);
/// Looks without a hint fall together on this part of the polling time, so that many runs wake
/// the watcher rarely.
const TICKS_PER_POLL: u32 = 4;

/// Says which runs are to be looked at now, and when the next are: a state machine that reads no
/// clock. Times count from any moment that is kept.
///
/// A hint makes a run due at once, or where its reports were written less than an interval ago,
/// once that is over. Without hints live runs are due once per poll, resting ones rarely, and
/// failing ones ever more rarely. A stale run is due when folding it from its beginning stays
/// within its share of the time.
#[derive(Debug)]
pub(crate) struct Schedule {
    cadence: Cadence,
    plans: BTreeMap<RunId, Plan>,
    /// The runs that are not due yet, as far as was looked.
    waiting: BTreeSet<(Duration, u64, RunId)>,
    /// The runs that are due, in the order in which they are taken.
    ready: BTreeSet<(Duration, u64, RunId)>,
    /// How many plans were made, so that what is due at one time comes in the order of planning.
    planned: u64,
    /// The runs that rest.
    resting: usize,
    /// The runs that were not looked at yet, or ask to be looked at again.
    unsettled: usize,
    root_glance: Duration,
    root_listing: Duration,
}

/// What is planned for a run.
#[derive(Debug, Default)]
struct Plan {
    due: Duration,
    order: u64,
    /// What the last look took; `None` before the first.
    cost: Option<Duration>,
    /// Hints before this have to wait for it.
    not_before: Duration,
    /// The first hint since the reports were last known to be current.
    hinted_at: Option<Duration>,
    /// When its share of the time allows to fold from the beginning.
    refold_not_before: Duration,
    /// Looks in a row that failed.
    failures: u32,
    is_resting: bool,
    is_settled: bool,
}

impl Plan {
    /// Returns the place of the run among those that wait.
    fn when_waiting(&self, run: &RunId) -> (Duration, u64, RunId) {
        (self.due, self.order, run.clone())
    }

    /// Returns the place of the run among those that are due.
    fn when_ready(&self, run: &RunId) -> (Duration, u64, RunId) {
        let wait = (self.cost.unwrap_or_default() * COST_WEIGHT).min(COST_WAIT_MAX);
        let place = self.due + wait;
        (place, self.order, run.clone())
    }
}

/// What a look at a run found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing new; the reports are current, if they were owed before or not.
    Quiet,
    /// The reports were brought up to date.
    Updated {
        /// How long it took to fold from the beginning, where that was done.
        refold: Option<Duration>,
    },
    /// The reports of its issues are current, its own are owed.
    Partly {
        /// From when on they are due.
        until: Duration,
    },
    /// Nothing is to be expected of the run.
    Resting,
    /// There is more to read.
    Behind,
    /// The state has to be folded from the beginning.
    Stale,
    /// Somebody else writes its reports.
    Locked,
    /// The log cannot be read, or the reports cannot be written.
    Failed,
}

/// How closely to look at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootLook {
    /// Whether it changed.
    Glance,
    /// At all that it holds.
    Listing,
}

impl Schedule {
    pub(crate) fn new(cadence: Cadence) -> Self {
        Self {
            cadence,
            plans: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ready: BTreeSet::new(),
            planned: 0,
            resting: 0,
            unsettled: 0,
            root_glance: Duration::ZERO,
            root_listing: Duration::ZERO,
        }
    }

    /// Plans a look at a run that is not known yet.
    pub(crate) fn find(&mut self, run: &RunId, now: Duration) {
        if !self.plans.contains_key(run) {
            self.plans.insert(run.clone(), Plan::default());
            self.unsettled += 1;
            self.plan(run, now);
        }
    }

    /// Forgets a run.
    pub(crate) fn lose(&mut self, run: &RunId) {
        if let Some(plan) = self.plans.remove(run) {
            self.waiting.remove(&plan.when_waiting(run));
            self.ready.remove(&plan.when_ready(run));
            self.resting -= usize::from(plan.is_resting);
            self.unsettled -= usize::from(!plan.is_settled);
        }
    }

    /// Takes in that the log of a run may have grown.
    pub(crate) fn hint(&mut self, run: &RunId, now: Duration) {
        let Some(plan) = self.plans.get_mut(run) else {
            return;
        };
        plan.hinted_at.get_or_insert(now);
        let (sooner, due) = (now.max(plan.not_before), plan.due);
        if sooner < due {
            self.plan(run, sooner);
        }
    }

    /// Takes in that anything may have changed.
    pub(crate) fn hint_all(&mut self, now: Duration) {
        self.root_listing = now;
        let runs: Vec<RunId> = self.plans.keys().cloned().collect();
        for run in runs {
            self.hint(&run, now);
        }
    }

    /// Takes in that runs may have come or gone.
    pub(crate) fn hint_root(&mut self, now: Duration) {
        self.root_listing = self.root_listing.min(now);
    }

    /// Returns how to look at the root now, if at all, and plans the next time.
    pub(crate) fn take_root(&mut self, now: Duration) -> Option<RootLook> {
        let look = match () {
            () if now >= self.root_listing => RootLook::Listing,
            () if now >= self.root_glance => RootLook::Glance,
            () => return None,
        };
        self.root_glance = self.on_tick(now, self.cadence.poll);
        if look == RootLook::Listing {
            self.root_listing = now + self.cadence.rest_poll;
        }
        Some(look)
    }

    /// Takes at most `max` of the runs that are due; each is reported with [`looked`](Self::looked).
    pub(crate) fn take(&mut self, now: Duration, max: usize) -> Vec<RunId> {
        while self.waiting.first().is_some_and(|(due, ..)| *due <= now)
            && let Some((_, _, run)) = self.waiting.pop_first()
        {
            if let Some(plan) = self.plans.get(&run) {
                self.ready.insert(plan.when_ready(&run));
            }
        }
        let take = |_| self.ready.pop_first().map(|(_, _, run)| run);
        (0..max).map_while(take).collect()
    }

    /// Returns how long looks at some runs take if each takes what its last took, or `None` where
    /// that of one is not known.
    pub(crate) fn expected_cost(&self, runs: &[RunId]) -> Option<Duration> {
        let costs = runs.iter().map(|run| self.plans.get(run)?.cost);
        costs.sum()
    }

    /// Plans the next look at a run that was taken. Returns how long its reports had not been
    /// current, where a hint told and they are now.
    pub(crate) fn looked(
        &mut self,
        run: &RunId,
        now: Duration,
        outcome: Outcome,
        cost: Duration,
    ) -> Option<Duration> {
        let cadence = self.cadence;
        let live_due = self.on_tick(now, cadence.poll);
        let is_resting = outcome == Outcome::Resting;
        let plan = self.plans.get_mut(run)?;
        self.resting -= usize::from(plan.is_resting);
        self.resting += usize::from(is_resting);
        (plan.is_resting, plan.cost) = (is_resting, Some(cost));
        self.unsettled -= usize::from(!plan.is_settled);
        plan.is_settled = !matches!(outcome, Outcome::Behind | Outcome::Stale | Outcome::Locked);
        self.unsettled += usize::from(!plan.is_settled);
        plan.failures = match outcome {
            Outcome::Failed => plan.failures.saturating_add(1),
            _ => 0,
        };
        let mut lag = None;
        let due = match outcome {
            Outcome::Quiet => {
                (plan.hinted_at, plan.not_before) = (None, now);
                live_due
            }
            Outcome::Updated { refold } => {
                lag = plan.hinted_at.take().map(|since| now.saturating_sub(since));
                plan.not_before = now + cadence.interval;
                if let Some(cost) = refold {
                    plan.refold_not_before = now + cost * (REFOLD_SHARE - 1);
                }
                live_due.max(plan.not_before)
            }
            Outcome::Partly { until } => {
                lag = plan.hinted_at.take().map(|since| now.saturating_sub(since));
                plan.not_before = now + cadence.interval;
                // If more comes until then, all is written at once.
                live_due.max(plan.not_before).min(until + cadence.interval)
            }
            Outcome::Resting => {
                (plan.hinted_at, plan.not_before) = (None, now);
                self.rest_due(now)
            }
            Outcome::Behind => now,
            Outcome::Stale => {
                plan.not_before = now.max(plan.refold_not_before);
                plan.not_before
            }
            Outcome::Locked => {
                plan.not_before = now + LOCK_RETRY;
                plan.not_before
            }
            Outcome::Failed => {
                plan.not_before = now + cadence.poll;
                let doublings = (plan.failures - 1).min(16);
                let backoff = cadence.poll * (1 << doublings);
                now + backoff.min(cadence.rest_poll.max(cadence.poll))
            }
        };
        self.plan(run, due);
        lag
    }

    /// Makes every run due but those that rest, whatever was planned: the watcher ends.
    pub(crate) fn hasten(&mut self, now: Duration) {
        let mut runs = Vec::new();
        for (run, plan) in &mut self.plans {
            if !plan.is_resting || plan.hinted_at.is_some() {
                (plan.not_before, plan.refold_not_before) = (now, now);
                self.unsettled += usize::from(plan.is_settled);
                plan.is_settled = false;
                runs.push(run.clone());
            }
        }
        for run in runs {
            self.plan(&run, now);
        }
    }

    /// Returns when something is due next.
    pub(crate) fn next_due(&self) -> Duration {
        let root = self.root_glance.min(self.root_listing);
        match self.waiting.first() {
            _ if !self.ready.is_empty() => Duration::ZERO,
            Some((due, ..)) => root.min(*due),
            None => root,
        }
    }

    /// Returns how many runs were not looked at, or ask to be looked at again.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Returns whether each run was looked at, and none asks to be looked at again.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    fn plan(&mut self, run: &RunId, due: Duration) {
        let Some(plan) = self.plans.get_mut(run) else {
            return;
        };
        self.waiting.remove(&plan.when_waiting(run));
        self.ready.remove(&plan.when_ready(run));
        self.planned += 1;
        (plan.due, plan.order) = (due, self.planned);
        self.waiting.insert(plan.when_waiting(run));
    }

    /// Returns the tick at which `wait` from now is not over yet, but soon.
    fn on_tick(&self, now: Duration, wait: Duration) -> Duration {
        let tick = (self.cadence.poll / TICKS_PER_POLL).max(Duration::from_millis(1));
        let due = now + wait;
        let behind = due.as_nanos() % tick.as_nanos();
        now.max(due - Duration::from_nanos(u64::try_from(behind).unwrap_or(0)))
    }

    /// Returns a time for a resting run, such that many of them are spread evenly.
    fn rest_due(&self, now: Duration) -> Duration {
        let many = u32::try_from(self.resting).unwrap_or(u32::MAX);
        let wait = self.cadence.rest_poll.max(REST_PACE * many);
        // Multiples of the golden ratio fall evenly between 0 and 1; these are 1/1024ths.
        let part = u32::try_from(self.planned.wrapping_mul(633) % 1024).unwrap_or(0);
        self.on_tick(now, wait / 2 + wait / 2 * part / 1024)
    }
}

#[cfg(test)]
mod tests;
