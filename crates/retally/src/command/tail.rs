use crate::cli::Tail;
use crate::event_printer::{Line, Printer};
use crate::exit::{Exit, wrong_usage};
use crate::followed_run::{Filter, FollowedRun, last_events};
use crate::setting::{Setting, complain};
use crate::sheet::Format;
use crate::signals::stop_at_signals;
use anyhow::{Result, bail};
use retally_log::{RunDir, RunId, Timestamp};
use retally_watch::{Hinted, Hints};
use rustix::event::{PollFd, PollFlags};
use rustix::time::Timespec;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often runs that had news lately are looked at without a hint, and the root for new ones.
const POLL: Duration = Duration::from_secs(1);
/// How often all other runs are.
const QUIET_POLL: Duration = Duration::from_secs(30);

/// How long a run is kept in mind whose folder is gone: it may come back, as the whole root may.
const GONE_KEPT: Duration = Duration::from_secs(600);
/// How much older than the events in it a file may seem: clocks differ.
const SKEW_SECONDS: i64 = 3600;
/// The word that stands for all runs.
const ALL_RUNS: &str = "all";

pub(crate) fn run(setting: &Setting, options: &Tail) -> Result<Exit> {
    let is_json = setting.format == Some(Format::Jsonl);
    let filter = Filter {
        types: options.types.clone(),
        issues: options.issues.clone(),
        agents: options.agents.clone(),
    };
    filter
        .check()
        .map_err(|error| wrong_usage(error.to_string()))?;
    let only = match options.run.as_deref() {
        Some(ALL_RUNS) | None => None,
        Some(run) => Some(setting.find_run(run)?),
    };
    let mut printer = Printer::new(is_json, only.is_none());
    let runs = match &only {
        Some(run) => vec![run.clone()],
        None => setting
            .root
            .runs()?
            .iter()
            .map(|id| setting.root.run(id))
            .collect(),
    };
    if runs.is_empty() && !options.follow {
        let root = setting.root.path().display();
        setting.say(&format!(
            "no runs in `{root}` (start one with `retally start --project P`)"
        ));
    }
    let mut followed: Vec<FollowedRun> = match options.lines {
        usize::MAX => runs.iter().cloned().map(FollowedRun::from_start).collect(),
        // Before the last events are shown: what comes meanwhile is new.
        _ => runs.iter().cloned().map(from_now).collect(),
    };
    let mut problems = Problems::new();
    if options.lines == usize::MAX {
        for run in &mut followed {
            show_news(setting, run, &filter, &mut printer, &mut problems)?;
        }
    } else {
        print_last(
            &followed,
            options.lines,
            &filter,
            &mut printer,
            &mut problems,
        )?;
    }
    if options.follow {
        follow(setting, only.is_none(), followed, &filter, &mut printer)?;
        return Ok(Exit::Done);
    }
    printer.flush()?;
    match problems.len() {
        0 => Ok(Exit::Done),
        failed => bail!("{failed} of {} runs could not be read", runs.len()),
    }
}

fn from_now(run: RunDir) -> FollowedRun {
    // Where the sizes cannot be read, the first look says so.
    FollowedRun::from_now(run.clone()).unwrap_or_else(|_| FollowedRun::from_start(run))
}

/// Prints the last events of the runs, merged by their times.
fn print_last(
    runs: &[FollowedRun],
    count: usize,
    filter: &Filter,
    printer: &mut Printer,
    problems: &mut Problems,
) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let mut newest_first = Vec::new();
    for run in runs {
        match run.dir.log_stamp() {
            Ok(stamp) => newest_first.extend(stamp.map(|stamp| (stamp.modified_seconds(), run))),
            Err(error) => problems.note(run.dir.id(), &error.into()),
        }
    }
    newest_first.sort_by(|(left, _), (right, _)| right.cmp(left));
    let mut last: Vec<(Timestamp, Line)> = Vec::new();
    for (modified_seconds, run) in newest_first {
        // Nothing that was written before the earliest of enough events can be among them.
        let is_earlier = |(time, _): &(Timestamp, Line)| {
            modified_seconds + SKEW_SECONDS < time.as_micros() / 1_000_000
        };
        if last.len() >= count && last.first().is_some_and(is_earlier) {
            break;
        }
        let id = run.dir.id();
        match last_events(run, count, filter, |shown| printer.line(id, shown)) {
            Ok(events) => last.extend(events),
            Err(error) => problems.note(id, &error),
        }
        // Stable: what has one time stays in the order of its log.
        last.sort_by_key(|(time, _)| *time);
        last.drain(..last.len().saturating_sub(count));
    }
    for (_, line) in last {
        printer.print(&line)?;
    }
    Ok(())
}

/// Prints what comes, until nobody reads it any more or it is asked to stop.
fn follow(
    setting: &Setting,
    follows_all: bool,
    followed: Vec<FollowedRun>,
    filter: &Filter,
    printer: &mut Printer,
) -> Result<()> {
    let mut hints = Hints::new(setting.root.path());
    stop_at_signals(hints.waker())?;
    if follows_all && !setting.root.path().is_dir() {
        let root = setting.root.path().display();
        setting.say(&format!("`{root}` is not there yet; waiting for it"));
    }
    let mut runs: BTreeMap<RunId, FollowedRun> = followed
        .into_iter()
        .map(|run| (run.dir.id().clone(), run))
        .collect();
    let mut problems = Problems::new();
    let (mut poll_due, mut all_due) = (Instant::now(), Instant::now());
    let mut news = Hinted::default();
    loop {
        let is_poll = Instant::now() >= poll_due;
        if is_poll {
            poll_due = Instant::now() + POLL;
        }
        if is_poll || news.root || news.everything {
            let is_there = |id: &&RunId| setting.root.run(id).path().is_dir();
            let folders = match follows_all {
                true => setting.root.folders(),
                false => Ok(runs.keys().filter(is_there).cloned().collect()),
            };
            match folders {
                Ok(folders) => {
                    problems.solve_root();
                    let new = take_over(setting, folders, &mut hints, &mut runs);
                    news.runs.extend(new);
                }
                // Nothing is known to be gone.
                Err(error) => problems.note_root(&error.into()),
            }
        }
        let looks_at_all = news.everything || Instant::now() >= all_due;
        if looks_at_all {
            all_due = Instant::now() + QUIET_POLL;
        }
        if is_poll || looks_at_all {
            for (id, run) in &runs {
                // Without notifications, changes are found by looking.
                _ = hints.listen_to_run(id);
                if looks_at_all || run.is_live() {
                    news.runs.insert(id.clone());
                }
            }
        }
        for id in &news.runs {
            if let Some(run) = runs.get_mut(id)
                && run.gone_since.is_none()
            {
                // A run that was just made has its log by now.
                _ = hints.listen_to_run(id);
                show_news(setting, run, filter, printer, &mut problems)?;
            }
        }
        printer.flush()?;
        news = hints.wait(poll_due.saturating_duration_since(Instant::now()));
        if news.stop || is_nobody_reading() {
            return Ok(());
        }
        if news.runs.iter().any(|id| !runs.contains_key(id)) {
            news.root = true;
        }
    }
}

/// What cannot be read, each said once.
#[derive(Default)]
struct Problems {
    runs: BTreeMap<RunId, String>,
    root: Option<String>,
}

impl Problems {
    fn new() -> Self {
        Self::default()
    }

    fn len(&self) -> usize {
        self.runs.len()
    }

    fn note(&mut self, id: &RunId, error: &anyhow::Error) {
        let text = format!("run `{id}`: {error:#}");
        if self.runs.insert(id.clone(), text.clone()).as_ref() != Some(&text) {
            complain(&text);
        }
    }

    fn solve(&mut self, id: &RunId) {
        self.runs.remove(id);
    }

    fn note_root(&mut self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        if self.root.replace(text.clone()).as_ref() != Some(&text) {
            complain(&text);
        }
    }

    fn solve_root(&mut self) {
        self.root = None;
    }
}

/// Prints what is new of a run.
fn show_news(
    setting: &Setting,
    run: &mut FollowedRun,
    filter: &Filter,
    printer: &mut Printer,
    problems: &mut Problems,
) -> Result<()> {
    let id = run.dir.id().clone();
    if !run.dir.path().is_dir() {
        run.note_gone();
        return Ok(());
    }
    let news = run.show_news(filter, |shown| {
        let line = printer.line(&id, shown);
        printer.print(&line)
    });
    match news {
        Ok(false) => problems.solve(&id),
        Ok(true) => {
            printer.flush()?;
            setting.say(&format!(
                "run `{id}`: a segment was replaced, cut or removed; going on from its end"
            ));
        }
        Err(error) if is_of_output(&error) => return Err(error),
        Err(error) => {
            printer.flush()?;
            problems.note(&id, &error);
        }
    }
    Ok(())
}

/// Takes over which runs are there, and returns the ids of those that are new or back again.
fn take_over(
    setting: &Setting,
    folders: Vec<RunId>,
    hints: &mut Hints,
    runs: &mut BTreeMap<RunId, FollowedRun>,
) -> Vec<RunId> {
    // Without notifications, runs are found by looking; without a root, there are none.
    _ = hints.listen_to_root();
    let folders: BTreeSet<RunId> = folders.into_iter().collect();
    for (id, run) in runs.iter_mut().filter(|(id, _)| !folders.contains(*id)) {
        if run.gone_since.is_none() {
            run.note_gone();
            hints.forget_run(id);
        }
    }
    runs.retain(|_, run| {
        run.gone_since
            .is_none_or(|since| since.elapsed() < GONE_KEPT)
    });
    let is_new = |id: &RunId| runs.get(id).is_none_or(|run| run.gone_since.is_some());
    let new: Vec<RunId> = folders.into_iter().filter(is_new).collect();
    for id in &new {
        // First listened to, then looked at: what comes in between is notified.
        _ = hints.listen_to_run(id);
        let dir = setting.root.run(id);
        match runs.get_mut(id) {
            Some(run) if run.has_what_was_read() => run.gone_since = None,
            _ => _ = runs.insert(id.clone(), FollowedRun::from_start(dir)),
        }
    }
    new
}

/// Whether whoever read our output is gone, as `head` is when it has seen enough.
fn is_nobody_reading() -> bool {
    let stdout = std::io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let is_gone = PollFlags::ERR | PollFlags::HUP;
    rustix::event::poll(&mut polled, Some(&at_once)).is_ok()
        && polled[0].revents().intersects(is_gone)
}

/// Whether an error is about what was to be printed, not about a log.
fn is_of_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some()
}
