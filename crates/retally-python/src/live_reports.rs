//! Report files that follow the log while it grows, by a thread that knows nothing of Python.

use crate::in_process::InProcess;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// No thread is there.
const RESTING: u8 = 0;
/// A thread waits for events.
const CURRENT: u8 = 1;
/// Events were appended that the thread has not seen.
const BEHIND: u8 = 2;

/// Between two updates there is this much time at least, or as many times what the last one took,
/// so that the thread is never busy for long.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);
const PAUSE_PER_COST: u32 = 10;
/// When nothing is appended for so long the thread ends; the next event starts another.
const REST_AFTER: Duration = Duration::from_millis(200);

/// Keeps the report files of a run current. There is a thread only while events are appended.
#[derive(Default)]
pub(crate) struct LiveReports {
    state: AtomicU8,
    thread: Mutex<Option<Thread>>,
    failures: AtomicU64,
}

impl LiveReports {
    /// Returns how many updates failed; each is tried again with the next event.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// Says that an event was appended. It costs next to nothing while an update is due already.
pub(crate) fn follow(process: &Arc<InProcess>) {
    let live = &process.live_reports;
    match live.state.swap(BEHIND, Ordering::AcqRel) {
        RESTING => start(process),
        CURRENT => {
            // A thread that is current has said which it is.
            let thread = live.thread.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(thread) = &*thread {
                thread.unpark();
            }
        }
        _ => {}
    }
}

fn start(process: &Arc<InProcess>) {
    let of_thread = Arc::clone(process);
    let builder = thread::Builder::new().name("retally-reports".to_owned());
    if builder.spawn(move || keep_current(&of_thread)).is_err() {
        let live = &process.live_reports;
        live.failures.fetch_add(1, Ordering::Relaxed);
        live.state.store(RESTING, Ordering::Release);
    }
}

/// Leaves it to the next event to start another thread, however this one ends.
struct Rest<'p>(&'p LiveReports);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state.store(RESTING, Ordering::Release);
        }
    }
}

fn keep_current(process: &InProcess) {
    let live = &process.live_reports;
    let _rest = Rest(live);
    *live.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
    let becomes = |from, to| {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        live.state
            .compare_exchange(from, to, success, failure)
            .is_ok()
    };
    loop {
        // Before the log is read: what is appended meanwhile makes it fall behind again.
        if becomes(BEHIND, CURRENT) {
            let start = Instant::now();
            if process.update_reports().is_err() {
                live.failures.fetch_add(1, Ordering::Relaxed);
            }
            let pause = start.elapsed().saturating_mul(PAUSE_PER_COST);
            thread::sleep(pause.clamp(PAUSE_MIN, PAUSE_MAX));
        } else {
            let start = Instant::now();
            thread::park_timeout(REST_AFTER);
            if start.elapsed() >= REST_AFTER && becomes(CURRENT, RESTING) {
                return;
            }
        }
    }
}
