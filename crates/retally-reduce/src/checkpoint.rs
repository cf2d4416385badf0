//! A fold as bytes, to go on with it later.

use crate::fold::RunFold;
use crate::issues::{Issues, PackedIssue};
use crate::price_book::PriceBook;
use crate::run_state::{REDUCER_VERSION, RunState};
use retally_log::{LogError, LogReader, Mark, RunId};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Changes with the form of the bytes.
const MAGIC: &[u8; 8] = b"rtlyfld2";

/// What stands in a checkpoint behind the magic and a checksum; behind it stand the states of the
/// issues, which are read when they are needed.
#[derive(Serialize, Deserialize)]
struct Saved<S> {
    reducer_version: u64,
    /// The digest of the price book with which was folded.
    prices: String,
    marks: Vec<Mark>,
    damaged_lines: u64,
    misfit_lines: u64,
    state: S,
    issues: Vec<PackedIssue>,
}

impl RunFold {
    /// Returns the fold as bytes from which it can be [resumed](Self::resume); `None` while more
    /// is known to be folded or the state is stale, and where the log's reader cannot say in short
    /// where it stands.
    ///
    /// The bytes are this version's own, kept in a cache, never to be sent or stored for long.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, LogError> {
        if self.is_stale() {
            return Ok(None);
        }
        let Some(marks) = self.log.marks()? else {
            return Ok(None);
        };
        let (issues, states) = self.state.issues.pack();
        let saved = Saved {
            reducer_version: REDUCER_VERSION,
            prices: self.state.prices.digest().to_owned(),
            marks,
            damaged_lines: self.damaged_lines,
            misfit_lines: self.misfit_lines,
            state: &self.state,
            issues,
        };
        let body = postcard::to_stdvec(&saved).expect("a state is plain data");
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&body), &states).to_le_bytes();
        let parts = [MAGIC.as_slice(), &checksum, &body, &states];
        Ok(Some(parts.concat()))
    }

    /// Takes a fold up from its checkpoint; what was appended since is still to be folded.
    /// Returns `None` where the checkpoint does not fit, for whatever reason: other bytes before
    /// an offset, a file that is gone, another run, version, or price book, or damage. The log is
    /// then to be folded from its beginning. States of issues are read when they are needed; where
    /// one is none, the fold is [stale](Self::is_stale) from then on.
    ///
    /// All report files are compared when they are written next, unless it is
    /// [known](Self::trust_files) that they stand as they were written.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn resume(
        root: &Path,
        run_id: &RunId,
        prices: Arc<PriceBook>,
        checkpoint: Vec<u8>,
    ) -> Result<Option<Self>, LogError> {
        let Some((mut saved, start)) = read(&checkpoint) else {
            return Ok(None);
        };
        let fits = saved.reducer_version == REDUCER_VERSION
            && saved.prices == prices.digest()
            && saved.state.run_id() == run_id;
        if !fits {
            return Ok(None);
        }
        let log = LogReader::resume(Self::events_dir(root, run_id), &saved.marks)?;
        let issues = Issues::take_up(saved.issues, checkpoint, start);
        (saved.state.issues, saved.state.prices) = match issues {
            Some(issues) => (issues, prices),
            None => return Ok(None),
        };
        Ok(log.map(|log| {
            let mut fold = Self::new(root, log, saved.state);
            (fold.damaged_lines, fold.misfit_lines) = (saved.damaged_lines, saved.misfit_lines);
            fold
        }))
    }
}

/// Reads all but the states of the issues, and returns where these begin.
fn read(checkpoint: &[u8]) -> Option<(Saved<RunState>, usize)> {
    let (checksum, rest) = checkpoint.strip_prefix(MAGIC)?.split_first_chunk()?;
    if crc32c::crc32c(rest) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (saved, states) = postcard::take_from_bytes(rest).ok()?;
    Some((saved, checkpoint.len() - states.len()))
}
