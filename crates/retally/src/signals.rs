use crate::exit::Exit;
use anyhow::{Context, Result};
use retally_watch::Waker;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Lets what goes on end when it is asked to; when asked twice, at once.
pub(crate) fn stop_at_signals(waker: Waker) -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen to signals")?;
    std::thread::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            match count {
                0 => waker.stop(),
                _ => std::process::exit(i32::from(Exit::Failed.code())),
            }
        }
    });
    Ok(())
}
