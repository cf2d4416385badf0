//! JSON Lines: events in retally's own words, written by any program.
//!
//! Each line is one event as `docs/format.md` describes it, with `ts` (RFC 3339, any offset) and
//! `type`; `seq` and `crc` are dropped, types and fields that retally does not know are kept, blank
//! lines are passed over. Any other line is named as a problem: without `ts` or `type`, against the
//! rules of its type, not JSON, torn, too long, or a `segment.opened`, which describes a file.
//!
//! The events belong to the run that the caller names, else to one named for the file's stem.
//!
//! A line without `key` gets one from its content and its occurrence in the file:
//! `jsonl:<32 hex digits of SHA-256>:<n>`. So equal lines of one file are separate events, a file
//! that grew adds its new lines only, and the same line in two files of one run is one event.
//! The content is the object with sorted keys and without `seq` and `crc`, so that another
//! spelling of the same line is the same line.

use crate::error::ImportError;
use crate::format::Format;
use crate::parsed::{ImportedRun, Parsed};
use crate::problem::Problem;
use crate::record::{RecordError, TIME, parse_object};
use crate::source::Source;
use retally_log::{Draft, DraftError, Event, LINE_BYTES_MAX, RunId, Times};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const NAME: &str = "jsonl";

pub(crate) const FORMAT: Format = Format {
    name: NAME,
    summary: "events in retally's own words, one JSON object a line",
    parse,
};

fn parse<'a>(source: &Source<'a>) -> Result<Parsed<'a>, ImportError> {
    let mut parsed = Parsed::default();
    let mut drafts = Vec::new();
    let mut contents = Contents::default();
    let mut offset = 0;
    for (line, record) in source.bytes.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let text = text.trim_ascii();
        if !text.is_empty() {
            match read_line(text, &mut contents) {
                Ok(draft) => drafts.push(draft),
                Err(error) => parsed.problems.push(Problem {
                    record,
                    offset,
                    reason: error.to_string(),
                }),
            }
        }
        offset += line.len() as u64;
    }
    if !drafts.is_empty() {
        let stem = source.path.file_stem().unwrap_or_default();
        parsed.runs.push(ImportedRun {
            id: RunId::for_import(NAME, &stem.to_string_lossy()),
            times: Times::Given,
            drafts,
        });
    }
    Ok(parsed)
}

/// Why a line is not an event.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error("the line is {got} bytes long (want at most {LINE_BYTES_MAX})")]
    TooLong { got: usize },
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("`ts` is missing (want {TIME})")]
    NoTime,
    #[error(
        "`segment.opened` describes a file and is no event (copy files of retally into the run's `events/` folder)"
    )]
    Opened,
}

fn read_line<'a>(line: &'a [u8], contents: &mut Contents) -> Result<Draft<'a>, LineError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineError::TooLong { got: line.len() });
    }
    let mut draft = Draft::from_json(line)?;
    if matches!(draft.event, Event::SegmentOpened(_)) {
        return Err(LineError::Opened);
    }
    if draft.ts.is_none() {
        return Err(LineError::NoTime);
    }
    let text = str::from_utf8(line).expect("a draft was read from it");
    // Asked for every line: what has no content that free JSON can hold, no log can hold.
    let key = contents.key(text)?;
    draft.key.get_or_insert(key.into());
    Ok(draft)
}

/// Counts how often each content occurred.
#[derive(Default)]
struct Contents(BTreeMap<ContentHash, u64>);

/// Equal for equal contents only, as far as anyone knows.
type ContentHash = [u8; 16];

impl Contents {
    /// Returns the key of the next occurrence of a line's content.
    fn key(&mut self, line: &str) -> Result<String, RecordError> {
        let mut object = parse_object(line)?;
        object.remove("seq");
        object.remove("crc");
        let content = serde_json::to_vec(&object).expect("free JSON has string keys only");
        let digest = Sha256::digest(content);
        let mut hash = ContentHash::default();
        hash.copy_from_slice(&digest[..16]);
        let occurrence = self.0.entry(hash).or_default();
        *occurrence += 1;
        let mut key = format!("{NAME}:");
        for byte in hash {
            write!(key, "{byte:02x}").expect("a String takes every write");
        }
        write!(key, ":{occurrence}").expect("a String takes every write");
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
