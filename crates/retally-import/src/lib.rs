//! Turns the logs of other tools into runs of retally.
//!
//! A [`Format`] parses the bytes of a file into runs; [`import`] appends of each run what its log
//! does not hold yet. A format is one file of this crate and one row of [`Format::ALL`].
//!
//! What this crate promises: importing again, or overlapping files, or in another order, adds
//! nothing twice; nothing is claimed that the file does not prove; a record that cannot be used is
//! named as a [`Problem`] and never dropped in silence; no input makes it panic. What it never
//! does: open the files it parses, print, read the environment, or ask the network.
#![forbid(unsafe_code)]

mod error;
mod format;
mod github_actions;
mod import;
mod json_file;
mod jsonl;
mod news;
mod parsed;
mod problem;
mod record;
mod source;
#[cfg(test)]
mod test_helpers;

pub use error::ImportError;
pub use format::Format;
pub use import::{Outcome, Refused, import};
pub use parsed::{ImportedRun, Parsed};
pub use problem::Problem;
pub use source::Source;
