use crate::exit::Exit;
use anyhow::{Context, Result};
use retally_watch::Waker;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a screen may take to notice that it is asked to end: its terminal may be gone.
const NOTICE_WITHIN: Duration = Duration::from_secs(2);

/// Lets what goes on end when it is asked to; when asked twice, at once.
pub(crate) fn stop_at_signals(waker: Waker) -> Result<()> {
    at_signals(move |count| match count {
        0 => waker.stop(),
        _ => end_at_once(),
    })
}

/// A request to end, from outside.
#[derive(Clone, Default)]
pub(crate) struct StopRequest(Arc<Flags>);

#[derive(Default)]
struct Flags {
    is_made: AtomicBool,
    is_noticed: AtomicBool,
}

impl StopRequest {
    /// Listens to signals. A second one ends the process at once, and so does one that nobody
    /// notices; the terminal is put right before.
    pub(crate) fn listen() -> Result<Self> {
        let request = Self::default();
        let Self(flags) = request.clone();
        at_signals(move |count| {
            flags.is_made.store(true, Ordering::SeqCst);
            let flags = Arc::clone(&flags);
            std::thread::spawn(move || {
                if count == 0 {
                    std::thread::sleep(NOTICE_WITHIN);
                }
                if count > 0 || !flags.is_noticed.load(Ordering::SeqCst) {
                    // Where the terminal is gone, so is whoever could look at it.
                    _ = ratatui::try_restore();
                    end_at_once();
                }
            });
        })?;
        Ok(request)
    }

    /// Returns whether it was made; then whoever asked ends soon.
    pub(crate) fn is_made(&self) -> bool {
        let is_made = self.0.is_made.load(Ordering::SeqCst);
        if is_made {
            self.0.is_noticed.store(true, Ordering::SeqCst);
        }
        is_made
    }
}

/// Does something at each signal that asks to end, with how many there were before.
fn at_signals(mut act: impl FnMut(usize) + Send + 'static) -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen to signals")?;
    std::thread::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            act(count);
        }
    });
    Ok(())
}

fn end_at_once() -> ! {
    std::process::exit(i32::from(Exit::Failed.code()))
}
