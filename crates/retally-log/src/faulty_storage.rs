//! A storage in which any call can be made to fail.

use crate::segment_file::SegmentFile;
use crate::storage::{FileFacts, SegmentHandle, Storage, SystemStorage};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A call that the writer makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    List,
    PathFacts,
    Open,
    Create,
    Remove,
    SyncDir,
    Lock,
    Facts,
    Read,
    Write,
    Sync,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Pass,
    /// It does nothing and returns this error number.
    Fail(i32),
    /// A write takes so many bytes only; other calls pass.
    Short(usize),
}

type Judge = dyn Fn(Call, usize) -> Verdict + Send + Sync;

/// The machine's storage, with a judge who is asked before each call, with the call and how many
/// there were before it.
#[derive(Clone)]
pub(crate) struct FaultyStorage(Arc<Shared>);

struct Shared {
    judge: Box<Judge>,
    calls: AtomicUsize,
}

impl FaultyStorage {
    pub(crate) fn new(judge: impl Fn(Call, usize) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            judge: Box::new(judge),
            calls: AtomicUsize::new(0),
        }))
    }

    fn judge(&self, call: Call) -> io::Result<Option<usize>> {
        let number = self.0.calls.fetch_add(1, Ordering::SeqCst);
        match (self.0.judge)(call, number) {
            Verdict::Pass => Ok(None),
            Verdict::Short(bytes) => Ok(Some(bytes)),
            Verdict::Fail(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    fn wrap(&self, file: Box<dyn SegmentHandle>) -> Box<dyn SegmentHandle> {
        let storage = self.clone();
        Box::new(FaultyHandle { storage, file })
    }
}

impl Storage for FaultyStorage {
    fn list(&self, events_dir: &Path) -> io::Result<Vec<SegmentFile>> {
        self.judge(Call::List)?;
        SystemStorage.list(events_dir)
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        self.judge(Call::PathFacts)?;
        SystemStorage.facts(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentHandle>> {
        self.judge(Call::Open)?;
        SystemStorage.open(path).map(|file| self.wrap(file))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentHandle>> {
        self.judge(Call::Create)?;
        SystemStorage.create(path).map(|file| self.wrap(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.judge(Call::Remove)?;
        SystemStorage.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.judge(Call::SyncDir)?;
        SystemStorage.sync_dir(path)
    }
}

struct FaultyHandle {
    storage: FaultyStorage,
    file: Box<dyn SegmentHandle>,
}

impl SegmentHandle for FaultyHandle {
    fn try_lock(&self) -> io::Result<bool> {
        self.storage.judge(Call::Lock)?;
        self.file.try_lock()
    }

    fn facts(&self) -> io::Result<FileFacts> {
        self.storage.judge(Call::Facts)?;
        self.file.facts()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.storage.judge(Call::Read)?;
        self.file.read_exact_at(buffer, offset)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.storage.judge(Call::Write)?.unwrap_or(bytes.len());
        self.file.write(&bytes[..taken.min(bytes.len())])
    }

    fn sync_data(&self) -> io::Result<()> {
        self.storage.judge(Call::Sync)?;
        self.file.sync_data()
    }
}
