use crate::event_line::{Room, event_line};
use crate::setting::Setting;
use crate::signals::StopRequest;
use crate::view::View;
use anyhow::Result;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent};
use retally_log::{Content, Draft, Entry, Envelope, IssueId, RunDir, Timestamp};
use retally_reduce::RunFold;
use std::time::{Duration, Instant};

/// How often a screen is drawn while nobody presses a key.
const FRAME: Duration = Duration::from_millis(100);
/// How long is folded before the screen is drawn and keys are looked at again.
const FOLDED_PER_FRAME: Duration = Duration::from_millis(50);
/// How many events are folded between two looks at the clock.
const STEPS: usize = 256;
/// How many times as long as folding all of the log nothing is folded anew where events come late.
const REST_FACTOR: u32 = 20;

/// What went wrong beside the view, to be shown in it.
pub(crate) trait Troubles {
    /// Returns a line about it, or `None` where all is well.
    fn line(&self) -> Option<String>;
}

/// Shows a run as it grows, until it is quit.
pub(crate) fn show_live(
    setting: &Setting,
    run: &RunDir,
    troubles: &dyn Troubles,
    terminal: &mut DefaultTerminal,
    stop: &StopRequest,
) -> Result<()> {
    let mut live = LiveFold {
        fold: RunFold::open(setting.root.path(), run.id(), setting.prices()?)?,
        begun: Instant::now(),
        took: None,
        last_line: Vec::new(),
    };
    let mut view = View::new();
    while !stop.is_made() {
        let followed = live.follow();
        let is_behind = matches!(followed, Ok(false));
        let last = LastEvent::read(&live.last_line);
        view.happening = match (&followed, &last) {
            (Err(error), _) => format!("{error:#} (is tried again)"),
            (Ok(false), _) => "catching up …".to_owned(),
            (Ok(true), Some(last)) => last.text.clone(),
            (Ok(true), None) => "nothing happened yet".to_owned(),
        };
        view.trouble = troubles.line();
        view.latest = last.as_ref().and_then(|last| last.issue.clone());
        let ended = live.fold.state().has_ended();
        view.footer = footer(setting, ended, last.map(|last| last.ts));
        terminal.draw(|frame| view.draw(live.fold.state(), frame))?;
        if event::poll(if is_behind { Duration::ZERO } else { FRAME })?
            && let TerminalEvent::Key(key) = event::read()?
            && key.is_press()
        {
            if View::quits(key) {
                return Ok(());
            }
            view.press(key, live.fold.state());
        }
    }
    Ok(())
}

/// The state of a run that grows.
struct LiveFold {
    fold: RunFold,
    /// When folding from the beginning began last.
    begun: Instant,
    /// How long that took; `None` while it goes on.
    took: Option<Duration>,
    /// The line of the last event: to say what it is for each would cost more than to fold it.
    last_line: Vec<u8>,
}

impl LiveFold {
    /// Folds what is new for a while, and returns whether that was all of it.
    fn follow(&mut self) -> Result<bool> {
        if self.fold.is_stale() {
            let rest = self.took.unwrap_or_default() * REST_FACTOR;
            if self.begun.elapsed() < rest {
                return Ok(true);
            }
            (self.begun, self.took) = (Instant::now(), None);
            self.fold.start_over()?;
        } else {
            // Looks what is new, and folds none of it yet.
            self.fold.advance(0)?;
        }
        let frame = Instant::now();
        while frame.elapsed() < FOLDED_PER_FRAME {
            for _ in 0..STEPS {
                let last_line = &mut self.last_line;
                let step = self.fold.step(|entry| {
                    if let Entry::Stretch(_, Content::Event(logged)) = entry {
                        last_line.clear();
                        last_line.extend_from_slice(logged.line);
                    }
                })?;
                if step.is_none() || self.fold.is_stale() {
                    self.took.get_or_insert(self.begun.elapsed());
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// What happened last.
struct LastEvent {
    ts: Timestamp,
    issue: Option<IssueId<'static>>,
    text: String,
}

impl LastEvent {
    /// Reads it from its line, or returns `None` where there is none.
    fn read(line: &[u8]) -> Option<Self> {
        let draft = Draft::from_json(line).ok()?;
        let ts = draft.ts?;
        let issue = draft.event.issue().map(|issue| issue.clone().into_owned());
        let envelope = Envelope {
            seq: None,
            ts,
            key: draft.key,
            event: draft.event,
            extra: draft.extra,
        };
        let text = event_line(None, &envelope, Room::default());
        let text = anstream::adapter::strip_str(&text).to_string();
        Some(Self {
            ts,
            issue,
            text: format!("{}  {text}", &ts.to_string()[..19]),
        })
    }
}

fn footer(setting: &Setting, has_ended: bool, last: Option<Timestamp>) -> String {
    let now = setting.clock.now().as_micros();
    let age = last.map(|ts| (now - ts.as_micros()).max(0) / 1_000_000);
    let age = age.map_or(String::new(), |seconds| {
        format!(", last event {seconds} s ago")
    });
    let state = if has_ended { "finished" } else { "live" };
    format!(" q quit · ↑ ↓ PgUp PgDn issue · {state}{age}")
}
