//! The end of a segment that a writer goes on behind.

use crate::format::LINE_BYTES_MAX;
use crate::line::parse_line;
use crate::storage::SegmentHandle;
use crate::timestamp::Timestamp;
use memchr::memrchr;
use std::io;

/// How many bytes at the end are read: first what nearly always holds the last line, then what
/// holds it if it and the torn one behind it are as long as can be.
const WINDOWS_BYTES: [usize; 2] = [8 << 10, 2 * (LINE_BYTES_MAX + 1)];

/// What a segment ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentTail {
    /// The time of the last line that counts.
    pub(crate) last_ts: Timestamp,
    /// The number of the next line; a torn line has used up its own.
    pub(crate) next_seq: u64,
    /// Whether the next write has to end a line first: a torn one, or a whole one that lacks
    /// only its LF.
    pub(crate) needs_lf: bool,
}

impl SegmentTail {
    /// Reads the end of a file of `bytes` bytes; `None` where it leaves any doubt.
    pub(crate) fn read(file: &dyn SegmentHandle, bytes: u64) -> io::Result<Option<Self>> {
        for window in WINDOWS_BYTES {
            let start = bytes.saturating_sub(window as u64);
            let mut end = vec![0; usize::try_from(bytes - start).unwrap_or(window)];
            file.read_exact_at(&mut end, start)?;
            if let Some((line, rest)) = last_whole_line(&end, start == 0) {
                return Ok(Self::judge(line, rest));
            }
        }
        Ok(None)
    }

    /// Takes the last whole line, and the bytes behind its LF.
    fn judge(line: &[u8], rest: &[u8]) -> Option<Self> {
        let (last_seq, last_ts) = place(line)?;
        let tail = |last_seq: u64, last_ts| Self {
            last_ts,
            next_seq: last_seq + 1,
            needs_lf: !rest.is_empty(),
        };
        if rest.is_empty() {
            return Some(tail(last_seq, last_ts));
        }
        match place(rest) {
            Some((seq, ts)) => (seq > last_seq).then(|| tail(seq, ts.max(last_ts))),
            None if rest.len() > LINE_BYTES_MAX => None,
            None => Some(tail(last_seq + 1, last_ts)),
        }
    }
}

/// Returns the last whole line, its LF not included, and what follows, or `None` where the line
/// begins before `bytes` do.
fn last_whole_line(bytes: &[u8], is_whole_file: bool) -> Option<(&[u8], &[u8])> {
    let end = memrchr(b'\n', bytes)?;
    let start = match memrchr(b'\n', &bytes[..end]) {
        Some(at) => at + 1,
        None if is_whole_file => 0,
        None => return None,
    };
    Some((&bytes[start..end], &bytes[end + 1..]))
}

/// Returns the number and time of a line that is beyond doubt one of ours.
fn place(line: &[u8]) -> Option<(u64, Timestamp)> {
    let sound = parse_line(line).ok().filter(|sound| sound.is_sealed)?;
    let envelope = sound.content.ok()?;
    Some((envelope.seq?, envelope.ts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line_writer::{TextRules, encode_line};
    use crate::{Draft, NoteAdded};
    use std::fs::File;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros_saturating(seconds * 1_000_000)
    }

    fn line(seq: u64, seconds: i64, text: &str) -> Vec<u8> {
        let note = NoteAdded {
            text: text.into(),
            issue: None,
            agent: None,
        };
        let mut line = Vec::new();
        encode_line(
            &mut line,
            seq,
            at(seconds),
            &Draft::from(note),
            TextRules::default(),
        )
        .expect("the event fits");
        line
    }

    fn check(content: &[u8], expected: Option<(u64, i64, bool)>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("segment");
        std::fs::write(&path, content).expect("written");
        let file = File::open(&path).expect("open");
        let tail = SegmentTail::read(&file, content.len() as u64).expect("readable");
        let expected = expected.map(|(next_seq, seconds, needs_lf)| SegmentTail {
            last_ts: at(seconds),
            next_seq,
            needs_lf,
        });
        assert_eq!(tail, expected, "{}", String::from_utf8_lossy(content));
    }

    #[test]
    fn a_whole_end_is_gone_on_behind() {
        check(
            &[line(0, 5, "a"), line(1, 7, "b")].concat(),
            Some((2, 7, false)),
        );
        check(&line(0, 5, "a"), Some((1, 5, false)));
        let long = "x".repeat(LINE_BYTES_MAX - 200);
        check(
            &[line(0, 5, &long), line(1, 7, &long)].concat(),
            Some((2, 7, false)),
        );
    }

    #[test]
    fn a_torn_line_has_used_up_its_number_wherever_it_was_cut() {
        let whole = [line(0, 5, "a"), line(1, 7, "b")].concat();
        let torn = line(2, 9, "ü");
        for cut in 1..torn.len() - 1 {
            check(&[&whole, &torn[..cut]].concat(), Some((3, 7, true)));
        }
    }

    #[test]
    fn a_whole_line_that_lacks_only_its_lf_counts() {
        let last = line(2, 9, "c");
        let whole = &last[..last.len() - 1];
        check(&[&line(1, 7, "b"), whole].concat(), Some((3, 9, true)));
        // A line numbered again leaves doubt about all of the end.
        check(&[&line(2, 7, "b"), whole].concat(), None);
    }

    #[test]
    fn any_other_end_leaves_doubt() {
        check(b"", None);
        check(b"\n", None);
        check(b"{\"seq\":0", None);
        check(&[&line(0, 5, "a")[..], b"\n"].concat(), None);
        check(&[&line(0, 5, "a")[..], b"{\"ts\":\"torn\n"].concat(), None);
        let mut flipped = line(0, 5, "a");
        flipped[40] ^= 1;
        check(&flipped, None);
        check(
            &[line(0, 5, "a"), vec![b'x'; LINE_BYTES_MAX + 1]].concat(),
            None,
        );
        check(&vec![b'x'; 3 * LINE_BYTES_MAX], None);
        check(
            b"{\"seq\":0,\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"run.scored\",\"success\":true}\n",
            None,
        );
    }
}
