//! Keeps the report files of runs up to date while their logs grow.
#![forbid(unsafe_code)]

mod hints;
mod schedule;

pub use hints::{HintError, Hinted, Hints, Waker};
pub use schedule::Cadence;
