//! The command's end-to-end tests, and those that hold for the whole workspace: one binary, a
//! module per subject.

mod alerts;
mod append;
mod architecture;
mod archive;
mod check;
mod compare;
mod cookbook;
mod guarantees;
mod import;
mod insights;
mod manual;
mod purge;
mod rebuild;
mod redact;
mod replay;
mod report;
mod runs;
mod start;
mod support;
mod tail;
mod watch;
