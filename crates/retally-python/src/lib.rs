//! The Rust half of the Python package `retally`: the log, the fold and the report files.
//!
//! `Log` is what the Python half stands on. It converts, calls, converts; what a call
//! means and what becomes of a failure is decided in Python. It lets go of the interpreter while
//! it writes, reads or waits, is shared by threads, and finds itself anew after a fork.
//!
//! What it never does: print, read the environment (Python hands it over), or hold a lock while
//! Python code runs.
#![forbid(unsafe_code)]

mod errors;
mod event_json;
mod handed_clock;
mod in_process;
mod json_text;
mod live_reports;
mod log;
mod recorded;
mod table;

/// The module `retally._retally`, of which the rest of the package is made.
#[pyo3::pymodule]
mod _retally {
    #[pymodule_export]
    use super::event_json::event_json;
    #[pymodule_export]
    use super::log::Log;
    #[pymodule_export]
    use super::recorded::{read_run, rebuild, run_ids, table_of_issues, table_of_runs};
    #[pymodule_export]
    use super::table::Table;
}
