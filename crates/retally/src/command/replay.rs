use crate::cli::Replay as Options;
use crate::command::report::parse_as_of;
use crate::event_line::event_line;
use crate::exit::{Exit, wrong_usage};
use crate::playback::{Playback, Speed};
use crate::setting::Setting;
use crate::sheet::Format;
use crate::signals::stop_flag;
use crate::terminal::escaped_for_json;
use crate::view::View;
use anyhow::Result;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEvent};
use retally_log::{Content, Entry, IssueId, Logged, Place, RunDir, Timestamp};
use retally_reduce::{AsOf, IssueReport, PriceBook, Replay, RunMetadata};
use serde::Serialize;
use std::io::{BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
    let source = Source {
        setting,
        run,
        prices: setting.prices()?,
        as_of,
    };
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    match setting.format {
        None | Some(Format::Table) if is_terminal => {
            let playback = Playback::new(options.speed.unwrap_or(SHOW_SPEED));
            ratatui::run(|terminal| show(&source, playback, terminal))?;
        }
        None | Some(Format::Jsonl) => {
            print(&source, Playback::new(options.speed.unwrap_or(Speed::Max)))?;
        }
        Some(_) => {
            let text = "replay shows a screen on a terminal, and prints --format jsonl elsewhere";
            return Err(wrong_usage(text));
        }
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
    ahead: Replay,
    /// When the next event happened; `None` at the end.
    next: Option<Timestamp>,
    /// When the last one happened that is shown.
    last: Option<Timestamp>,
    /// How many are shown.
    shown: u64,
    happening: String,
}

impl<'s> Show<'s> {
    fn new(source: &'s Source<'s>) -> Result<Self> {
        let mut show = Self {
            source,
            replay: source.open()?,
            ahead: source.open()?,
            next: None,
            last: None,
            shown: 0,
            happening: "nothing happened yet".to_owned(),
        };
        show.look_ahead()?;
        Ok(show)
    }

    fn look_ahead(&mut self) -> Result<()> {
        self.next = next_event(&mut self.ahead, |_, logged| logged.envelope.ts)?;
        Ok(())
    }

    /// Shows the next event, and returns whether there was one.
    fn step(&mut self) -> Result<bool> {
        let stepped = next_event(&mut self.replay, |_, logged| {
            let line = event_line(None, logged.envelope, None);
            let text = anstream::adapter::strip_str(&line).to_string();
            (logged.envelope.ts, text)
        })?;
        let Some((ts, text)) = stepped else {
            return Ok(false);
        };
        self.shown += 1;
        self.last = Some(ts);
        self.happening = format!("{}  event {}: {text}", &ts.to_string()[..19], self.shown);
        self.look_ahead()?;
        Ok(true)
    }

    /// Shows the run from its beginning up to so many events: a state has no way back.
    fn go_to(&mut self, events: u64) -> Result<()> {
        *self = Self::new(self.source)?;
        while self.shown < events && self.step()? {}
        Ok(())
    }

    fn gap(&self) -> Option<Duration> {
        self.next.map(|next| gap(self.last, next))
    }
}

/// Shows a replay until it is quit.
fn show(source: &Source<'_>, mut playback: Playback, terminal: &mut DefaultTerminal) -> Result<()> {
    let mut show = Show::new(source)?;
    let mut view = View::new();
    let (begun, stop) = (Instant::now(), stop_flag()?);
    while !stop.load(Ordering::Relaxed) {
        view.happening.clone_from(&show.happening);
        view.footer = footer(&show, &playback);
        terminal.draw(|frame| view.draw(show.replay.state(), frame))?;
        let wait = show
            .gap()
            .and_then(|gap| playback.wait(gap, begun.elapsed()));
        if event::poll(wait.unwrap_or(FRAME).min(FRAME))?
            && let TerminalEvent::Key(key) = event::read()?
            && key.is_press()
        {
            if View::quits(key) {
                return Ok(());
            }
            view.press(key, show.replay.state());
            press(key, &mut show, &mut playback)?;
        }
        for _ in 0..STEPS_PER_FRAME {
            let wait = show
                .gap()
                .and_then(|gap| playback.wait(gap, begun.elapsed()));
            if !wait.is_some_and(|wait| wait.is_zero()) || !show.step()? {
                break;
            }
            playback.show(begun.elapsed());
        }
    }
    Ok(())
}

fn footer(show: &Show<'_>, playback: &Playback) -> String {
    let state = match (show.next, playback.is_paused()) {
        (None, _) => "at the end".to_owned(),
        (_, true) => "paused".to_owned(),
        (_, false) => format!("playing, {}", playback.speed_text()),
    };
    format!(" {state} · space pause · ← → step · + - speed · ↑ ↓ issue · Home End · q quit")
}

/// Does what a key asks the playing to do.
fn press(key: KeyEvent, show: &mut Show<'_>, playback: &mut Playback) -> Result<()> {
    match key.code {
        KeyCode::Char(' ') => playback.pause(!playback.is_paused()),
        KeyCode::Right | KeyCode::Char('n') => {
            playback.pause(true);
            show.step()?;
        }
        KeyCode::Left | KeyCode::Char('p') => {
            playback.pause(true);
            show.go_to(show.shown.saturating_sub(1))?;
        }
        KeyCode::Char('+' | '=') => playback.change_speed(true),
        KeyCode::Char('-') => playback.change_speed(false),
        KeyCode::Home => show.go_to(0)?,
        KeyCode::End => while show.step()? {},
        _ => {}
    }
    Ok(())
}
