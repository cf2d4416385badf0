use crate::cli::Watch;
use crate::exit::{Exit, wrong_usage};
use crate::live_alerts::LiveAlerts;
use crate::live_view::{Troubles, show_live};
use crate::screen::on_screen;
use crate::setting::{Setting, cache_folder};
use crate::sheet::Format;
use crate::signals::stop_at_signals;
use crate::watch_log::{WatchLog, problems};
use anyhow::{Result, anyhow, bail};
use retally_log::{RunDir, RunId};
use retally_watch::{Cadence, Notice, WatchOptions, Watcher, network_file_system};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How much more rarely runs at rest are looked at than live ones.
const REST_POLLS: u32 = 30;

pub(crate) fn run(setting: &Setting, options: &Watch) -> Result<Exit> {
    let prints_updates = setting.format == Some(Format::Jsonl);
    let mut names = options.runs.clone();
    if options.view && names.is_empty() {
        // The run that the surroundings are about.
        names.extend(std::env::var("RETALLY_RUN").ok());
        if names.is_empty() {
            return Err(wrong_usage("--view shows one run (name one)"));
        }
    }
    let only = match names.is_empty() {
        true => None,
        false => Some(find_runs(setting, &names)?),
    };
    let watch_options = WatchOptions {
        cadence: Cadence {
            interval: options.interval,
            poll: options.poll,
            rest_poll: options.poll * REST_POLLS,
        },
        cache: cache_folder(),
        runs: only.clone(),
        ..WatchOptions::default()
    };
    let mut watcher = Watcher::new(setting.root.clone(), watch_options)?;
    if options.view {
        let [run] = &setting.find_runs(&names)?[..] else {
            return Err(wrong_usage("--view shows one run (name one)"));
        };
        return view(setting, run, watcher);
    }
    let mut log = WatchLog::new(setting, prints_updates, !options.once, watcher.waker());
    let alerts = match &options.alerts {
        Some(rules) => Some(LiveAlerts::start(setting, rules.as_deref(), only)?),
        None => None,
    };
    if options.once {
        return once(setting, &mut watcher, &mut log, alerts);
    }
    stop_at_signals(watcher.waker())?;
    greet(setting, options.poll);
    let status = watcher.run(&mut |notice| take(notice, &mut log, alerts.as_ref()));
    let delivered = end_alerts(alerts, true, &mut log);
    log.end()?;
    delivered?;
    match status.problems {
        0 => setting.say("stopped; no problems"),
        _ => bail!(
            "stopped; {} (`retally watch --once` tries again)",
            problems(&status)
        ),
    }
    Ok(Exit::Done)
}

/// Hands on what the watcher has to say.
fn take(notice: &Notice<'_>, log: &mut WatchLog<'_>, alerts: Option<&LiveAlerts>) {
    log.take(notice);
    if let Some(alerts) = alerts {
        alerts.take(notice, log);
    }
}

fn end_alerts(alerts: Option<LiveAlerts>, is_hasty: bool, log: &mut WatchLog<'_>) -> Result<()> {
    alerts.map_or(Ok(()), |alerts| alerts.end(is_hasty, log))
}

/// Shows a run on a whole screen while its reports are kept up to date.
fn view(setting: &Setting, run: &RunDir, mut watcher: Watcher) -> Result<Exit> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(wrong_usage("--view needs a terminal"));
    }
    let waker = watcher.waker();
    let troubles = KnownTroubles::default();
    let taking = troubles.clone();
    let watching = std::thread::spawn(move || watcher.run(&mut |notice| taking.take(notice)));
    let shown = on_screen(|terminal, stop| show_live(setting, run, &troubles, terminal, stop));
    waker.stop();
    let ended = watching.join();
    shown?;
    let status = ended.map_err(|_| anyhow!("the watcher ended too early"))?;
    match status.problems {
        0 => Ok(Exit::Done),
        _ => bail!("{} (`retally watch --once` tries again)", problems(&status)),
    }
}

/// What the watcher beside a view cannot do, by what it is about.
#[derive(Clone, Default)]
struct KnownTroubles(Arc<Mutex<BTreeMap<String, String>>>);

impl KnownTroubles {
    fn take(&self, notice: &Notice<'_>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match notice {
            Notice::Problem(subject, text) => {
                known.insert(subject.to_string(), text.to_string());
            }
            Notice::Solved(subject) => {
                known.remove(&subject.to_string());
            }
            _ => {}
        }
    }
}

impl Troubles for KnownTroubles {
    fn line(&self) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (subject, text) = known.first_key_value()?;
        let more = match known.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!("{subject}: {text}{more}"))
    }
}

/// Brings everything up to date and ends.
fn once(
    setting: &Setting,
    watcher: &mut Watcher,
    log: &mut WatchLog<'_>,
    alerts: Option<LiveAlerts>,
) -> Result<Exit> {
    let mut changed = 0;
    let status = watcher.catch_up(&mut |notice| {
        if let Notice::Updated(update) = notice {
            changed += update.changes.len();
        }
        take(notice, log, alerts.as_ref());
    });
    let delivered = end_alerts(alerts, false, log);
    log.end()?;
    delivered?;
    setting.say(&format!(
        "runs: {}; report files changed: {changed}",
        status.runs
    ));
    match (status.problems, status.is_behind) {
        (0, false) => Ok(Exit::Done),
        (0, true) => bail!("runs go on growing, or their folders are locked (try again)"),
        _ => bail!("{}", problems(&status)),
    }
}

/// Returns the ids of the named runs, which may be about to start.
fn find_runs(setting: &Setting, names: &[String]) -> Result<BTreeSet<RunId>> {
    let runs = setting.find_runs(names)?;
    Ok(runs.iter().map(|run| run.id().clone()).collect())
}

fn greet(setting: &Setting, poll: Duration) {
    let root: &Path = setting.root.path();
    let shown = root.display();
    if !root.is_dir() {
        setting.say(&format!("`{shown}` is not there yet; waiting for it"));
    } else if let Some(name) = network_file_system(root) {
        setting.say(&format!(
            "`{shown}` is on {name}: what other hosts write is found by looking, every {} s (--poll)",
            poll.as_secs_f64()
        ));
    }
    setting.say(&format!("watching `{shown}`; end with Ctrl-C"));
}
