//! Keeps the report files of runs up to date while their logs grow.
#![forbid(unsafe_code)]

mod hints;

pub use hints::{HintError, Hinted, Hints, Waker};
