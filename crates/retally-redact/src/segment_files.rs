//! The segments of a copy while it is made.

use crate::redacted_copy::{CopyError, failed};
use retally_log::{SEGMENT_SUFFIX, SegmentId};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// So many bytes of all segments are kept before they are written.
const BUFFER_BYTES_MAX: usize = 8 << 20;

/// Appends to any number of segments, of which none is open between two writes.
pub(crate) struct SegmentFiles<'f> {
    events_dir: &'f Path,
    buffers: BTreeMap<SegmentId, Vec<u8>>,
    /// How many bytes the buffers hold.
    bytes: usize,
}

impl<'f> SegmentFiles<'f> {
    pub(crate) fn new(events_dir: &'f Path) -> Self {
        Self {
            events_dir,
            buffers: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(crate) fn append(&mut self, segment: &SegmentId, line: &[u8]) -> Result<(), CopyError> {
        let buffer = self.buffers.entry(segment.clone()).or_default();
        buffer.extend_from_slice(line);
        self.bytes += line.len();
        match self.bytes > BUFFER_BYTES_MAX {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// Writes what is left, and returns once all of it survives power loss.
    pub(crate) fn finish(mut self) -> Result<(), CopyError> {
        self.write()?;
        for segment in self.buffers.keys() {
            let path = self.path(segment);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(failed(&path))?;
        }
        sync_folder(self.events_dir).map_err(failed(self.events_dir))
    }

    fn write(&mut self) -> Result<(), CopyError> {
        let mut buffers = std::mem::take(&mut self.buffers);
        for (segment, buffer) in &mut buffers {
            if buffer.is_empty() {
                continue;
            }
            let path = self.path(segment);
            let opened = OpenOptions::new().append(true).create(true).open(&path);
            let written = opened.and_then(|mut file| file.write_all(buffer));
            written.map_err(failed(&path))?;
            *buffer = Vec::new();
        }
        (self.buffers, self.bytes) = (buffers, 0);
        Ok(())
    }

    fn path(&self, segment: &SegmentId) -> PathBuf {
        self.events_dir.join(format!("{segment}{SEGMENT_SUFFIX}"))
    }
}

/// Makes the names in a folder survive power loss. Some network file systems cannot, and keep
/// names in another way.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path).and_then(|folder| folder.sync_all()) {
        Err(error)
            if [Errno::INVAL, Errno::NOTSUP]
                .iter()
                .any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) =>
        {
            Ok(())
        }
        result => result,
    }
}
