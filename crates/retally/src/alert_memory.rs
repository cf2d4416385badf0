//! Which alerts were delivered where, between two lives of a watcher.

use anyhow::{Context, Result, bail};
use retally_log::{Root, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A file of the user's cache in which each delivery is a line, locked while somebody delivers.
///
/// It can be deleted at any time, which has the alerts of late delivered again.
pub(crate) struct AlertMemory {
    /// `None` where the user has no place for it, or it cannot be written any more.
    file: Option<File>,
    delivered: BTreeSet<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Where to: a target's id.
    to: String,
    /// The alert's.
    key: String,
    /// The alert's; `None` is kept for ever.
    ts: Option<Timestamp>,
}

impl AlertMemory {
    /// Opens the file of a root, and forgets what came to be before `since`.
    ///
    /// # Errors
    /// Somebody else delivers the alerts of this root, or the file cannot be read.
    pub(crate) fn open(cache: Option<&Path>, root: &Root, since: Timestamp) -> Result<Self> {
        let Some(cache) = cache else {
            let delivered = BTreeSet::new();
            return Ok(Self {
                file: None,
                delivered,
            });
        };
        let folder = cache.join("alerts");
        let path = folder.join(format!("{}.jsonl", root.cache_name()));
        let opened = || -> std::io::Result<File> {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&folder)?;
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).mode(0o600);
            options.open(&path)
        };
        let file = opened().with_context(|| cannot(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "alerts of this root are being delivered already \
                 (end the other `retally watch --alerts`)"
            ),
            // Where there are no locks, each delivers by itself.
            Err(TryLockError::Error(_)) => {}
        }
        Self::load(file, since).with_context(|| cannot(&path))
    }

    fn load(mut file: File, since: Timestamp) -> Result<Self> {
        let mut lines = Vec::new();
        for line in BufReader::new((&file).take(FILE_BYTES_MAX)).lines() {
            // A line that a dying process left torn is none.
            if let Ok(line) = serde_json::from_str::<Line>(&line?) {
                lines.push(line);
            }
        }
        let all = lines.len();
        lines.retain(|line| line.ts.is_none_or(|ts| ts >= since));
        let mut memory = Self {
            file: None,
            delivered: BTreeSet::new(),
        };
        if lines.len() < all {
            file.set_len(0)?;
            file.rewind()?;
            for line in &lines {
                writeln!(file, "{}", serde_json::to_string(line)?)?;
            }
        }
        let keys = lines.into_iter().map(|line| (line.to, line.key));
        memory.delivered.extend(keys);
        memory.file = Some(file);
        Ok(memory)
    }

    /// Returns whether an alert was delivered there.
    pub(crate) fn holds(&self, to: &str, key: &str) -> bool {
        self.delivered.contains(&(to.to_owned(), key.to_owned()))
    }

    /// Notes that an alert was delivered.
    ///
    /// # Errors
    /// It is noted for this process alone; said once.
    pub(crate) fn note(&mut self, to: &str, key: &str, ts: Option<Timestamp>) -> Result<()> {
        self.delivered.insert((to.to_owned(), key.to_owned()));
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let line = Line {
            to: to.to_owned(),
            key: key.to_owned(),
            ts,
        };
        let line = format!("{}\n", serde_json::to_string(&line)?);
        if let Err(error) = file.write_all(line.as_bytes()) {
            self.file = None;
            return Err(error).context("alerts may be delivered again after a restart");
        }
        Ok(())
    }
}

fn cannot(path: &Path) -> String {
    let path = path.display();
    format!("cannot remember in `{path}` which alerts were delivered")
}
