use crate::format::LINE_BYTES_MAX;
use crate::source::Source;
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::Range;

/// How much is read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// More than this many bytes without an LF are not kept; the last [`LINE_BYTES_MAX`] of them are,
/// in which a whole line may stand glued behind a torn one.
const KEPT_BYTES_MAX: usize = 2 * LINE_BYTES_MAX + CHUNK_BYTES;

/// How many bytes before the next line are kept, and looked at again where a source may have
/// changed: in most logs far more than the last line.
const TAIL_BYTES_MAX: usize = 4096;

/// Splits a growing source at its LFs; yields a line once its LF is there, never half of one.
pub(crate) struct LineReader<S> {
    source: S,
    /// Bytes of the source from `offset + dropped` on, in `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the next line begins in the source.
    offset: u64,
    /// How many bytes of the next line are not kept, being too many.
    dropped: u64,
    /// How many bytes from `start` on are known to hold no LF.
    searched: usize,
}

/// The last bytes before an offset, [`TAIL_BYTES_MAX`] of them where there are so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(crate) offset: u64,
    /// Their CRC-32C.
    pub(crate) checksum: u32,
}

impl Tail {
    /// Reads them; what is not there any more is left out.
    pub(crate) fn read(source: &mut impl Source, offset: u64) -> io::Result<Self> {
        let start = offset.saturating_sub(TAIL_BYTES_MAX as u64);
        let checksum = checksum(source, 0, start, offset)?;
        Ok(Self { offset, checksum })
    }
}

/// Goes on with a checksum over what stands from `start` to `end`, at most [`TAIL_BYTES_MAX`].
fn checksum(source: &mut impl Source, so_far: u32, start: u64, end: u64) -> io::Result<u32> {
    let mut bytes = [0; TAIL_BYTES_MAX];
    let wanted = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    let wanted = wanted.min(TAIL_BYTES_MAX);
    let mut length = 0;
    while length < wanted {
        match source.read_at(start + length as u64, &mut bytes[length..wanted])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(crc32c::crc32c_append(so_far, &bytes[..length]))
}

/// A line as it stands in its source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawLine<'b> {
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// How long it is, its LF included.
    pub(crate) length: u64,
    /// Its bytes without the LF; of a line that is far too long, the last ones.
    pub(crate) bytes: &'b [u8],
}

impl<S: Source> LineReader<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            dropped: 0,
            searched: 0,
        }
    }

    pub(crate) fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// Returns where the next line begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at `offset`, which is where a line begins, and forgets what was read ahead.
    pub(crate) fn seek(&mut self, offset: u64) {
        let at = offset
            .checked_sub(self.buffered())
            .and_then(|bytes| usize::try_from(bytes).ok());
        match at.filter(|at| *at <= self.end) {
            Some(at) => self.start = at,
            None => (self.start, self.end) = (0, 0),
        }
        (self.offset, self.dropped, self.searched) = (offset, 0, 0);
    }

    /// Returns where the line begins that `offset` lies in, or `offset` where the line is too long.
    pub(crate) fn line_start(&mut self, offset: u64) -> io::Result<u64> {
        let mut bytes = vec![0; CHUNK_BYTES];
        let mut end = offset;
        while end > 0 && offset - end <= LINE_BYTES_MAX as u64 {
            let start = end.saturating_sub(CHUNK_BYTES as u64);
            let mut length = 0;
            let wanted = usize::try_from(end - start).unwrap_or(CHUNK_BYTES);
            while length < wanted {
                match self
                    .source
                    .read_at(start + length as u64, &mut bytes[length..wanted])?
                {
                    0 => return Ok(offset),
                    more => length += more,
                }
            }
            if let Some(at) = memchr::memrchr(b'\n', &bytes[..wanted]) {
                return Ok(start + at as u64 + 1);
            }
            end = start;
        }
        Ok(if end == 0 { 0 } else { offset })
    }

    /// Forgets what was read ahead, so that it is read again; gives the memory back.
    pub(crate) fn forget(&mut self) {
        self.buffer = Vec::new();
        (self.start, self.end, self.dropped, self.searched) = (0, 0, 0, 0);
    }

    /// Reads anew what stands before the next line, and on from there; returns the former.
    pub(crate) fn read_anew(&mut self) -> io::Result<Tail> {
        self.seek(self.offset);
        let start = self.offset.saturating_sub(TAIL_BYTES_MAX as u64);
        let before = usize::try_from(self.offset - start).unwrap_or(TAIL_BYTES_MAX);
        self.start = 0;
        self.end = 0;
        self.make_room(before + self.chunk_bytes());
        while self.end < before {
            let at = start + self.end as u64;
            match self.source.read_at(at, &mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(more) => self.end += more,
                Err(error) => {
                    self.forget();
                    return Err(error);
                }
            }
        }
        let read = self.end.min(before);
        let checksum = crc32c::crc32c(&self.buffer[..read]);
        match read < before {
            true => self.forget(),
            false => self.start = before,
        }
        Ok(Tail {
            offset: self.offset,
            checksum,
        })
    }

    /// Returns what stands before the next line: of what is buffered, as it was read.
    pub(crate) fn tail(&mut self) -> io::Result<Tail> {
        let (offset, buffered) = (self.offset, self.buffered());
        let start = offset.saturating_sub(TAIL_BYTES_MAX as u64);
        let split = buffered.clamp(start, offset);
        let unbuffered = checksum(&mut self.source, 0, start, split)?;
        let at = |offset: u64| usize::try_from(offset.saturating_sub(buffered)).unwrap_or(0);
        let read = &self.buffer[at(split)..at(offset)];
        let checksum = crc32c::crc32c_append(unbuffered, read);
        Ok(Tail { offset, checksum })
    }

    /// Returns from where on `buffer[..end]` holds the source's bytes, those already yielded
    /// first.
    fn buffered(&self) -> u64 {
        self.offset + self.dropped - self.start as u64
    }

    /// Returns the next whole line, or `None` where its LF is not there yet.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        let Some(range) = self.find_line()? else {
            return Ok(None);
        };
        let (offset, length) = (self.offset, self.dropped + range.len() as u64 + 1);
        self.start = range.end + 1;
        (self.offset, self.dropped, self.searched) = (offset + length, 0, 0);
        Ok(Some(RawLine {
            offset,
            length,
            bytes: &self.buffer[range],
        }))
    }

    /// Returns how many bytes stand behind the last LF.
    ///
    /// Asked when `next` found no line.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.dropped + (self.end - self.start) as u64
    }

    /// Returns whether at least `count` bytes stand from the next line on.
    pub(crate) fn has_ahead(&mut self, count: u64) -> io::Result<bool> {
        while ((self.end - self.start) as u64) < count {
            if self.fill()? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn find_line(&mut self) -> io::Result<Option<Range<usize>>> {
        loop {
            let from = self.start + self.searched;
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[from..self.end]) {
                self.searched += at;
                return Ok(Some(self.start..from + at));
            }
            self.searched = self.end - self.start;
            if self.searched >= KEPT_BYTES_MAX {
                let dropped = self.searched - LINE_BYTES_MAX;
                self.start += dropped;
                self.searched -= dropped;
                self.dropped += dropped as u64;
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads on behind what is buffered and returns how many bytes came.
    fn fill(&mut self) -> io::Result<usize> {
        let chunk = self.chunk_bytes();
        if chunk == 0 {
            return Ok(0);
        }
        let kept = self.start.min(TAIL_BYTES_MAX);
        if self.buffer.len() - self.end < chunk && self.start > kept {
            let moved = self.start - kept;
            self.buffer.copy_within(moved..self.end, 0);
            (self.start, self.end) = (kept, self.end - moved);
        }
        self.make_room(self.end + chunk);
        let at = self.read_up_to();
        let length = self.source.read_at(at, &mut self.buffer[self.end..])?;
        self.end += length;
        Ok(length)
    }

    /// Returns where what is not read yet begins.
    fn read_up_to(&self) -> u64 {
        self.offset + self.dropped + (self.end - self.start) as u64
    }

    /// Returns how much to read at once: no more than there is, where that is known.
    fn chunk_bytes(&self) -> usize {
        let left = self.source.bytes_from(self.read_up_to());
        let left = left.map_or(CHUNK_BYTES, |left| {
            usize::try_from(left).unwrap_or(CHUNK_BYTES)
        });
        left.min(CHUNK_BYTES)
    }

    /// Makes the buffer as long as is wanted.
    fn make_room(&mut self, wanted: usize) {
        if self.buffer.len() < wanted {
            let grown = (self.buffer.len() * 2).min(KEPT_BYTES_MAX + 2 * CHUNK_BYTES);
            // Zeros that the system hands out cost nothing until they are written over.
            let mut buffer = vec![0; grown.max(wanted)];
            buffer[..self.end].copy_from_slice(&self.buffer[..self.end]);
            self.buffer = buffer;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A source of which more becomes visible, step by step.
    pub(crate) struct ScriptedSource {
        pub(crate) bytes: Vec<u8>,
        pub(crate) visible: usize,
    }

    impl Source for ScriptedSource {
        fn bytes_from(&self, _: u64) -> Option<u64> {
            None
        }

        fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            let from = usize::try_from(offset).expect("small").min(self.visible);
            let length = buffer.len().min(self.visible - from);
            buffer[..length].copy_from_slice(&self.bytes[from..from + length]);
            Ok(length)
        }
    }

    fn read_all(reader: &mut LineReader<ScriptedSource>) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Vec::new();
        while let Some(line) = reader.next().expect("a script does not fail") {
            lines.push((line.offset, line.bytes.to_vec()));
        }
        lines
    }

    #[test]
    fn a_line_is_yielded_once_its_end_is_there_wherever_the_input_is_cut() {
        let bytes = b"first\n\nthird line\n tail";
        for cut in 0..=bytes.len() {
            let source = ScriptedSource {
                bytes: bytes.to_vec(),
                visible: cut,
            };
            let mut reader = LineReader::new(source);
            let mut lines = read_all(&mut reader);
            assert!(lines.iter().map(|(_, line)| line.len() + 1).sum::<usize>() <= cut);
            reader.source_mut().visible = bytes.len();
            lines.extend(read_all(&mut reader));
            let expected: [(u64, &[u8]); 3] = [(0, b"first"), (6, b""), (7, b"third line")];
            assert!(
                lines.iter().map(|(at, line)| (*at, &line[..])).eq(expected),
                "cut {cut}"
            );
            assert_eq!(reader.pending_bytes(), 5);
        }
    }

    #[test]
    fn a_line_of_any_length_costs_bounded_memory() {
        let mut bytes = vec![b'x'; 9 * LINE_BYTES_MAX];
        bytes.extend(b"end\nnext\n");
        let visible = bytes.len();
        let mut reader = LineReader::new(ScriptedSource { bytes, visible });
        let line = reader
            .next()
            .expect("a script does not fail")
            .expect("a line");
        assert_eq!(
            (line.offset, line.length),
            (0, 9 * LINE_BYTES_MAX as u64 + 4)
        );
        assert!(line.bytes.ends_with(b"xend") && line.bytes.len() > LINE_BYTES_MAX);
        assert!(reader.buffer.len() <= KEPT_BYTES_MAX + 2 * CHUNK_BYTES);
        assert_eq!(
            read_all(&mut reader),
            [(9 * LINE_BYTES_MAX as u64 + 4, b"next".to_vec())]
        );
    }
}
