use crate::format::{LINE_BYTES_MAX, UNSETTLED_BYTES};
use crate::line::{Damage, SoundLine, parse_line_into, salvage};
use crate::line_reader::{LineReader, RawLine, Tail};
use crate::read_ahead::read_ahead;
use crate::source::{FileSource, Source};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;

/// Tells the sound lines of one file from its blank and damaged ones, resumable as it grows.
pub(crate) struct SegmentReader<S> {
    lines: LineReader<S>,
    /// Whether a line with a checksum was seen: from then on each line must have one.
    is_sealed: bool,
    /// The damage that was yielded from near the end, while it is near the end.
    unsettled: Vec<Unsettled>,
}

/// Damaged bytes that a file system may still be about to show in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unsettled {
    offset: u64,
    /// The LF not included.
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
pub(crate) enum Content<'b> {
    /// White space only.
    Blank,
    /// The bytes cannot be trusted.
    Damage(Damage),
    /// A line that can be trusted, with its bytes.
    Sound(&'b SoundLine<'b>, &'b [u8]),
}

impl<S: Source> SegmentReader<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            lines: LineReader::new(source),
            is_sealed: false,
            unsettled: Vec::new(),
        }
    }

    /// Goes on at `offset`, which is where an item begins.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.lines.seek(offset);
    }

    /// Goes on at the last start of a line that is not behind `offset`; a line of which there is
    /// more before it than a line may be long is yielded in part. Called at the beginning.
    pub(crate) fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        if offset == 0 {
            return Ok(());
        }
        // The first line tells whether those behind it must have a checksum.
        self.next(|_| ())?;
        let start = self.lines.line_start(offset)?;
        self.lines.seek(start);
        Ok(())
    }

    /// Goes on where another reader of the same bytes stood.
    pub(crate) fn resume(&mut self, offset: u64, is_sealed: bool, unsettled: Vec<Unsettled>) {
        self.lines.seek(offset);
        (self.is_sealed, self.unsettled) = (is_sealed, unsettled);
    }

    /// Returns whether each further line must have a checksum.
    pub(crate) fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Returns the damage that may still turn out otherwise.
    pub(crate) fn unsettled(&self) -> &[Unsettled] {
        &self.unsettled
    }

    /// Goes back to the beginning.
    pub(crate) fn restart(&mut self) {
        self.lines.forget();
        self.lines.seek(0);
        self.is_sealed = false;
        self.unsettled.clear();
    }

    /// Returns the line that begins at `offset`, as it stands.
    pub(crate) fn line_at(&mut self, offset: u64) -> io::Result<Option<RawLine<'_>>> {
        self.lines.seek(offset);
        self.lines.next()
    }

    /// Returns what stands before the next item, as it was read.
    pub(crate) fn tail(&mut self) -> io::Result<Tail> {
        self.lines.tail()
    }

    /// Returns what stands before `offset` in the source now.
    pub(crate) fn tail_on_disk(&mut self, offset: u64) -> io::Result<Tail> {
        Tail::read(self.lines.source_mut(), offset)
    }

    /// Returns how many bytes stand behind the last LF; asked when `next` found no item.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.lines.pending_bytes()
    }

    /// Returns where the next item begins.
    pub(crate) fn offset(&self) -> u64 {
        self.lines.offset()
    }

    /// Hands the next item to `visit`, or returns `None` where there is no whole line for now.
    ///
    /// Damage near the end of the file is looked at again before it is yielded, and later by
    /// [`was_mended`](Self::was_mended): the pages of a write may show one by one.
    pub(crate) fn next<R>(&mut self, visit: impl FnOnce(Item<'_>) -> R) -> io::Result<Option<R>> {
        let mut is_second_look = false;
        loop {
            let Some(line) = self.lines.next()? else {
                return Ok(None);
            };
            let RawLine {
                offset,
                length,
                bytes,
            } = line;
            let is_kept_whole = bytes.len() as u64 + 1 == length;
            if is_kept_whole && bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(visit(Item {
                    offset,
                    length,
                    content: Content::Blank,
                })));
            }
            let mut sound = SoundLine::default();
            let damage = match judge(bytes, length, self.is_sealed, &mut sound) {
                Ok(()) => {
                    self.is_sealed |= sound.is_sealed;
                    let content = Content::Sound(&sound, bytes);
                    return Ok(Some(visit(Item {
                        offset,
                        length,
                        content,
                    })));
                }
                Err(damage) => damage,
            };
            let whole = Unsettled {
                offset,
                length: length - 1,
                checksum: crc32c::crc32c(bytes),
            };
            let glued = salvage(bytes)
                .map(|at| (bytes.len() - at) as u64 + 1)
                .filter(|glued_length| *glued_length < length);
            if is_kept_whole && !self.lines.has_ahead(UNSETTLED_BYTES)? {
                if !is_second_look {
                    is_second_look = true;
                    self.lines.forget();
                    self.lines.seek(offset);
                    continue;
                }
                self.unsettled.push(whole);
            }
            let glued_length = glued.unwrap_or(0);
            let damage = glued.map_or(damage, |_| Damage::Torn);
            let length = length - glued_length;
            self.lines.seek(offset + length);
            return Ok(Some(visit(Item {
                offset,
                length,
                content: Content::Damage(damage),
            })));
        }
    }

    /// Returns whether bytes that were yielded as damage are other bytes now, in a file that has
    /// grown to `file_bytes`. Damage that is far from the end by now is looked at for the last
    /// time.
    pub(crate) fn was_mended(&mut self, file_bytes: u64) -> io::Result<bool> {
        let source = self.lines.source_mut();
        for unsettled in &self.unsettled {
            let length = usize::try_from(unsettled.length).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length];
            let mut read = 0;
            while read < length {
                let at = unsettled.offset + read as u64;
                match source.read_at(at, &mut bytes[read..])? {
                    0 => return Ok(true),
                    more => read += more,
                }
            }
            if crc32c::crc32c(&bytes) != unsettled.checksum {
                return Ok(true);
            }
        }
        self.unsettled
            .retain(|damage| file_bytes < damage.offset + damage.length + UNSETTLED_BYTES);
        Ok(false)
    }
}

impl SegmentReader<FileSource> {
    /// Hands the lines of a long stretch to `visit`, which returns false for one that it does not
    /// take; that one and all behind it are left to [`next`](Self::next), as is any line that
    /// cannot be trusted.
    pub(crate) fn read_ahead(&mut self, visit: &mut (impl FnMut(Item<'_>) -> bool + Send)) {
        let start = self.lines.offset();
        let end = read_ahead(self.lines.source_mut(), start, &mut self.is_sealed, visit);
        self.lines.seek(end);
    }

    /// Reads a plain file up to so many bytes from now on.
    pub(crate) fn show(&mut self, visible_bytes: u64) {
        self.lines.source_mut().show(visible_bytes);
    }

    /// Reads a plain file by this handle from now on; returns what stands before the next item
    /// there, and has read on from that.
    pub(crate) fn read_by(&mut self, file: File) -> io::Result<Tail> {
        self.lines.source_mut().read_by(file);
        self.lines.read_anew()
    }

    /// Gives the file handle back until the next read.
    pub(crate) fn close_file(&mut self) {
        self.lines.source_mut().close();
    }

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

/// Tells whether a line that is not blank can be trusted, and reads it into `sound`.
fn judge<'b>(
    bytes: &'b [u8],
    length: u64,
    must_be_sealed: bool,
    sound: &mut SoundLine<'b>,
) -> Result<(), Damage> {
    if length > LINE_BYTES_MAX as u64 + 1 {
        return Err(Damage::TooLong);
    }
    parse_line_into(bytes, sound)?;
    match must_be_sealed && !sound.is_sealed {
        true => Err(Damage::Unsealed),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
