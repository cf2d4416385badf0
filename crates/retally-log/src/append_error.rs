use crate::line_writer::EncodeError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why an append did not succeed, and what stands in the log nevertheless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The run has no folder for segments. Nothing was written.
    #[error("no run at `{}`: it has no folder `events` (start the run first)", path.display())]
    NoRun {
        /// The run's folder.
        path: PathBuf,
    },
    /// No segment could be created. Nothing was written.
    #[error("cannot create a segment in `{}` (check its permissions and free space)", path.display())]
    Create {
        /// The folder of segments.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Readers would not take the event. Nothing was written, not even of a batch that it is in.
    #[error("event {index} of those appended to `{}` is not one that a log can hold (none was written; correct it)", path.display())]
    Encode {
        /// The run's folder.
        path: PathBuf,
        /// Which of the events, counted from 0.
        index: usize,
        /// Why.
        source: EncodeError,
    },
    /// The system did not take all bytes. The next append is not harmed by that.
    #[error(
        "cannot write to segment `{}`, where {} (free some space, then append the others again)",
        path.display(), standing(*whole_events, *is_torn)
    )]
    Write {
        /// The segment.
        path: PathBuf,
        /// How many of the events stand in the log; at least so many, where the size of the file
        /// cannot be told.
        whole_events: u64,
        /// Whether bytes of one more event stand. It counts if only its LF is missing, so where it
        /// must not count twice, give it a key.
        is_torn: bool,
        /// Why.
        source: io::Error,
    },
    /// A sync failed, at this call or at one before, so it is not known what of the segment would
    /// survive power loss. Nothing is written until [`Writer::reopen`](crate::Writer::reopen); what
    /// was written before does stand as long as the system runs.
    #[error(
        "cannot sync segment `{}`: what was appended since the last sync may not survive power \
         loss (check the disk, then open the writer again)", path.display()
    )]
    SyncFailed {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
}

fn standing(whole_events: u64, is_torn: bool) -> String {
    let rest = if is_torn {
        " and a part of one more"
    } else {
        ""
    };
    format!("{whole_events} of the events{rest} stand")
}
