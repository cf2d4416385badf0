use crate::columns::end_of;
use crate::event_line::{Room, event_line, problem_line};
use crate::followed_run::Shown;
use crate::setting::complain;
use crate::terminal::escaped_for_json;
use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use anyhow::Result;
use retally_log::{Logged, Place, RunId, Timestamp};
use std::io::{IsTerminal, Write};

/// How much is kept at most before it is written.
const KEPT_BYTES: usize = 64 << 10;

/// How events are printed: many lines at once, which `flush` writes.
pub(crate) struct Printer {
    is_json: bool,
    shows_runs: bool,
    is_terminal: bool,
    has_color: bool,
    /// What is not written yet.
    kept: String,
    /// The day of the last line that was printed.
    day: String,
    /// The run that the lines are of, where it does not stand on each.
    run: Option<RunId>,
}

/// One line to print.
pub(crate) struct Line {
    /// `None` where it is the same as that of the line before, or nobody reads it.
    pub(crate) time: Option<Timestamp>,
    /// The run, where it is to stand above and not on the line.
    heading: Option<RunId>,
    text: String,
    /// What it was cut to.
    room: Room,
    /// Whether it is about something that is wrong, and no event.
    is_problem: bool,
}

impl Printer {
    pub(crate) fn new(is_json: bool, shows_runs: bool) -> Self {
        let stdout = std::io::stdout();
        Self {
            is_json,
            shows_runs,
            is_terminal: stdout.is_terminal(),
            has_color: AutoStream::choice(&stdout) != ColorChoice::Never,
            kept: String::new(),
            day: String::new(),
            run: None,
        }
    }

    pub(crate) fn line(&self, run: &RunId, shown: Shown<'_>) -> Line {
        let shown_run = self.shows_runs.then_some(run.as_str());
        let room = self.room();
        let (time, text, is_problem) = match shown {
            Shown::Event(place, logged) if self.is_json => {
                (None, json_line(run, place, logged), false)
            }
            Shown::Event(_, logged) => {
                let text = event_line(shown_run, logged.envelope, room);
                (Some(logged.envelope.ts), text, false)
            }
            Shown::Problem(text) if self.is_json => (None, format!("run `{run}`: {text}"), true),
            Shown::Problem(text) => (None, problem_line(shown_run, &text, room), true),
        };
        let has_heading = self.shows_runs && room.is_narrow();
        Line {
            time,
            heading: has_heading.then(|| run.clone()),
            text,
            room,
            is_problem,
        }
    }

    fn room(&self) -> Room {
        if !self.is_terminal || self.is_json {
            return Room::default();
        }
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let columns = size.map(|size| usize::from(size.ws_col));
        Room {
            columns: columns.filter(|columns| *columns > 0),
        }
    }

    /// Prints a line, which may be written later.
    pub(crate) fn print(&mut self, line: &Line) -> Result<()> {
        match (self.is_json, line.is_problem) {
            (true, true) => {
                self.flush()?;
                complain(&line.text);
            }
            (true, false) if self.is_terminal => self.keep(&escaped_for_json(&line.text)),
            (true, false) => self.keep(&line.text),
            (false, _) => self.keep_for_people(line),
        }
        if self.kept.len() >= KEPT_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn keep_for_people(&mut self, line: &Line) {
        let time = line.time.map(|time| time.to_string());
        let (day, time) = time.as_deref().unwrap_or("").split_at_checked(10).unzip();
        if let Some(day) = day.filter(|day| *day != self.day) {
            let bold = Style::new().bold();
            day.clone_into(&mut self.day);
            self.keep_styled(&format!("{bold}{day} UTC{bold:#}"));
        }
        let heading = line.heading.as_ref();
        if let Some(run) = heading.filter(|run| self.run.as_ref() != Some(run)) {
            let dimmed = Style::new().dimmed();
            let shown = end_of(run.as_str(), line.room.columns.unwrap_or(usize::MAX));
            self.run = Some(run.clone());
            self.keep_styled(&format!("{dimmed}{shown}{dimmed:#}"));
        }
        let time = time.map_or("", |time| &time[1..=line.room.time_bytes()]);
        let width = line.room.time_columns();
        self.keep_styled(&format!("{time:width$}{}", line.text));
    }

    fn keep_styled(&mut self, text: &str) {
        match self.has_color {
            true => self.keep(text),
            false => self.keep(&strip_str(text).to_string()),
        }
    }

    fn keep(&mut self, text: &str) {
        self.kept += text;
        self.kept.push('\n');
    }

    /// Writes what was printed.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(self.kept.as_bytes())?;
        self.kept.clear();
        Ok(stdout.flush()?)
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
