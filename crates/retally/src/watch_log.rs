use crate::setting::{Setting, complain};
use crate::status_line::StatusLine;
use crate::terminal::printable;
use anyhow::{Context, Result};
use retally_alerts::Alert;
use retally_watch::{Notice, Status, Update, Waker};
use serde::Serialize;
use serde_json::json;
use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

/// How long rates are measured before they are shown.
const RATE_WINDOW: Duration = Duration::from_secs(1);
/// How often a log that nobody looks at says what was done.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// What `retally watch` says while it goes on: a status line on a terminal, now and then a line
/// where stderr is a file, and each update as a line of JSON on stdout where that is wanted.
pub(crate) struct WatchLog<'s> {
    setting: &'s Setting,
    status_line: StatusLine,
    prints_updates: bool,
    /// Whether what is printed is for machines.
    prints_json: bool,
    /// Whether what fails is tried again.
    goes_on: bool,
    /// Ends the watching when the updates cannot be printed any more.
    waker: Waker,
    /// Why they cannot; `None` where nobody reads them any more, too.
    print_error: Option<io::Error>,
    window: Window,
    /// What the last line said that was written where there is no status line.
    reported: (Instant, Status),
}

/// What happened since some moment less than two windows ago.
struct Window {
    since: Instant,
    entries: u64,
    lag_max: Option<Duration>,
    /// Of the window before.
    shown: (f64, Option<Duration>),
}

impl<'s> WatchLog<'s> {
    pub(crate) fn new(
        setting: &'s Setting,
        prints_updates: bool,
        goes_on: bool,
        waker: Waker,
    ) -> Self {
        let status_line = StatusLine::new(setting.shows_progress());
        let now = Instant::now();
        Self {
            setting,
            status_line,
            prints_updates,
            prints_json: prints_updates,
            goes_on,
            waker,
            print_error: None,
            window: Window {
                since: now,
                entries: 0,
                lag_max: None,
                shown: (0.0, None),
            },
            reported: (now, Status::default()),
        }
    }

    /// Takes in what the watcher has to say.
    pub(crate) fn take(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Found(run) => self.say(&format!("run `{run}` is new")),
            Notice::Gone(run) => self.say(&format!("run `{run}` is gone")),
            Notice::Rewound(run) => self.say(&format!(
                "run `{run}`: a segment was replaced, cut or removed; counted again from what is there"
            )),
            Notice::NewPrices => self.say("the price book changed; all runs are counted again"),
            Notice::Problem(subject, text) => {
                let hope = if self.goes_on { " (is tried again)" } else { "" };
                let complain = || complain(&format!("{subject}: {text}{hope}"));
                self.status_line.suspend(complain);
            }
            Notice::Solved(subject) => self.say(&format!("{subject}: all right again")),
            Notice::Updated(update) => self.take_update(update),
            Notice::Turned(status) => self.take_status(status),
            _ => {}
        }
    }

    /// Prints an alert, and returns whether that could be done.
    pub(crate) fn print_alert(&mut self, alert: &Alert) -> bool {
        let line = match self.prints_json {
            // Of strings and finite numbers, which JSON has.
            true => serde_json::to_string(&AlertLine { alert }).unwrap_or_default(),
            false => line_of(alert),
        };
        let print = || writeln!(std::io::stdout(), "{line}");
        let printed = self.status_line.suspend(print);
        let is_printed = printed.is_ok();
        if let Err(error) = printed {
            self.give_up(error);
        }
        is_printed
    }

    /// Says what could not be done.
    pub(crate) fn complain(&self, text: &str) {
        self.status_line.suspend(|| complain(text));
    }

    /// Removes the status line.
    ///
    /// # Errors
    /// Not all updates could be printed, though somebody reads them.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.status_line.end();
        let printed = self.print_error.take().map_or(Ok(()), Err);
        printed.context("cannot print the updates")
    }

    fn take_update(&mut self, update: &Update<'_>) {
        self.window.lag_max = self.window.lag_max.max(update.lag);
        if !self.prints_updates || update.changes.is_empty() {
            return;
        }
        let files = update.changes.iter().map(|change| {
            json!({"path": change.path.display().to_string(), "change": change.kind.as_str()})
        });
        let line = json!({
            "run": update.run.as_str(),
            "lag_seconds": update.lag.map(|lag| lag.as_secs_f64()),
            "files": files.collect::<Vec<_>>(),
        });
        let printed = self
            .status_line
            .suspend(|| writeln!(std::io::stdout(), "{line}"));
        if let Err(error) = printed {
            self.give_up(error);
        }
    }

    fn give_up(&mut self, error: io::Error) {
        self.prints_updates = false;
        self.print_error = Some(error).filter(|error| error.kind() != ErrorKind::BrokenPipe);
        self.waker.stop();
    }

    fn take_status(&mut self, status: &Status) {
        let elapsed = self.window.since.elapsed();
        if elapsed >= RATE_WINDOW {
            let entries = status.entries - self.window.entries;
            self.window = Window {
                since: Instant::now(),
                entries: status.entries,
                lag_max: None,
                shown: (entries as f64 / elapsed.as_secs_f64(), self.window.lag_max),
            };
        }
        if self.setting.shows_progress() {
            let text = self.status_text(status);
            self.status_line.set(&text, status.problems > 0);
        } else if self.reported.0.elapsed() >= REPORT_INTERVAL {
            let (_, before) = self.reported;
            if status.updates > before.updates {
                let (events, updates) = (
                    status.entries - before.entries,
                    status.updates - before.updates,
                );
                self.say(&format!(
                    "{}, {} live; {events} events folded and reports updated {updates} times in the last minute; {}",
                    runs(status), status.live, problems(status)
                ));
            }
            self.reported = (Instant::now(), *status);
        }
    }

    fn status_text(&self, status: &Status) -> String {
        let (rate, lag) = self.window.shown;
        let lag = match lag {
            Some(lag) => format!("lag {:.0} ms", lag.as_secs_f64() * 1000.0),
            None => "no lag".to_owned(),
        };
        let doing = match status.is_behind {
            true => "catching up",
            false => "watching",
        };
        format!(
            "{doing} {}, {} live · {rate:.0} events/s · {lag} · {}",
            runs(status),
            status.live,
            problems(status),
        )
    }

    fn say(&self, text: &str) {
        self.status_line.suspend(|| self.setting.say(text));
    }
}

/// An alert among the updates.
#[derive(Serialize)]
struct AlertLine<'a> {
    alert: &'a Alert,
}

/// Returns an alert as a line for people.
fn line_of(alert: &Alert) -> String {
    let time = alert.ts.map_or("-".to_owned(), |ts| ts.to_string());
    let (severity, rule) = (alert.severity.as_str(), alert.rule.as_str());
    let line = format!("{time} {severity} {rule} {}: {}", alert.run, alert.text);
    printable(&line).into_owned()
}

fn runs(status: &Status) -> String {
    match status.runs {
        1 => "1 run".to_owned(),
        count => format!("{count} runs"),
    }
}

/// Returns how many problems there are, in words.
pub(crate) fn problems(status: &Status) -> String {
    match status.problems {
        0 => "no problems".to_owned(),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    }
}
