//! Turns the logs of other tools into runs of retally.
//!
//! A [`Format`] parses the bytes of a file into runs. A format is one file of this crate and one row of [`Format::ALL`].
//!
//! What this crate promises: nothing is claimed that the file does not prove; a record that cannot be used is
//! named as a [`Problem`] and never dropped in silence; no input makes it panic. What it never
//! does: open the files it parses, print, read the environment, or ask the network.
#![forbid(unsafe_code)]

mod error;
mod format;
mod github_actions;
mod json_file;
mod jsonl;
mod parsed;
mod problem;
mod record;
mod source;
#[cfg(test)]
mod test_helpers;

pub use error::ImportError;
pub use format::Format;
pub use parsed::{ImportedRun, Parsed};
pub use problem::Problem;
pub use source::Source;
