use retally_log::RunId;
use std::path::Path;

/// A file to import, read by the caller.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Where the bytes are from: named in errors, and in the run's id where the records name no
    /// source themselves.
    pub path: &'a Path,
    /// All of the file.
    pub bytes: &'a [u8],
    /// The run that the events belong to; `None` leaves it to the format.
    pub run: Option<&'a RunId>,
}
