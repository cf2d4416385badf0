//! Keeps all runs of a root up to date.

use crate::checkpoints::Checkpoints;
use crate::hints::{HintError, Hinted, Hints, Waker};
use crate::notice::{Notice, Status, Subject, Update};
use crate::rests::Rests;
use crate::root_stamp::RootStamp;
use crate::schedule::{Cadence, Outcome, RootLook, Schedule};
use crate::watched_run::{Look, Surroundings, WatchedRun};
use rayon::prelude::*;
use retally_log::{Clock, Root, RunId, SystemClock};
use retally_reduce::{PriceBook, PriceBookError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How many runs each thread looks at before hints are taken in again: the fewest, and the most
/// where looks take next to no time.
const LOOKS_PER_THREAD: [usize; 2] = [2, 64];
/// Looks at runs before hints are taken in again shall take about so long. Hints are taken in no
/// sooner after others, so that many are at once where many come.
const TURN: Duration = Duration::from_millis(5);
/// How many runs are kept in memory; of more, those that are quiet rest at once.
const LIVE_MAX: usize = 4096;
/// How long a run that ended is kept in memory, for what comes late.
const REST_ENDED_AFTER: Duration = Duration::from_secs(5);
/// How long any other run is kept without a change; looking for its next takes a resting run's
/// time where no notification comes.
const REST_AFTER: Duration = Duration::from_secs(600);
/// How long the end waits for runs that go on growing: in all where somebody waits for it, else
/// since the last that came to an end.
const FINISH_WAIT: Duration = Duration::from_secs(10);

/// How a watcher goes about its work.
#[derive(Clone)]
pub struct WatchOptions {
    /// How often it looks and writes.
    pub cadence: Cadence,
    /// The folder in which checkpoints are kept, for all roots; without one, a restart folds all
    /// logs anew. It can be deleted at any time.
    pub cache: Option<PathBuf>,
    /// The runs to watch; all of the root where `None`.
    pub runs: Option<BTreeSet<RunId>>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            cadence: Cadence::default(),
            cache: None,
            runs: None,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

/// Keeps the report files of the runs of a root up to date while their logs grow.
///
/// What it promises: once writers are quiet, the files are those of a rebuild, byte for byte,
/// whatever was notified, however often it was restarted, and whoever else does the same at once.
/// What it never does: compute a number, or write anything in a root but report files.
///
/// ```
/// use retally_log::{Draft, Root, RunId, Writer, WriterOptions};
/// use retally_watch::{WatchOptions, Watcher};
///
/// # let folder = tempfile::tempdir()?;
/// let root = Root::new(folder.path());
/// let run = root.create_run(&RunId::new("run_1")?)?;
/// let report = run.path().join("issues/issue_123_metrics.json");
/// let writer = Writer::new(run, WriterOptions::default());
/// writer.append(Draft::from_json(br#"{"type":"issue.started","issue":123}"#)?)?;
///
/// let mut watcher = Watcher::new(root, WatchOptions::default())?;
/// let status = watcher.catch_up(&mut |_| {});
/// assert_eq!(status.problems, 0);
/// assert!(report.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watcher {
    around: Surroundings,
    only: Option<BTreeSet<RunId>>,
    clock: Arc<dyn Clock>,
    hints: Hints,
    schedule: Schedule,
    runs: BTreeMap<RunId, WatchedRun>,
    /// How the root was when it was last listed.
    root_stamp: RootStamp,
    problems: BTreeMap<Subject, String>,
    status: Status,
    /// How many runs each thread looks at before hints are taken in again.
    looks_per_thread: usize,
    /// Whether runs that turn up are new to those who watch.
    is_under_way: bool,
}

/// What a watcher says is handed to one of these.
type Observe<'o> = &'o mut dyn FnMut(&Notice<'_>);

impl Watcher {
    /// Watches nothing yet. The root need not exist.
    ///
    /// # Errors
    /// The root's price book cannot be read.
    pub fn new(root: Root, options: WatchOptions) -> Result<Self, PriceBookError> {
        let prices = Arc::new(PriceBook::for_root(root.path())?);
        let cache = options.cache.as_deref();
        let checkpoints = cache.map(|cache| Checkpoints::new(cache, &root));
        let rests = cache.map(|cache| Rests::load(cache, &root));
        Ok(Self {
            hints: Hints::new(root.path()),
            around: Surroundings {
                root,
                prices,
                checkpoints,
                rests,
                clock: Arc::clone(&options.clock),
                rest_ended_after: REST_ENDED_AFTER,
                rest_after: REST_AFTER,
                is_crowded: false,
                is_ending: false,
            },
            only: options.runs,
            clock: options.clock,
            schedule: Schedule::new(options.cadence),
            runs: BTreeMap::new(),
            root_stamp: RootStamp::default(),
            problems: BTreeMap::new(),
            status: Status::default(),
            looks_per_thread: LOOKS_PER_THREAD[0],
            is_under_way: false,
        })
    }

    /// Returns what ends [`run`](Self::run), from another thread or after a signal.
    pub fn waker(&self) -> Waker {
        self.hints.waker()
    }

    /// Watches until it is asked to stop, and then brings all reports up to date once more.
    pub fn run(&mut self, observe: Observe<'_>) -> Status {
        let mut is_hinted = false;
        loop {
            let begun = self.clock.monotonic();
            self.turn(observe);
            let due = self.schedule.next_due();
            if is_hinted {
                let pause = due.min(begun + TURN);
                std::thread::sleep(pause.saturating_sub(self.clock.monotonic()));
            }
            let hinted = self.hints.wait(due.saturating_sub(self.clock.monotonic()));
            is_hinted = hinted != Hinted::default();
            if hinted.stop {
                return self.finish(false, observe);
            }
            self.take_in(hinted);
        }
    }

    /// Brings all reports up to date with what is there now.
    pub fn catch_up(&mut self, observe: Observe<'_>) -> Status {
        self.hints.silence();
        self.turn(observe);
        self.finish(true, observe)
    }

    /// Takes in what may have changed.
    pub(crate) fn take_in(&mut self, hinted: Hinted) {
        let now = self.clock.monotonic();
        if hinted.everything {
            self.schedule.hint_all(now);
        }
        if hinted.root {
            self.schedule.hint_root(now);
        }
        for run in &hinted.runs {
            if !self.runs.contains_key(run) {
                self.schedule.hint_root(now);
            }
            self.schedule.hint(run, now);
        }
    }

    /// Looks at what is due.
    pub(crate) fn turn(&mut self, observe: Observe<'_>) {
        let now = self.clock.monotonic();
        if let Some(look) = self.schedule.take_root(now) {
            self.look_at_root(look, now, observe);
        }
        self.look_at_due(now, observe);
        let status = self.status();
        observe(&Notice::Turned(&status));
    }

    /// Looks at runs that are due, at more of them the less time that takes.
    fn look_at_due(&mut self, now: Duration, observe: Observe<'_>) {
        let looks = rayon::current_num_threads() * self.looks_per_thread;
        let due = self.schedule.take(now, looks);
        let is_full = due.len() == looks;
        self.look_at(due, now, observe);
        let took = self.clock.monotonic().saturating_sub(now);
        let [fewest, most] = LOOKS_PER_THREAD;
        if took > TURN {
            self.looks_per_thread = (self.looks_per_thread / 2).max(fewest);
        } else if is_full && took < TURN / 2 {
            self.looks_per_thread = (self.looks_per_thread * 2).min(most);
        }
    }

    /// Brings what is not at rest up to date, makes its checkpoint and lets it rest.
    fn finish(&mut self, is_patient: bool, observe: Observe<'_>) -> Status {
        (self.around.rest_after, self.around.rest_ended_after) = (Duration::ZERO, Duration::ZERO);
        self.around.is_ending = true;
        let mut since = self.clock.monotonic();
        self.schedule.hasten(since);
        let mut least = self.schedule.unsettled();
        loop {
            let now = self.clock.monotonic();
            self.look_at_due(now, observe);
            let unsettled = self.schedule.unsettled();
            if is_patient && unsettled < least {
                (since, least) = (now, unsettled);
            }
            if unsettled == 0 || now.saturating_sub(since) > FINISH_WAIT {
                break;
            }
            let wait = self
                .schedule
                .next_due()
                .saturating_sub(self.clock.monotonic());
            _ = self.hints.wait(wait.min(Duration::from_millis(50)));
        }
        self.save_rests(observe);
        let status = self.status();
        observe(&Notice::Turned(&status));
        status
    }

    /// Keeps in mind which runs rest and how, for the next watcher of the root.
    fn save_rests(&mut self, observe: Observe<'_>) {
        let Some(rests) = &mut self.around.rests else {
            return;
        };
        let runs = self.runs.values();
        let resting = runs.filter_map(|run| Some((run.id(), run.rest()?)));
        let only = self.only.as_ref();
        let is_unseen = |run: &RunId| only.is_some_and(|only| !only.contains(run));
        if let Err(error) = rests.save(&self.around.prices, resting, is_unseen) {
            self.complain(Subject::Checkpoints, error_text(&error), observe);
        }
    }

    /// Returns how it stands.
    pub fn status(&self) -> Status {
        Status {
            problems: self
                .problems
                .keys()
                .filter(|it| !it.costs_time_only())
                .count(),
            is_behind: !self.schedule.is_settled(),
            ..self.status
        }
    }
}

impl Watcher {
    /// Looks at the root: closely where it changed, and now and then anyway.
    fn look_at_root(&mut self, look: RootLook, now: Duration, observe: Observe<'_>) {
        let stamp = RootStamp::of(self.around.root.path());
        if look == RootLook::Glance && stamp == self.root_stamp {
            return;
        }
        if stamp.is_other_folder(&self.root_stamp) {
            self.hints.forget_all();
        }
        if self.is_under_way && stamp.prices != self.root_stamp.prices {
            self.read_prices(now, observe);
        }
        self.root_stamp = stamp;
        // Listened to first: what comes after the listing is notified.
        if stamp.folder.is_some() {
            let listening = self.hints.listen_to_root();
            self.note_listening(listening, observe);
        }
        match self.around.root.folders() {
            Ok(folders) => {
                self.solve(&Subject::Root, observe);
                self.take_over(folders.into_iter().collect(), now, observe);
            }
            Err(error) => {
                let text = error_text(&error);
                self.complain(Subject::Root, text, observe);
            }
        }
        self.is_under_way = true;
    }

    /// Takes over which folders there are.
    fn take_over(&mut self, all: BTreeSet<RunId>, now: Duration, observe: Observe<'_>) {
        let folders: BTreeSet<RunId> = match &self.only {
            Some(only) => all.intersection(only).cloned().collect(),
            None => all.clone(),
        };
        let gone: Vec<RunId> = self
            .runs
            .keys()
            .filter(|run| !folders.contains(run))
            .cloned()
            .collect();
        for run in &gone {
            self.schedule.lose(run);
            self.hints.forget_run(run);
            if let Some(gone) = self.runs.remove(run) {
                self.count_out(&gone);
            }
            self.problems.remove(&Subject::Run(run.clone()));
            observe(&Notice::Gone(run));
        }
        if let Some(checkpoints) = &self.around.checkpoints {
            match self.is_under_way {
                true => gone.iter().for_each(|run| checkpoints.remove(run)),
                false => checkpoints.retain(&all),
            }
        }
        // The newest first: they are those that people wait for, and ids begin with the time.
        for run in folders.iter().rev() {
            if !self.runs.contains_key(run) {
                let dir = self.around.root.run(run);
                self.runs.insert(run.clone(), WatchedRun::new(dir));
                self.status.runs += 1;
                self.schedule.find(run, now);
                if self.is_under_way {
                    observe(&Notice::Found(run));
                }
            }
        }
    }

    /// Reads the price book anew; where that fails, the old one holds.
    fn read_prices(&mut self, now: Duration, observe: Observe<'_>) {
        match PriceBook::for_root(self.around.root.path()) {
            Err(error) => self.complain(Subject::Prices, error_text(&error), observe),
            Ok(prices) => {
                self.solve(&Subject::Prices, observe);
                if prices.digest() != self.around.prices.digest() {
                    self.around.prices = Arc::new(prices);
                    self.runs.values_mut().for_each(WatchedRun::reset);
                    (self.status.runs, self.status.live) = (self.runs.len(), 0);
                    self.schedule.hint_all(now);
                    observe(&Notice::NewPrices);
                }
            }
        }
    }

    /// Looks at some runs, several at once.
    fn look_at(&mut self, due: Vec<RunId>, now: Duration, observe: Observe<'_>) {
        let mut runs = Vec::with_capacity(due.len());
        for id in &due {
            let listening = self.hints.listen_to_run(id);
            self.note_listening(listening, observe);
            if let Some(run) = self.runs.remove(id) {
                self.count_out(&run);
                runs.push(run);
            }
        }
        self.around.is_crowded = self.status.live > LIVE_MAX;
        let around = &self.around;
        // To wake other threads for little costs more than it saves.
        let looks: Vec<Look> = match self.schedule.expected_cost(&due) {
            Some(cost) if cost < TURN => {
                let looks = runs.iter_mut().map(|run| run.look(around, now));
                looks.collect()
            }
            _ => {
                let looks = runs.par_iter_mut().map(|run| run.look(around, now));
                looks.collect()
            }
        };
        for (run, look) in runs.into_iter().zip(looks) {
            let has_log = run.has_log();
            let id = run.id().clone();
            self.status.runs += usize::from(has_log);
            self.status.live += usize::from(run.is_live());
            self.runs.insert(id.clone(), run);
            self.take_look(&id, look, has_log, observe);
        }
    }

    fn count_out(&mut self, run: &WatchedRun) {
        self.status.runs -= usize::from(run.has_log());
        self.status.live -= usize::from(run.is_live());
    }

    /// Takes over what came of a look at a run.
    fn take_look(&mut self, run: &RunId, look: Look, has_log: bool, observe: Observe<'_>) {
        let now = self.clock.monotonic();
        let lag = self.schedule.looked(run, now, look.outcome, look.cost);
        self.status.entries += look.entries;
        self.status.looks += 1;
        let is_other_folder = look.is_rewound || !has_log;
        if is_other_folder && self.hints.listens_to_run(run) {
            // Whatever was listened to may be another folder now.
            self.hints.forget_run(run);
            let listening = self.hints.listen_to_run(run);
            self.note_listening(listening, observe);
            self.schedule.hint(run, now);
        }
        if look.is_rewound {
            observe(&Notice::Rewound(run));
        }
        if let Some(error) = &look.checkpoint_error {
            self.around.checkpoints = None;
            self.complain(Subject::Checkpoints, error_text(error), observe);
        }
        let subject = Subject::Run(run.clone());
        match &look.error {
            Some(error) => self.complain(subject, error_text(error), observe),
            None if is_settled(look.outcome) => self.solve(&subject, observe),
            None => {}
        }
        // Else it may be that owed reports of the run were written, or files that somebody touched.
        if matches!(look.outcome, Outcome::Updated { .. }) || !look.changes.is_empty() {
            self.status.updates += 1;
            observe(&Notice::Updated(&Update {
                run,
                changes: &look.changes,
                lag,
            }));
        }
    }

    fn note_listening(&mut self, listening: Result<(), HintError>, observe: Observe<'_>) {
        match listening {
            Ok(()) => {}
            // A folder that is gone again; the next listing tells.
            Err(HintError::Folder(_)) => {}
            Err(error) => self.complain(Subject::Notifications, error_text(&error), observe),
        }
    }

    /// Says what cannot be done, where that was not said before.
    fn complain(&mut self, subject: Subject, text: String, observe: Observe<'_>) {
        if self.problems.get(&subject) != Some(&text) {
            observe(&Notice::Problem(&subject, &text));
            self.problems.insert(subject, text);
        }
    }

    fn solve(&mut self, subject: &Subject, observe: Observe<'_>) {
        if self.problems.remove(subject).is_some() {
            observe(&Notice::Solved(subject));
        }
    }
}

fn is_settled(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Quiet | Outcome::Updated { .. } | Outcome::Partly { .. } | Outcome::Resting
    )
}

/// Returns an error and its causes as one line.
fn error_text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests;
