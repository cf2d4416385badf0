use crate::cli::Replay as Options;
use crate::command::report::parse_as_of;
use crate::event_line::{Room, event_line};
use crate::exit::Exit;
use crate::playback::{Playback, Speed};
use crate::screen::on_screen;
use crate::setting::Setting;
use crate::signals::StopRequest;
use crate::terminal::escaped_for_json;
use crate::view::View;
use anyhow::Result;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEvent};
use retally_log::{Content, Entry, IssueId, LogReader, Logged, Place, RunDir, Timestamp};
use retally_reduce::{AsOf, IssueReport, PriceBook, Replay, RunMetadata};
use serde::Serialize;
use std::io::{BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How fast a run is shown where nothing else is said.
const SHOW_SPEED: Speed = Speed::Times(60.0);
/// How long a screen stands at most before the size of the terminal is looked at again.
const FRAME: Duration = Duration::from_millis(250);
/// How many events are folded before keys are looked at again.
const STEPS_PER_FRAME: usize = 2_000;

pub(crate) fn run(setting: &Setting, options: &Options) -> Result<Exit> {
    let run = setting.find_run(&options.run.run)?;
    let as_of = options.as_of.as_deref().map(parse_as_of).transpose()?;
    if let Some(line @ AsOf::Line { .. }) = &as_of {
        // Whether the log has that line shows at its end; by then all events would be printed.
        setting.fold(&run, Some(line))?;
    }
    let source = Source {
        setting,
        run,
        prices: setting.prices()?,
        as_of,
    };
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if is_terminal && setting.format.is_none() {
        let playback = Playback::new(options.speed.unwrap_or(SHOW_SPEED));
        on_screen(|terminal, stop| show(&source, playback, terminal, stop))?;
    } else {
        print(&source, Playback::new(options.speed.unwrap_or(Speed::Max)))?;
    }
    Ok(Exit::Done)
}

/// Where a run is replayed from.
struct Source<'s> {
    setting: &'s Setting,
    run: RunDir,
    prices: Arc<PriceBook>,
    as_of: Option<AsOf>,
}

impl Source<'_> {
    fn open(&self) -> Result<Replay> {
        let (root, prices) = (self.setting.root.path(), Arc::clone(&self.prices));
        Ok(Replay::open(
            root,
            self.run.id(),
            prices,
            self.as_of.as_ref(),
        )?)
    }
}

/// Returns what `visit` makes of the next event, passing over what is none.
fn next_event<R>(
    replay: &mut Replay,
    mut visit: impl FnMut(&Place<'_>, &Logged<'_>) -> R,
) -> Result<Option<R>> {
    loop {
        let stepped = replay.step(|entry| match entry {
            Entry::Stretch(place, Content::Event(logged)) => Some(visit(place, logged)),
            _ => None,
        })?;
        match stepped {
            None => return Ok(None),
            Some(None) => {}
            Some(visited) => return Ok(visited),
        }
    }
}

/// One event and the state that it led to.
#[derive(Serialize)]
struct Step {
    ts: Timestamp,
    #[serde(rename = "type")]
    type_name: String,
    segment: String,
    seq: Option<u64>,
    issue: Option<IssueId<'static>>,
    run: RunMetadata,
    issue_metrics: Option<IssueReport>,
}

/// Prints a line of JSON for each event.
fn print(source: &Source<'_>, mut playback: Playback) -> Result<()> {
    let mut replay = source.open()?;
    let is_terminal = std::io::stdout().is_terminal();
    let mut out = BufWriter::new(std::io::stdout());
    let (begun, mut last) = (Instant::now(), None);
    while let Some((ts, type_name, segment, seq, issue)) =
        next_event(&mut replay, |place, logged| {
            let event = &logged.envelope.event;
            let issue = event.issue().map(|issue| issue.clone().into_owned());
            let (segment, type_name) = (place.segment.to_string(), event.type_name().to_owned());
            (logged.envelope.ts, type_name, segment, place.seq, issue)
        })?
    {
        let wait = playback.wait(gap(last, ts), begun.elapsed());
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            out.flush()?;
            std::thread::sleep(wait);
        }
        playback.show(begun.elapsed());
        last = Some(ts);
        let state = replay.state();
        let step = Step {
            ts,
            type_name,
            segment,
            seq,
            run: state.metadata(),
            issue_metrics: issue.as_ref().and_then(|issue| state.issue_report(issue)),
            issue,
        };
        // As a text first: an error of the pipe is to be seen as such.
        let line = serde_json::to_string(&step)?;
        match is_terminal {
            true => writeln!(out, "{}", escaped_for_json(&line))?,
            false => writeln!(out, "{line}")?,
        }
    }
    Ok(out.flush()?)
}

fn gap(last: Option<Timestamp>, ts: Timestamp) -> Duration {
    let micros = last.map_or(0, |last| ts.as_micros().saturating_sub(last.as_micros()));
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A replay on the screen: the state so far, and what comes next.
struct Show<'s> {
    source: &'s Source<'s>,
    /// What is shown.
    replay: Replay,
    /// One event ahead, to know when that comes.
    ahead: LogReader,
    /// When the next event happened; `None` at the end.
    next: Option<Timestamp>,
    /// When the last one happened that is shown.
    last: Option<Timestamp>,
    /// How many are shown.
    shown: u64,
    /// How many are to be shown, where somebody asked for that.
    wanted: Option<u64>,
    happening: String,
    latest: Option<IssueId<'static>>,
}

impl<'s> Show<'s> {
    fn new(source: &'s Source<'s>) -> Result<Self> {
        let mut show = Self {
            source,
            replay: source.open()?,
            ahead: LogReader::open(source.run.events_path())?,
            next: None,
            last: None,
            shown: 0,
            wanted: None,
            happening: "nothing happened yet".to_owned(),
            latest: None,
        };
        show.look_ahead()?;
        Ok(show)
    }

    fn look_ahead(&mut self) -> Result<()> {
        self.next = None;
        let time = |entry: Entry<'_>| match entry {
            Entry::Stretch(_, Content::Event(logged)) => Some(logged.envelope.ts),
            _ => None,
        };
        while self.next.is_none() {
            match self.ahead.next(time)? {
                Some(time) => self.next = time,
                None => break,
            }
        }
        Ok(())
    }

    /// Shows the next event, and returns whether there was one.
    fn step(&mut self) -> Result<bool> {
        let stepped = next_event(&mut self.replay, |_, logged| {
            let envelope = logged.envelope;
            let line = event_line(None, envelope, Room::default());
            let text = anstream::adapter::strip_str(&line).to_string();
            let issue = envelope.event.issue();
            (
                envelope.ts,
                text,
                issue.map(|issue| issue.clone().into_owned()),
            )
        })?;
        let Some((ts, text, issue)) = stepped else {
            self.next = None;
            return Ok(false);
        };
        self.shown += 1;
        self.last = Some(ts);
        self.latest = issue.or_else(|| self.latest.take());
        self.happening = format!("{}  event {}: {text}", &ts.to_string()[..19], self.shown);
        self.look_ahead()?;
        Ok(true)
    }

    /// Asks for so many events more or less than are shown, or were asked for.
    fn want(&mut self, events: i64) {
        let shown = self.wanted.unwrap_or(self.shown);
        self.wanted = Some(shown.saturating_add_signed(events));
    }

    /// Goes some way to what was asked for.
    fn approach(&mut self) -> Result<()> {
        let Some(wanted) = self.wanted else {
            return Ok(());
        };
        if wanted < self.shown {
            // A state has no way back.
            let source = self.source;
            *self = Self::new(source)?;
            self.wanted = Some(wanted);
        }
        for _ in 0..STEPS_PER_FRAME {
            if self.shown == wanted || !self.step()? {
                self.wanted = None;
                break;
            }
        }
        Ok(())
    }

    fn gap(&self) -> Option<Duration> {
        self.next.map(|next| gap(self.last, next))
    }
}

/// Shows a replay until it is quit.
fn show(
    source: &Source<'_>,
    mut playback: Playback,
    terminal: &mut DefaultTerminal,
    stop: &StopRequest,
) -> Result<()> {
    let mut show = Show::new(source)?;
    let mut view = View::new();
    let begun = Instant::now();
    while !stop.is_made() {
        view.happening.clone_from(&show.happening);
        view.latest.clone_from(&show.latest);
        view.footer = footer(&show, &playback);
        terminal.draw(|frame| view.draw(show.replay.state(), frame))?;
        let wait = match show.wanted {
            Some(_) => Some(Duration::ZERO),
            None => show
                .gap()
                .and_then(|gap| playback.wait(gap, begun.elapsed())),
        };
        // All keys that were pressed, so that many steps are made at once.
        let mut wait = wait.unwrap_or(FRAME).min(FRAME);
        while event::poll(wait)? {
            wait = Duration::ZERO;
            if let TerminalEvent::Key(key) = event::read()?
                && key.is_press()
            {
                if View::quits(key) {
                    return Ok(());
                }
                view.press(key, show.replay.state());
                press(key, &mut show, &mut playback);
                if matches!(key.code, KeyCode::Home | KeyCode::End) {
                    break;
                }
            }
        }
        show.approach()?;
        for _ in 0..STEPS_PER_FRAME {
            let wait = show
                .gap()
                .and_then(|gap| playback.wait(gap, begun.elapsed()));
            let is_due = show.wanted.is_none() && wait.is_some_and(|wait| wait.is_zero());
            if !is_due || !show.step()? {
                break;
            }
            playback.show(begun.elapsed());
        }
    }
    Ok(())
}

fn footer(show: &Show<'_>, playback: &Playback) -> String {
    let state = match (show.next, playback.is_paused()) {
        _ if show.wanted.is_some() => "going there".to_owned(),
        (None, _) => "at the end".to_owned(),
        (_, true) => "paused".to_owned(),
        (_, false) => format!("playing, {}", playback.speed_text()),
    };
    format!(" q quit · space pause · ← → step · + - speed · ↑ ↓ issue · Home End · {state}")
}

/// Does what a key asks the playing to do.
fn press(key: KeyEvent, show: &mut Show<'_>, playback: &mut Playback) {
    match key.code {
        KeyCode::Char(' ') => playback.pause(!playback.is_paused()),
        KeyCode::Right | KeyCode::Char('n') => {
            playback.pause(true);
            show.want(1);
        }
        KeyCode::Left | KeyCode::Char('p') => {
            playback.pause(true);
            show.want(-1);
        }
        KeyCode::Char('+' | '=') => playback.change_speed(true),
        KeyCode::Char('-') => playback.change_speed(false),
        KeyCode::Home => show.wanted = Some(0),
        KeyCode::End => show.wanted = Some(u64::MAX),
        _ => {}
    }
}
