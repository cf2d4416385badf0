//! Keeps the report files of runs up to date while their logs grow.
//!
//! A [`Watcher`] is told by the system that something may have changed ([`Hints`]), never what:
//! it looks at sizes, reads on from its offsets, folds, and writes the reports that changed. What
//! it was not told it finds by looking now and then, so that lost notifications and network file
//! systems cost time, not truth. When it looks at which run is a state machine without a clock.
//!
//! What this crate promises: once writers are quiet, the report files are those of a rebuild, byte
//! for byte. What it never does: compute a number, or write anything in a root but report files.
#![forbid(unsafe_code)]

mod checkpoints;
mod file_system;
mod hints;
#[cfg(target_os = "linux")]
mod inotify;
mod live_run;
mod notice;
#[cfg(any(test, not(target_os = "linux")))]
mod other_systems;
mod rests;
mod root_stamp;
mod schedule;
mod watched_run;
mod watcher;

pub use file_system::network_file_system;
pub use hints::{HintError, Hinted, Hints, Waker};
pub use notice::{Notice, Status, Subject, Update};
pub use schedule::Cadence;
pub use watcher::{WatchOptions, Watcher};
