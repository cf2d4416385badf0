//! A file of a segment: what its first line says of it, how far it was read, and whether the bytes
//! that were read still stand.

use crate::event::Event;
use crate::field::Times;
use crate::format::FORMAT_VERSION;
use crate::line::{Damage, SoundLine};
use crate::line_reader::Tail;
use crate::log_error::LogError;
use crate::mark::Mark;
use crate::position::SegmentId;
use crate::segment_file::{SegmentFile, SegmentFiles};
use crate::segment_reader::{Content, SegmentReader};
use crate::source::FileSource;
use crate::timestamp::Timestamp;
use std::io;

/// A file of a segment and how far it was read.
pub(crate) struct OpenFile {
    pub(crate) file: SegmentFile,
    pub(crate) reader: SegmentReader<FileSource>,
    /// Where the times come from, as the first line says once it is probed.
    pub(crate) times: Option<Times>,
    /// How many bytes stand behind the last LF, as of the last look.
    pub(crate) pending_bytes: u64,
    /// The bytes of the first line. `None` in a compressed file, and until it is probed.
    pub(crate) head: Option<Tail>,
    /// The bytes before the place where reading stood at the last change that was looked at;
    /// before that, those of the first line. `None` in a compressed file, and until it is probed.
    anchor: Option<Tail>,
    /// The bytes before the place where reading stood when the file was closed last.
    tail: Option<Tail>,
    /// Whether the compressed bytes broke off, and that was said.
    is_broken_off: bool,
}

/// What the first whole line of a file says about it.
pub(crate) struct Probe {
    pub(crate) id: SegmentId,
    /// `None` where the first line states no valid time.
    pub(crate) first_time: Option<Timestamp>,
}

impl OpenFile {
    pub(crate) fn new(file: SegmentFile) -> Self {
        let source = FileSource::new(file.path.clone(), file.is_compressed, file.stamp.bytes);
        Self {
            file,
            reader: SegmentReader::new(source),
            times: None,
            pending_bytes: 0,
            head: None,
            anchor: None,
            tail: None,
            is_broken_off: false,
        }
    }

    /// Reads the first whole line, or returns `None` where there is none yet and one may come.
    pub(crate) fn probe(&mut self) -> Result<Option<Probe>, LogError> {
        let unknown = Probe {
            id: SegmentId::new(self.file.stem()),
            first_time: None,
        };
        let probed = self.reader.next(|item| match item.content {
            Content::Sound(line, _) => Some((line.ts, describe(line))),
            Content::Blank | Content::Damage(_) => None,
        });
        let probed = probed.map_err(|error| self.failed(error))?;
        if !self.file.is_compressed {
            let first_line = self.reader.tail();
            self.head = Some(first_line.map_err(|error| self.failed(error))?);
            self.anchor = self.head;
        }
        self.reader.restart();
        let (first_time, description) = match probed {
            None if !self.file.is_compressed => return Ok(None),
            None | Some(None) => return Ok(Some(unknown)),
            Some(Some(first)) => first,
        };
        let Some(Description { format, id, times }) = description else {
            return Ok(Some(Probe {
                first_time,
                ..unknown
            }));
        };
        if format > FORMAT_VERSION {
            return Err(LogError::Format {
                path: self.file.path.clone(),
                got: format,
            });
        }
        self.times = Some(times);
        Ok(Some(Probe {
            id: id.unwrap_or(unknown.id),
            first_time,
        }))
    }

    /// Takes in that there is no whole line for now, and returns what can never become one:
    /// where it begins, how long it is, and why.
    pub(crate) fn end(&mut self) -> Option<(u64, u64, Damage)> {
        self.pending_bytes = self.reader.pending_bytes();
        let fault = self.reader.take_fault().filter(|_| !self.is_broken_off)?;
        self.is_broken_off = true;
        let length = std::mem::take(&mut self.pending_bytes);
        Some((self.reader.offset(), length, Damage::Compression(fault)))
    }

    /// Takes over what the file is now, and returns whether it holds more than was read.
    ///
    /// `None` where it is another file, or the bytes that were read may not be its bytes any more:
    /// it was cut, or written anew under the same inode number. That is looked for where anything
    /// changed, by what stands before the offset; and before the offset of the look before, which
    /// tells whether it was written anew while it was read.
    ///
    /// Where it holds more, its handle stays open.
    pub(crate) fn refresh(
        &mut self,
        file: &SegmentFile,
        among: &SegmentFiles,
    ) -> io::Result<Option<bool>> {
        let offset = self.reader.offset();
        if file.stamp != self.file.stamp {
            if !file.stamp.is_of_same_file(&self.file.stamp) || file.stamp.bytes < offset {
                return Ok(None);
            }
            let tail = self.tail()?;
            self.reader.show(file.stamp.bytes);
            // What stands under the name now is to be read, not what was opened under it.
            let mut stands = self.reader.read_by(among.open(file)?)? == tail;
            if let Some(anchor) = self.anchor {
                stands &= self.reader.tail_on_disk(anchor.offset)? == anchor;
            }
            if !stands {
                return Ok(None);
            }
            if offset > 0 {
                self.anchor = Some(tail);
            }
        }
        if self.reader.was_mended(file.stamp.bytes)? {
            return Ok(None);
        }
        self.file = file.clone();
        let has_more = file.stamp.bytes > offset + self.pending_bytes;
        if !has_more {
            self.close();
        }
        Ok(Some(has_more))
    }

    /// Returns what stands before the place where reading stands, as it was read.
    pub(crate) fn tail(&mut self) -> io::Result<Tail> {
        match self.tail {
            Some(tail) if tail.offset == self.reader.offset() => Ok(tail),
            _ => self.reader.tail(),
        }
    }

    /// Goes on where a mark says, and returns whether the bytes before that still stand.
    pub(crate) fn resume(&mut self, mark: &Mark) -> io::Result<bool> {
        let offset = mark.tail.offset;
        let fits = self.head == Some(mark.head)
            && self.file.stamp.bytes >= offset
            && self.reader.tail_on_disk(offset)? == mark.tail;
        if !fits {
            return Ok(false);
        }
        self.reader
            .resume(offset, mark.is_sealed, mark.unsettled.clone());
        self.tail = Some(mark.tail);
        let was_mended = self.reader.was_mended(self.file.stamp.bytes)?;
        // A log of many files that rest must not use up the handles.
        self.reader.close_file();
        Ok(!was_mended)
    }

    /// Gives the file handle and the buffer back, and keeps in mind what was read last.
    pub(crate) fn close(&mut self) {
        let offset = self.reader.offset();
        if !self.file.is_compressed && self.tail.is_none_or(|tail| tail.offset != offset) {
            // Where it cannot be read, a refresh tries again.
            self.tail = self.reader.tail().ok();
        }
        self.reader.close();
    }

    pub(crate) fn failed(&self, source: io::Error) -> LogError {
        LogError::Read {
            path: self.file.path.clone(),
            offset: self.reader.offset(),
            source,
        }
    }
}

/// What a `segment.opened` says of its segment.
struct Description {
    format: u64,
    id: Option<SegmentId>,
    times: Times,
}

fn describe(line: &SoundLine<'_>) -> Option<Description> {
    let Event::SegmentOpened(opened) = &line.content.as_ref().ok()?.event else {
        return None;
    };
    Some(Description {
        format: opened.format.unwrap_or(FORMAT_VERSION),
        id: opened.segment.as_ref().map(|id| SegmentId::new(id)),
        times: opened.times.unwrap_or(Times::Given),
    })
}
