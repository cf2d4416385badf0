use crate::signals::StopRequest;
use anyhow::Result;
use ratatui::DefaultTerminal;

/// Shows something on a whole screen until it ends, is quit, or is asked to end; the terminal is as
/// before afterwards.
pub(crate) fn on_screen(
    show: impl FnOnce(&mut DefaultTerminal, &StopRequest) -> Result<()>,
) -> Result<()> {
    // Before the terminal is changed: a signal must find somebody who puts it right.
    let stop = StopRequest::listen()?;
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, &stop);
    // Dropped, it would complain to stderr, and panic where that is gone with the terminal.
    let restored = terminal.show_cursor();
    std::mem::forget(terminal);
    let restored = ratatui::try_restore().and(restored);
    shown?;
    Ok(restored?)
}
