use crate::event_line::event_line;
use crate::setting::Setting;
use crate::signals::stop_flag;
use crate::view::View;
use anyhow::Result;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent};
use retally_log::{Content, Entry, RunDir, Timestamp};
use retally_reduce::RunFold;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often a screen is drawn while nobody presses a key.
const FRAME: Duration = Duration::from_millis(100);

/// Shows a run as it grows, until it is quit.
pub(crate) fn show_live(
    setting: &Setting,
    run: &RunDir,
    terminal: &mut DefaultTerminal,
) -> Result<()> {
    let mut fold = RunFold::open(setting.root.path(), run.id(), setting.prices()?)?;
    let mut view = View::new();
    let mut last = None;
    let stop = stop_flag()?;
    while !stop.load(Ordering::Relaxed) {
        let problem = follow(&mut fold, &mut last).err();
        view.happening = match (&problem, &last) {
            (Some(error), _) => format!("{error:#} (is tried again)"),
            (None, Some((_, text))) => text.clone(),
            (None, None) => "nothing happened yet".to_owned(),
        };
        view.footer = footer(setting, last.as_ref().map(|(ts, _)| *ts));
        terminal.draw(|frame| view.draw(fold.state(), frame))?;
        if event::poll(FRAME)?
            && let TerminalEvent::Key(key) = event::read()?
            && key.is_press()
        {
            if View::quits(key) {
                return Ok(());
            }
            view.press(key, fold.state());
        }
    }
    Ok(())
}

/// Folds what is new, and keeps the last event in mind.
fn follow(fold: &mut RunFold, last: &mut Option<(Timestamp, String)>) -> Result<()> {
    if fold.is_stale() {
        fold.start_over()?;
    } else {
        // Looks what is new, and folds none of it yet.
        fold.advance(0)?;
    }
    while fold
        .step(|entry| {
            if let Entry::Stretch(_, Content::Event(logged)) = entry {
                let line = event_line(None, logged.envelope, None);
                let text = anstream::adapter::strip_str(&line).to_string();
                let ts = logged.envelope.ts;
                *last = Some((ts, format!("{}  {text}", &ts.to_string()[..19])));
            }
        })?
        .is_some()
    {
        if fold.is_stale() {
            fold.start_over()?;
        }
    }
    Ok(())
}

fn footer(setting: &Setting, last: Option<Timestamp>) -> String {
    let now = setting.clock.now().as_micros();
    let age = last.map(|ts| (now - ts.as_micros()).max(0) / 1_000_000);
    let age = age.map_or(String::new(), |seconds| {
        format!(", last event {seconds} s ago")
    });
    format!(" live{age} · ↑ ↓ issue · q quit")
}
