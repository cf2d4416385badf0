use crate::format::{LINE_BYTES_MAX, UNSETTLED_BYTES};
use crate::line::{Damage, SoundLine, parse_line, salvage};
use crate::line_reader::{LineReader, RawLine};
use crate::source::{FileSource, Source};
use std::io;

/// Tells the sound lines of one file from its blank and damaged ones, resumable as it grows.
pub(crate) struct SegmentReader<S> {
    lines: LineReader<S>,
    /// Whether a line with a checksum was seen: from then on each line must have one.
    is_sealed: bool,
    /// The damage near the end that was seen and not yet counted: where, and which bytes.
    doubted: Option<Doubt>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Doubt {
    offset: u64,
    length: u64,
    checksum: u32,
}

/// A stretch of a file: a line with its LF, or the torn part in front of a salvaged line.
#[derive(Debug)]
pub(crate) struct Item<'b> {
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// How many bytes it spans.
    pub(crate) length: u64,
    pub(crate) content: Content<'b>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for the length of a visit"
)]
pub(crate) enum Content<'b> {
    /// White space only.
    Blank,
    /// The bytes cannot be trusted.
    Damage(Damage),
    /// A line that can be trusted, with its bytes.
    Sound(SoundLine<'b>, &'b [u8]),
}

impl<S: Source> SegmentReader<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            lines: LineReader::new(source),
            is_sealed: false,
            doubted: None,
        }
    }

    /// Goes on at `offset`, which is where an item begins.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.lines.seek(offset);
    }

    /// Goes back to the beginning.
    pub(crate) fn restart(&mut self) {
        self.lines.forget();
        self.lines.seek(0);
        (self.is_sealed, self.doubted) = (false, None);
    }

    /// Returns the line that begins at `offset`, as it stands.
    pub(crate) fn line_at(&mut self, offset: u64) -> io::Result<Option<RawLine<'_>>> {
        self.lines.seek(offset);
        self.lines.next()
    }

    /// Returns how many bytes stand behind the last LF; asked when `next` found no item.
    pub(crate) fn pending_bytes(&self) -> u64 {
        if self.doubted.is_some() {
            0
        } else {
            self.lines.pending_bytes()
        }
    }

    /// Returns where the next item begins.
    pub(crate) fn offset(&self) -> u64 {
        self.lines.offset()
    }

    /// Returns whether there is damage near the end that wants a second look.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubted.is_some()
    }

    /// Hands the next item to `visit`, or returns `None` where there is no whole line for now.
    ///
    /// Damage near the end of the file is held back at the first look: the pages of a write may
    /// show one by one. It counts when a later call finds the same bytes, or more behind them.
    pub(crate) fn next<R>(&mut self, visit: impl FnOnce(Item<'_>) -> R) -> io::Result<Option<R>> {
        let Some(line) = self.lines.next()? else {
            return Ok(None);
        };
        let RawLine {
            offset,
            length,
            bytes,
        } = line;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            self.doubted = None;
            return Ok(Some(visit(Item {
                offset,
                length,
                content: Content::Blank,
            })));
        }
        let damage = match judge(bytes, length, self.is_sealed) {
            Ok(sound) => {
                self.is_sealed |= sound.is_sealed;
                self.doubted = None;
                let content = Content::Sound(sound, bytes);
                return Ok(Some(visit(Item {
                    offset,
                    length,
                    content,
                })));
            }
            Err(damage) => damage,
        };
        let checksum = crc32c::crc32c(bytes);
        let glued = salvage(bytes).map(|at| (bytes.len() - at) as u64 + 1);
        if self.holds_back(Doubt {
            offset,
            length,
            checksum,
        })? {
            return Ok(None);
        }
        let Some(glued) = glued else {
            return Ok(Some(visit(Item {
                offset,
                length,
                content: Content::Damage(damage),
            })));
        };
        let length = length - glued;
        self.lines.seek(offset + length);
        Ok(Some(visit(Item {
            offset,
            length,
            content: Content::Damage(Damage::Torn),
        })))
    }

    /// Returns whether damage is to be looked at again, and remembers that it was seen.
    fn holds_back(&mut self, doubt: Doubt) -> io::Result<bool> {
        let is_settled = self.doubted == Some(doubt) || self.lines.has_ahead(UNSETTLED_BYTES)?;
        if is_settled {
            self.doubted = None;
            return Ok(false);
        }
        self.lines.forget();
        self.lines.seek(doubt.offset);
        self.doubted = Some(doubt);
        Ok(true)
    }
}

impl SegmentReader<FileSource> {
    /// Gives the file handle and the buffer back until the next read.
    pub(crate) fn close(&mut self) {
        self.lines.forget();
        self.lines.source_mut().close();
    }

    /// Returns why the compressed bytes end before their end, once.
    pub(crate) fn take_fault(&mut self) -> Option<String> {
        self.lines.source_mut().take_fault()
    }
}

/// Tells whether a line that is not blank can be trusted.
fn judge(bytes: &[u8], length: u64, must_be_sealed: bool) -> Result<SoundLine<'_>, Damage> {
    if length > LINE_BYTES_MAX as u64 + 1 {
        return Err(Damage::TooLong);
    }
    let sound = parse_line(bytes)?;
    if must_be_sealed && !sound.is_sealed {
        return Err(Damage::Unsealed);
    }
    Ok(sound)
}
