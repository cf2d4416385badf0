use crate::event_line::{event_line, problem_line};
use crate::followed_run::Shown;
use crate::setting::complain;
use crate::terminal::escaped_for_json;
use anyhow::Result;
use retally_log::{Logged, Place, RunId, Timestamp};
use std::io::{IsTerminal, Write};

/// How events are printed.
pub(crate) struct Printer {
    is_json: bool,
    shows_runs: bool,
    is_terminal: bool,
    /// The day of the last line that was printed.
    day: String,
}

/// One line to print.
pub(crate) struct Line {
    /// `None` where it is the same as that of the line before, or nobody reads it.
    pub(crate) time: Option<Timestamp>,
    text: String,
    /// Whether it is about something that is wrong, and no event.
    is_problem: bool,
}

impl Printer {
    pub(crate) fn new(is_json: bool, shows_runs: bool) -> Self {
        Self {
            is_json,
            shows_runs,
            is_terminal: std::io::stdout().is_terminal(),
            day: String::new(),
        }
    }

    pub(crate) fn line(&self, run: &RunId, shown: Shown<'_>) -> Line {
        let shown_run = self.shows_runs.then_some(run.as_str());
        // The time and two spaces stand before it.
        let width = self.width().map(|width| width.saturating_sub(14));
        match shown {
            Shown::Event(place, logged) if self.is_json => Line {
                time: None,
                text: json_line(run, place, logged),
                is_problem: false,
            },
            Shown::Event(_, logged) => Line {
                time: Some(logged.envelope.ts),
                text: event_line(shown_run, logged.envelope, width),
                is_problem: false,
            },
            Shown::Problem(text) => Line {
                time: None,
                text: match self.is_json {
                    true => format!("run `{run}`: {text}"),
                    false => problem_line(shown_run, &text, width),
                },
                is_problem: true,
            },
        }
    }

    fn width(&self) -> Option<usize> {
        if !self.is_terminal || self.is_json {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    pub(crate) fn print(&mut self, line: &Line) -> Result<()> {
        if self.is_json {
            if line.is_problem {
                complain(&line.text);
            } else {
                let text = match self.is_terminal {
                    true => escaped_for_json(&line.text),
                    false => line.text.as_str().into(),
                };
                writeln!(std::io::stdout(), "{text}")?;
            }
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        let Some(time) = line.time else {
            writeln!(out, "{:14}{}", "", line.text)?;
            return Ok(());
        };
        let text = time.to_string();
        let (day, time) = text.split_at(10);
        if day != self.day {
            let bold = anstyle::Style::new().bold();
            writeln!(out, "{bold}{day} UTC{bold:#}")?;
            day.clone_into(&mut self.day);
        }
        writeln!(out, "{}  {}", &time[1..13], line.text)?;
        Ok(())
    }

    pub(crate) fn flush(&self) -> Result<()> {
        Ok(std::io::stdout().flush()?)
    }
}

/// Returns an event as it stands in the log, without its checksum, behind the run and the segment
/// that it is of; these are left out where the event has such a field of its own.
fn json_line(run: &RunId, place: &Place<'_>, logged: &Logged<'_>) -> String {
    const CHECKSUM_CHARS: usize = r#","crc":"00000000"}"#.len();
    let line = String::from_utf8_lossy(logged.line.trim_ascii());
    let inner = match logged.is_checked {
        true => &line[1..line.len() - CHECKSUM_CHARS],
        false => &line[1..line.len() - 1],
    };
    let has = |name: &str| logged.envelope.extra.iter().any(|(own, _)| own == name);
    let mut text = String::from("{");
    for (name, value) in [("run", run.as_str()), ("segment", place.segment.as_str())] {
        if !has(name) {
            text += &format!("{}:{},", serde_json::json!(name), serde_json::json!(value));
        }
    }
    text + inner + "}"
}
