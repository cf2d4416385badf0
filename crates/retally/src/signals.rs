use crate::exit::Exit;
use anyhow::{Context, Result};
use retally_watch::Waker;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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

/// Returns a flag that is set when what goes on is asked to end.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let registered = signal_hook::flag::register(signal, Arc::clone(&flag));
        registered.context("cannot listen to signals")?;
    }
    Ok(flag)
}
