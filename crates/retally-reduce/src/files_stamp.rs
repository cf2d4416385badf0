//! Whether anybody touched the report files of a run.

use crate::directory::{Directory, EntryStamp};
use crate::report_file::{ISSUES_DIR, final_name, is_issue_name, metadata_name};
use retally_log::RunId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// How files stood before they were written, by their paths from the run's folder on; `None` where
/// there was none.
pub(crate) type Earlier = BTreeMap<PathBuf, Option<EntryStamp>>;

/// How the report files of a run stood at a moment: equal stamps mean that nobody touched them
/// since.
///
/// Made from names, sizes, times and inode numbers; no file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesStamp([u8; 16]);

impl FilesStamp {
    /// Stamps the report files in the folder of a run and in that of its issues, as if those of
    /// `earlier` still stood as they did before.
    pub(crate) fn of(
        run_id: &RunId,
        folder: &Directory,
        issues: Option<Directory>,
        earlier: &Earlier,
    ) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut add = |name: &str, stamp: Option<EntryStamp>| {
            hasher.update(name.as_bytes());
            hasher.update([0, u8::from(stamp.is_some())]);
            for word in stamp.into_iter().flatten() {
                hasher.update(word.to_le_bytes());
            }
        };
        for name in [metadata_name(run_id), final_name(run_id)] {
            let stamp = match earlier.get(Path::new(&name)) {
                Some(stamp) => *stamp,
                None => folder.stamp_of(&name)?,
            };
            add(&name, stamp);
        }
        if let Some(issues) = issues {
            for (name, stamp) in issues.into_stamps(is_issue_name)? {
                let stamp = match earlier.is_empty() {
                    true => Some(stamp),
                    false => {
                        let path = Path::new(ISSUES_DIR).join(&name);
                        earlier.get(&path).copied().unwrap_or(Some(stamp))
                    }
                };
                if stamp.is_some() {
                    add(&name, stamp);
                }
            }
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        Ok(Self(digest))
    }
}
