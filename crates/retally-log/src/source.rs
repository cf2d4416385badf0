use crate::segment_file;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Where the bytes of a segment come from; they may grow between two reads.
pub(crate) trait Source {
    /// Reads what stands at `offset`; 0 bytes mean that nothing stands there now.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Returns how many bytes stand from `offset` on at most, where that is known without reading.
    fn bytes_from(&self, offset: u64) -> Option<u64>;
}

/// The bytes of a segment file, decompressed where it is compressed.
///
/// The file is opened when it is read and can be closed at any time.
pub(crate) struct FileSource {
    path: PathBuf,
    is_compressed: bool,
    /// How many bytes of a plain file are shown, whatever it has grown to; a compressed one is
    /// shown whole.
    visible_bytes: u64,
    opened: Option<Opened>,
    fault: Option<String>,
}

enum Opened {
    Plain(File),
    Compressed {
        decoder: zstd::Decoder<'static, io::BufReader<File>>,
        offset: u64,
    },
}

impl FileSource {
    pub(crate) fn new(path: PathBuf, is_compressed: bool, visible_bytes: u64) -> Self {
        Self {
            path,
            is_compressed,
            visible_bytes,
            opened: None,
            fault: None,
        }
    }

    /// Shows so many bytes of a plain file from now on.
    pub(crate) fn show(&mut self, visible_bytes: u64) {
        self.visible_bytes = visible_bytes;
    }

    /// Gives the file handle back until the next read.
    pub(crate) fn close(&mut self) {
        self.opened = None;
    }

    /// Returns why the compressed bytes end before their end, once.
    pub(crate) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Reads a plain file by this handle from now on.
    pub(crate) fn read_by(&mut self, file: File) {
        debug_assert!(!self.is_compressed, "a compressed file needs a decoder");
        self.opened = Some(Opened::Plain(file));
    }

    fn open(&mut self) -> io::Result<&mut Opened> {
        if self.opened.is_none() {
            let file = segment_file::open(&self.path)?;
            self.opened = Some(if self.is_compressed {
                let decoder = segment_file::decoder(file)?;
                Opened::Compressed { decoder, offset: 0 }
            } else {
                Opened::Plain(file)
            });
        }
        Ok(self.opened.as_mut().expect("it was opened just now"))
    }
}

impl Source for FileSource {
    fn bytes_from(&self, offset: u64) -> Option<u64> {
        (!self.is_compressed).then(|| self.visible_bytes.saturating_sub(offset))
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let is_behind = |opened: &Opened| match opened {
            Opened::Plain(_) => false,
            Opened::Compressed {
                offset: reached, ..
            } => *reached > offset,
        };
        if self.opened.as_ref().is_some_and(is_behind) {
            self.close();
        }
        let visible = self.visible_bytes.saturating_sub(offset);
        match self.open()? {
            Opened::Plain(file) => {
                let wanted = usize::try_from(visible).unwrap_or(usize::MAX);
                let wanted = wanted.min(buffer.len());
                retried(|| file.read_at(&mut buffer[..wanted], offset))
            }
            Opened::Compressed {
                decoder,
                offset: reached,
            } => {
                let read = skip_to(decoder, reached, offset)
                    .and_then(|()| retried(|| decoder.read(buffer)));
                match read {
                    Ok(length) => {
                        *reached += length as u64;
                        Ok(length)
                    }
                    // The system's, not the decoder's: it may go away.
                    Err(error) if error.raw_os_error().is_some() => {
                        self.close();
                        Err(error)
                    }
                    Err(error) => {
                        self.fault = Some(error.to_string());
                        Ok(0)
                    }
                }
            }
        }
    }
}

fn skip_to(decoder: &mut impl Read, reached: &mut u64, offset: u64) -> io::Result<()> {
    let skipped = io::copy(&mut decoder.take(offset - *reached), &mut io::sink())?;
    *reached += skipped;
    Ok(())
}

fn retried(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
