//! How many lines a segment has, which `run.finished` states and `check` compares.

use crate::event::Event;
use crate::format::{COUNT_MAX, LINE_BYTES_MAX};
use crate::line::{SoundLine, parse_line};
use crate::position::SegmentId;
use crate::segment_file::{self, SegmentFile};
use crate::timestamp::Timestamp;
use memchr::memrchr;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Returns how many lines each segment of a folder has, as far as it can be read.
///
/// That is the number of the last line plus one where that is sealed, else the greatest number of a
/// line plus one, else the count of whole lines. Files with one id are one segment, of which the
/// longest counts. A segment that cannot be read is left out: the numbers are lower bounds.
pub(crate) fn count_all(events_dir: &Path) -> io::Result<BTreeMap<SegmentId, u64>> {
    let mut lines = BTreeMap::new();
    for file in segment_file::list(events_dir)? {
        let Ok((id, count)) = first_line(&file).and_then(|head| {
            let id = head.id.unwrap_or_else(|| SegmentId::new(file.stem()));
            Ok((id, count(&file)?))
        }) else {
            continue;
        };
        let known = lines.entry(id).or_insert(0);
        *known = count.max(*known);
    }
    Ok(lines)
}

/// What the first line of a segment says.
#[derive(Debug, Default)]
pub(crate) struct FirstLine {
    /// The segment's id, where the line states one.
    pub(crate) id: Option<SegmentId>,
    /// The line's time, where it has one.
    pub(crate) ts: Option<Timestamp>,
}

/// Reads the first line of a segment; nothing is known where it is not whole or not sound.
pub(crate) fn first_line(file: &SegmentFile) -> io::Result<FirstLine> {
    let mut line = Vec::new();
    let limit = LINE_BYTES_MAX as u64 + 1;
    contents(file)?.take(limit).read_until(b'\n', &mut line)?;
    let sound = line
        .strip_suffix(b"\n")
        .and_then(|line| parse_line(line).ok());
    let Some(sound) = sound else {
        return Ok(FirstLine::default());
    };
    let id = match sound.content.map(|envelope| envelope.event) {
        Ok(Event::SegmentOpened(header)) => header.segment.map(|id| SegmentId::new(&id)),
        _ => None,
    };
    Ok(FirstLine { id, ts: sound.ts })
}

fn count(file: &SegmentFile) -> io::Result<u64> {
    let last = match file.is_compressed {
        true => None,
        false => last_line(&segment_file::open(&file.path)?)?,
    };
    let lines = match last {
        // Among sealed lines one without a checksum is damage, and its number means nothing.
        Some(last) if last.is_sealed => last.seq + 1,
        _ => count_by_reading(&mut contents(file)?)?,
    };
    // A greater one could not be stated.
    Ok(lines.min(COUNT_MAX))
}

/// A line that bears a number.
struct Numbered {
    seq: u64,
    is_sealed: bool,
}

/// Reads the last whole line of a plain file, where it is of usual length and bears a number.
fn last_line(file: &File) -> io::Result<Option<Numbered>> {
    const END_BYTES: u64 = 64 << 10;
    let bytes = file.metadata()?.len();
    let start = bytes.saturating_sub(END_BYTES);
    let mut end = vec![0; usize::try_from(bytes - start).unwrap_or_default()];
    file.read_exact_at(&mut end, start)?;
    let Some(lf) = memrchr(b'\n', &end) else {
        return Ok(None);
    };
    Ok(match memrchr(b'\n', &end[..lf]) {
        Some(before) => numbered(&end[before + 1..lf]),
        None if start == 0 => numbered(&end[..lf]),
        None => None,
    })
}

/// Counts in bounded memory, whatever the lines are.
fn count_by_reading(contents: &mut dyn BufRead) -> io::Result<u64> {
    let (mut lines, mut next_number, mut line) = (0, 0, Vec::new());
    let mut is_sealed = false;
    loop {
        let chunk = contents.fill_buf()?;
        if chunk.is_empty() {
            return Ok(if next_number > 0 { next_number } else { lines });
        }
        let lf = memchr::memchr(b'\n', chunk);
        let end = lf.unwrap_or(chunk.len());
        let room = (LINE_BYTES_MAX + 1).saturating_sub(line.len());
        line.extend_from_slice(&chunk[..end.min(room)]);
        if lf.is_some() {
            lines += 1;
            if let Some(found) = numbered(&line).filter(|found| found.is_sealed >= is_sealed) {
                next_number = next_number.max(found.seq + 1);
                is_sealed = found.is_sealed;
            }
            line.clear();
        }
        contents.consume(end + usize::from(lf.is_some()));
    }
}

fn numbered(line: &[u8]) -> Option<Numbered> {
    memchr::memmem::find(line, b"\"seq\"")?; // far cheaper than to read a line that has none
    let SoundLine { seq, is_sealed, .. } = parse_line(line).ok()?;
    seq.map(|seq| Numbered { seq, is_sealed })
}

/// Opens what a segment holds, uncompressed.
fn contents(file: &SegmentFile) -> io::Result<Box<dyn BufRead>> {
    let plain = segment_file::open(&file.path)?;
    Ok(match file.is_compressed {
        true => Box::new(BufReader::new(segment_file::decoder(plain)?)),
        false => Box::new(BufReader::new(plain)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNNUMBERED: &str =
        "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"run.scored\",\"success\":true}\n";

    fn numbered(seq: u64) -> String {
        UNNUMBERED.replacen('{', &format!("{{\"seq\":{seq},"), 1)
    }

    fn check(content: &str, expected: u64) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("plain.jsonl"), content).expect("written");
        let compressed = zstd::encode_all(content.as_bytes(), 3).expect("compressed");
        std::fs::write(folder.path().join("packed.jsonl.zst"), compressed).expect("written");
        let lines = count_all(folder.path()).expect("a folder of segments");
        let expected = ["packed", "plain"].map(|stem| (SegmentId::new(stem), expected));
        assert_eq!(lines, BTreeMap::from(expected), "{content}");
    }

    #[test]
    fn numbers_count_where_there_are_any_else_whole_lines() {
        check("", 0);
        check(&numbered(6), 7);
        check(&format!("{}{}torn", numbered(6), numbered(7)), 8);
        check(&UNNUMBERED.repeat(3), 3);
        check(&format!("{}{}{UNNUMBERED}", numbered(5), numbered(6)), 7);
        check(&format!("{UNNUMBERED}{}", UNNUMBERED.trim_end()), 1);
        check(&format!("{}{}\n", numbered(6), "x".repeat(3 << 20)), 7);
        check(&format!("{}\n{}", "x".repeat(200_000), numbered(9)), 10);
    }

    #[test]
    fn a_number_that_no_count_can_follow_is_the_greatest_count() {
        check(&numbered(COUNT_MAX), COUNT_MAX);
    }

    #[test]
    fn a_line_without_checksum_does_not_count_among_sealed_ones() {
        let line = numbered(6);
        let sealed = line.trim_end().strip_suffix('}').expect("an object");
        let sealed = format!(
            "{sealed},\"crc\":\"{:08x}\"}}\n",
            crc32c::crc32c(sealed.as_bytes())
        );
        check(&format!("{sealed}{}", numbered(1000)), 7);
        check(&format!("{}{sealed}", numbered(5)), 7);
    }

    #[test]
    fn files_with_one_id_are_one_segment() {
        let folder = tempfile::tempdir().expect("a folder");
        let header = "{\"seq\":0,\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"segment.opened\",\"segment\":\"s\"}\n";
        for (name, content) in [
            ("copy.jsonl", header.to_owned()),
            ("original.jsonl", format!("{header}{}", numbered(1))),
            ("broken.jsonl.zst", "not zstd".to_owned()),
        ] {
            std::fs::write(folder.path().join(name), content).expect("written");
        }
        let lines = count_all(folder.path()).expect("a folder of segments");
        assert_eq!(lines, BTreeMap::from([(SegmentId::new("s"), 2)]));
    }
}
