use crate::columns::start_of;
use anstyle::{AnsiColor, Style};
use std::io::Write as _;

/// One line on stderr that is written again and again in its place.
#[derive(Default)]
pub(crate) struct StatusLine {
    is_on: bool,
    shown: String,
}

/// To the beginning of the line, which is emptied.
const CLEAR: &str = "\r\u{1b}[2K";
/// What the terminal may show behind the line: the `^C` that somebody types, and the cursor.
const ROOM: usize = 3;

impl StatusLine {
    /// Makes a line that is shown only where somebody sees it.
    pub(crate) fn new(is_on: bool) -> Self {
        let shown = String::new();
        Self { is_on, shown }
    }

    /// Shows a text, cut to the width of the terminal; in red where something is wrong.
    pub(crate) fn set(&mut self, text: &str, is_wrong: bool) {
        if !self.is_on {
            return;
        }
        let width = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(0, |size| size.ws_col);
        let text = match usize::from(width) {
            0 => text.to_owned(),
            width => start_of(text, width.saturating_sub(ROOM)),
        };
        let style = match is_wrong {
            true => AnsiColor::Red.on_default(),
            false => Style::new(),
        };
        let shown = format!("{style}{text}{style:#}");
        if shown != self.shown {
            self.shown = shown;
            self.draw();
        }
    }

    /// Prints something else above the line.
    pub(crate) fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        self.erase();
        let result = print();
        self.draw();
        result
    }

    /// Removes the line.
    pub(crate) fn end(&mut self) {
        self.erase();
        self.is_on = false;
    }

    fn draw(&self) {
        if self.is_on && !self.shown.is_empty() {
            // Nobody is left to be told that telling failed.
            let mut err = anstream::stderr();
            _ = write!(std::io::stderr(), "{CLEAR}");
            _ = write!(err, "{}", self.shown);
            _ = err.flush();
        }
    }

    fn erase(&self) {
        if self.is_on && !self.shown.is_empty() {
            _ = write!(std::io::stderr(), "{CLEAR}");
        }
    }
}
