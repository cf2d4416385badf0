//! One place where alerts are told, with a thread of its own: one that is slow holds up no other.

use crate::alert_memory::AlertMemory;
use crate::webhook::Webhook;
use anyhow::{Context, Result, anyhow, bail};
use retally_alerts::{Alert, Target};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it is looked whether a command ended, or whether to end a wait.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What is said of delivering.
pub(crate) enum Said {
    /// An alert, to whoever watches.
    Alert(Arc<Alert>),
    /// Something that could not be done.
    Problem(String),
}

/// What lanes share.
pub(crate) struct LaneContext {
    pub(crate) memory: Arc<Mutex<AlertMemory>>,
    pub(crate) said: Sender<Said>,
    /// Whether nobody waits for attempts any more.
    pub(crate) is_over: Arc<AtomicBool>,
    /// How many alerts could not be delivered.
    pub(crate) failures: Arc<AtomicUsize>,
}

pub(crate) struct Lane {
    pub(crate) id: String,
    sender: Sender<Arc<Alert>>,
    thread: JoinHandle<()>,
}

/// A target, ready to be told.
enum Place {
    File(PathBuf),
    Command(Vec<String>, Duration),
    Webhook(Box<Webhook>),
}

impl Lane {
    /// # Errors
    /// The target says where its address stands, and it is not there.
    pub(crate) fn start(target: &Target, context: LaneContext) -> Result<Self> {
        let place = match target {
            Target::File { path } => Place::File(path.clone()),
            Target::Command { argv, timeout } => Place::Command(argv.clone(), *timeout),
            Target::Webhook {
                url,
                timeout,
                attempts,
            } => Place::Webhook(Box::new(Webhook::new(url, *timeout, *attempts)?)),
            _ => bail!("cannot deliver to {target:?}"),
        };
        let (sender, receiver) = channel();
        let id = target.id();
        let lane_id = id.clone();
        let work = move || place.tell_all(&lane_id, &receiver, &context);
        let thread = std::thread::Builder::new().spawn(work)?;
        Ok(Self { id, sender, thread })
    }

    /// Has an alert told.
    pub(crate) fn push(&self, alert: Arc<Alert>) {
        // Its thread goes on as long as the sender is there.
        _ = self.sender.send(alert);
    }

    /// Waits until all was told, or could not be.
    pub(crate) fn end(self) -> Result<()> {
        drop(self.sender);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the delivery of alerts ended too early"))
    }
}

impl Place {
    fn tell_all(&self, id: &str, alerts: &Receiver<Arc<Alert>>, context: &LaneContext) {
        let problem = |text: String| {
            // Nobody listens where the watcher has ended.
            _ = context.said.send(Said::Problem(text));
        };
        for alert in alerts {
            if let Err(error) = self.tell(&alert, &context.is_over) {
                context.failures.fetch_add(1, Ordering::SeqCst);
                let key = &alert.key;
                problem(format!(
                    "alert `{key}` is not delivered to {}: {error:#}",
                    self.name()
                ));
                continue;
            }
            let mut memory = context
                .memory
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = memory.note(id, &alert.key, alert.ts) {
                problem(format!("{error:#}"));
            }
        }
    }

    /// Returns what it is called, without what may be secret.
    fn name(&self) -> String {
        match self {
            Self::File(path) => format!("`{}`", path.display()),
            Self::Command(argv, _) => format!("command `{}`", argv[0]),
            Self::Webhook(webhook) => format!("the webhook at `{}`", webhook.host()),
        }
    }

    fn tell(&self, alert: &Alert, is_over: &AtomicBool) -> Result<()> {
        let json = serde_json::to_string(alert)?;
        match self {
            Self::File(path) => {
                let mut options = OpenOptions::new();
                let mut file = options.append(true).create(true).open(path)?;
                Ok(file.write_all(format!("{json}\n").as_bytes())?)
            }
            Self::Command(argv, timeout) => run_command(argv, &json, *timeout),
            Self::Webhook(webhook) => webhook.send(&json, |wait| pause(wait, is_over)),
        }
    }
}

/// Starts a program, hands it a text, and waits for its end. No shell is involved, and nothing of
/// the text is among the arguments.
fn run_command(argv: &[String], text: &str, timeout: Duration) -> Result<()> {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::piped());
    // What it prints would be mixed with our data.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("cannot be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program need not read it. It fits into the pipe, for names in alerts are cut: this
        // never waits for a program that does not.
        _ = writeln!(stdin, "{text}");
    }
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return match status.success() {
                true => Ok(()),
                false => bail!("{status}"),
            };
        }
        if begun.elapsed() > timeout {
            child.kill()?;
            child.wait()?;
            bail!("took longer than {} s", timeout.as_secs_f64());
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Waits, and returns whether somebody still waits for what comes behind it.
fn pause(wait: Duration, is_over: &AtomicBool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < wait {
        if is_over.load(Ordering::SeqCst) {
            return false;
        }
        std::thread::sleep(LOOK_INTERVAL.min(wait));
    }
    true
}
