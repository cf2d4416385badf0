use std::io;
use std::path::PathBuf;

/// Why a log cannot be read. Damage is no error: it is an [`Entry`](crate::Entry).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The folder of the segments cannot be listed.
    #[error("cannot list the segments in `{}`", .path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A segment cannot be read.
    #[error("cannot read segment `{}` at byte {offset}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// Why not.
        source: io::Error,
    },
    /// A segment was written by a newer version.
    #[error(
        "segment `{}` has format version {got}, this retally reads up to {} (upgrade retally)",
        .path.display(), crate::format::FORMAT_VERSION
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: u64,
    },
}

impl LogError {
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            Self::List { source, .. } | Self::Read { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
            }
            Self::Format { .. } => false,
        }
    }
}
