//! What a listing shows of each run, kept in the user's cache: only runs whose logs changed since
//! are folded for the next one.

use crate::setting::cache_folder;
use anyhow::{Context, Result};
use retally_log::{Host, LogStamp, Root, RunId};
use retally_reduce::REDUCER_VERSION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Changes with the form of the file.
const MAGIC: &[u8; 8] = b"rtlyidx1";

/// The listed runs of a root, in a file that can be deleted at any time.
pub(crate) struct RunIndex {
    /// `None` where the user has no place for it.
    path: Option<PathBuf>,
    content: Content,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Content {
    /// What made the cells.
    made_by: (String, u64),
    /// Which start of the machine: what was written before a power cut may not have lasted.
    boot: Option<String>,
    /// By run, how its log stood, and its cells as JSON.
    runs: BTreeMap<String, (LogStamp, String)>,
}

impl RunIndex {
    /// Reads what is known of the runs of a root, which is nothing where the file is not there,
    /// damaged, or of another version or start of the machine.
    pub(crate) fn load(root: &Root) -> Self {
        let path = cache_folder().map(|cache| cache.join("listings").join(root.cache_name()));
        let mut content = Content {
            made_by: (env!("CARGO_PKG_VERSION").to_owned(), REDUCER_VERSION),
            boot: Host::current().boot,
            runs: BTreeMap::new(),
        };
        let saved = path.as_ref().and_then(|path| std::fs::read(path).ok());
        if let Some(saved) = saved.as_deref().and_then(parse)
            && saved.made_by == content.made_by
            && saved.boot == content.boot
            && content.boot.is_some()
        {
            content = saved;
        }
        Self { path, content }
    }

    /// Returns the cells of a run whose log still stands so.
    pub(crate) fn get(&self, run: &RunId, log: &LogStamp) -> Option<Vec<Value>> {
        let (known, cells) = self.content.runs.get(run.as_str())?;
        let cells = (known == log).then(|| serde_json::from_str(cells));
        cells?.ok()
    }

    /// Keeps the cells of these runs and of no others.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save<'r>(
        mut self,
        runs: impl Iterator<Item = (&'r RunId, LogStamp, &'r [Value])>,
    ) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let kept = runs.map(|(run, log, cells)| {
            let cells = serde_json::to_string(cells)?;
            Ok((run.as_str().to_owned(), (log, cells)))
        });
        self.content.runs = kept.collect::<Result<_>>()?;
        let body = postcard::to_stdvec(&self.content)?;
        let folder = path.parent().context("a cache has a folder")?;
        // What others may not read in the logs, they must not read here.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&crc32c::crc32c(&body).to_le_bytes())?;
        file.write_all(&body)?;
        file.persist(path)?;
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Option<Content> {
    let (checksum, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    let is_whole = crc32c::crc32c(body) == u32::from_le_bytes(*checksum);
    is_whole.then(|| postcard::from_bytes(body).ok()).flatten()
}
