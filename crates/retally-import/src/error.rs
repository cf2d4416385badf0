use retally_log::{AppendError, LogError, RootError};
use std::path::PathBuf;

/// Why a file or a run cannot be imported. A record that cannot be used is no error: it is a
/// [`Problem`](crate::Problem).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is not text.
    #[error("`{}` is not UTF-8 from byte {offset} on (save it as UTF-8)", .path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first byte that is not UTF-8.
        offset: u64,
    },
    /// The file is not JSON, or not of the shape of its format.
    #[error(
        "`{}` cannot be read at byte {offset} (is the file whole, and of this format?)",
        .path.display()
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// Why not.
        source: serde_json::Error,
    },
    /// The file is JSON, but not of the shape of its format.
    #[error("`{}` holds {got} at byte {offset} (want {want})", .path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// What stands there.
        got: String,
        /// What the format has there.
        want: &'static str,
    },
    /// One run was asked for, and the file holds several.
    #[error(
        "`{}` holds {got} runs, which cannot become one (leave out the run, and each gets its own)",
        .path.display()
    )]
    SeveralRuns {
        /// The file.
        path: PathBuf,
        /// How many runs it holds.
        got: usize,
    },
    /// The log of the run cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The run cannot be created.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The events cannot be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
}
