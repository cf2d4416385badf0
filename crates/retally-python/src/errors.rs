//! How errors of the libraries become exceptions of the package.

use pyo3::PyErr;
use std::error::Error;

/// The classes, which stand in Python so that they can have several bases.
mod classes {
    pyo3::import_exception!(retally._errors, EventError);
    pyo3::import_exception!(retally._errors, ReportError);
    pyo3::import_exception!(retally._errors, RunIdError);
    pyo3::import_exception!(retally._errors, RunNotFoundError);
    pyo3::import_exception!(retally._errors, SyncError);
    pyo3::import_exception!(retally._errors, WriteError);
}

pub(crate) use classes::{
    EventError, ReportError, RunIdError, RunNotFoundError, SyncError, WriteError,
};

/// Returns what an error says, with its causes: `a: b: c`.
pub(crate) fn message(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub(crate) fn write_error(error: &dyn Error) -> PyErr {
    WriteError::new_err(message(error))
}

pub(crate) fn report_error(error: &dyn Error) -> PyErr {
    ReportError::new_err(message(error))
}
