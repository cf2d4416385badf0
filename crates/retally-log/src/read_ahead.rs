//! Reads a long stretch of a segment with several threads: while the lines of one block are
//! visited, those of the next are read, checked and parsed.
//!
//! Only lines that can be trusted are taken here; at any other the stretch ends, and what there is
//! to say of it is said where lines are read one by one.

use crate::line::{Damage, SoundLine, parse_line_into, parse_text_into};
use crate::segment_reader::{Content, Item};
use crate::source::Source;
use rayon::prelude::*;
use std::io;
use std::ops::Range;

/// How much is read at once. A shorter stretch is not worth two threads.
///
/// Tests take so little that short logs are read ahead.
pub(crate) const BLOCK_BYTES: usize = if cfg!(test) { 2 << 10 } else { 512 << 10 };
/// How much a thread parses at once.
const PIECE_BYTES: usize = BLOCK_BYTES / 32;

/// Hands the sound lines from `start` on to `visit` until that returns false, and returns where
/// the next line begins. `is_sealed` says whether each line must have a checksum, as
/// [`SegmentReader`](crate::segment_reader::SegmentReader) knows.
///
/// Where a block cannot be read the stretch ends too.
pub(crate) fn read_ahead(
    source: &mut (impl Source + Send),
    start: u64,
    is_sealed: &mut bool,
    visit: &mut (impl FnMut(Item<'_>) -> bool + Send),
) -> u64 {
    let (mut even, mut odd) = (Block::default(), Block::default());
    let mut stretch = Stretch {
        end: start,
        is_sealed,
        visit,
    };
    let Ok(mut ahead) = even.read(source, start) else {
        return start;
    };
    // Two blocks take turns: one is visited, the other read.
    loop {
        let end = ahead.end();
        let (goes_on, read) = rayon::join(|| stretch.take(ahead), || odd.read(source, end));
        let (true, Ok(next)) = (goes_on, read) else {
            break;
        };
        let end = next.end();
        let (goes_on, read) = rayon::join(|| stretch.take(next), || even.read(source, end));
        let (true, Ok(next)) = (goes_on, read) else {
            break;
        };
        ahead = next;
    }
    stretch.end
}

/// Whole lines as they stand in a segment.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
}

/// The lines of a block, parsed.
struct Lines<'b> {
    start: u64,
    bytes: u64,
    pieces: Vec<Piece<'b>>,
}

/// Some lines of a block, up to the first that cannot be trusted.
struct Piece<'b> {
    lines: Vec<(&'b [u8], SoundLine<'b>)>,
    is_whole: bool,
}

impl Block {
    /// Reads the whole lines from `start` on and parses them. There are none where less than a
    /// block stands there.
    fn read(&mut self, source: &mut impl Source, start: u64) -> io::Result<Lines<'_>> {
        self.bytes.resize(BLOCK_BYTES, 0);
        let mut length = 0;
        while length < BLOCK_BYTES {
            match source.read_at(start + length as u64, &mut self.bytes[length..])? {
                0 => break,
                more => length += more,
            }
        }
        let lines = match memchr::memrchr(b'\n', &self.bytes) {
            Some(last) if length == BLOCK_BYTES => &self.bytes[..=last],
            _ => &[],
        };
        Ok(Lines {
            start,
            bytes: lines.len() as u64,
            pieces: pieces(lines).into_par_iter().map(Piece::parse).collect(),
        })
    }
}

/// Splits whole lines into pieces of whole lines.
fn pieces(mut lines: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::with_capacity(BLOCK_BYTES / PIECE_BYTES + 1);
    while !lines.is_empty() {
        let behind = lines.get(PIECE_BYTES..).unwrap_or_default();
        let length = memchr::memchr(b'\n', behind).map(|at| PIECE_BYTES + at + 1);
        let (piece, rest) = lines.split_at(length.unwrap_or(lines.len()));
        pieces.push(piece);
        lines = rest;
    }
    pieces
}

impl<'b> Piece<'b> {
    fn parse(bytes: &'b [u8]) -> Self {
        let mut lines = Vec::with_capacity(bytes.len() / 128);
        // Told of all lines at once; where it is not UTF-8, each line is looked at by itself.
        let text = simdutf8::basic::from_utf8(bytes).ok();
        let parse_into = |line: Range<usize>, sound: &mut SoundLine<'b>| -> Result<(), Damage> {
            match text.and_then(|text| text.get(line.clone())) {
                Some(text) => parse_text_into(text, sound),
                None => parse_line_into(&bytes[line], sound),
            }
        };
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = start..end;
            // Pushed before it is read: a line is some hundred bytes to move.
            lines.push((&bytes[line.clone()], SoundLine::default()));
            let last = lines.last_mut();
            if last.is_none_or(|(_, sound)| parse_into(line, sound).is_err()) {
                lines.pop();
                return Self {
                    lines,
                    is_whole: false,
                };
            }
            start = end + 1;
        }
        Self {
            lines,
            is_whole: true,
        }
    }
}

impl Lines<'_> {
    /// Returns where the lines behind these begin.
    fn end(&self) -> u64 {
        self.start + self.bytes
    }
}

/// What was visited so far.
struct Stretch<'s, V> {
    /// Where the next line begins.
    end: u64,
    is_sealed: &'s mut bool,
    visit: &'s mut V,
}

impl<V: FnMut(Item<'_>) -> bool> Stretch<'_, V> {
    /// Visits lines and returns whether there may be more to visit.
    fn take(&mut self, lines: Lines<'_>) -> bool {
        let goes_on = lines.bytes > 0;
        for piece in lines.pieces {
            for (bytes, line) in &piece.lines {
                let length = bytes.len() as u64 + 1;
                let item = Item {
                    offset: self.end,
                    length,
                    content: Content::Sound(line, bytes),
                };
                if *self.is_sealed && !line.is_sealed || !(self.visit)(item) {
                    return false;
                }
                *self.is_sealed |= line.is_sealed;
                self.end += length;
            }
            if !piece.is_whole {
                return false;
            }
        }
        goes_on
    }
}
