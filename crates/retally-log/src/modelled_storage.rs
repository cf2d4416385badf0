//! A storage in memory that knows what power loss may leave of it.

use crate::segment_file::{FileStamp, SegmentFile};
use crate::storage::{FileFacts, SegmentHandle, Storage};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The unit in which a file's bytes reach the disk, each without regard to the others.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Files as the system shows them, and as the disk holds them.
///
/// A sync of a file takes its bytes and its size to the disk, one of a folder the names in it.
/// After a sync that failed the system believes its pages to be on the disk, which they may not be.
#[derive(Clone)]
pub(crate) struct ModelledStorage(Arc<Mutex<Disk>>);

struct Disk {
    /// The folder of segments, the run's, and the root.
    folders: [PathBuf; 3],
    files: BTreeMap<u64, ModelledFile>,
    /// Which file a name shows, by its number.
    names: BTreeMap<PathBuf, u64>,
    names_on_disk: BTreeMap<PathBuf, u64>,
    /// Folders that were synced since something was named in them.
    synced_folders: BTreeSet<PathBuf>,
    faults: Faults,
    /// What was at risk behind each call that changed anything, or failed to.
    moments: Vec<Vec<FileAtRisk>>,
    keeps_moments: bool,
}

/// What is to go wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// All syncs of files fail.
    pub(crate) fails_syncs: bool,
    /// All syncs of folders fail.
    pub(crate) fails_folder_syncs: bool,
    /// The disk has room for so many bytes.
    pub(crate) room: Option<usize>,
}

#[derive(Clone, Default)]
struct ModelledFile {
    shown: Vec<u8>,
    on_disk: Vec<u8>,
    /// Pages that the next sync takes to the disk.
    dirty: BTreeSet<usize>,
    /// Pages that may not be on the disk, though the system believes so.
    doubtful: BTreeSet<usize>,
    /// The sizes that the file had since the last sync.
    sizes: BTreeSet<usize>,
    is_locked: bool,
}

/// A file in the moment of a power loss.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FileAtRisk {
    pub(crate) path: PathBuf,
    pub(crate) inode: u64,
    /// As the system showed it.
    pub(crate) shown: Vec<u8>,
    /// What is on the disk for sure.
    pub(crate) on_disk: Vec<u8>,
    /// The pages of which nobody knows whether they are on the disk.
    pub(crate) pages: Vec<usize>,
    /// The sizes that the file had since the last sync.
    pub(crate) sizes: BTreeSet<usize>,
    /// Whether the file is found under its path for sure.
    pub(crate) is_name_sure: bool,
}

impl FileAtRisk {
    /// Returns what stands in the file if the disk knows a size, and of the pages of which nobody
    /// knows those are on the disk that `is_kept` tells; elsewhere stand zeros.
    pub(crate) fn image(&self, size: usize, is_kept: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut image = self.shown[..size].to_vec();
        for page in self.pages.iter().filter(|page| !is_kept(**page)) {
            let start = size.min(page * PAGE_BYTES);
            let end = size.min(start + PAGE_BYTES).max(start);
            let sure = self.on_disk.len().clamp(start, end);
            image[start..sure].copy_from_slice(self.on_disk.get(start..sure).unwrap_or(&[]));
            image[sure..end].fill(0);
        }
        image
    }
}

impl ModelledStorage {
    /// Makes a folder of segments without any, no name of which is on the disk yet.
    pub(crate) fn new(events_dir: &Path) -> Self {
        let mut folders = events_dir.ancestors().map(Path::to_owned);
        let folders = std::array::from_fn(|_| folders.next().expect("a run in a root"));
        Self(Arc::new(Mutex::new(Disk {
            folders,
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            names_on_disk: BTreeMap::new(),
            synced_folders: BTreeSet::new(),
            faults: Faults::default(),
            moments: Vec::new(),
            keeps_moments: false,
        })))
    }

    /// Makes a folder of these segments: path, number of the file, and bytes.
    pub(crate) fn after_power_loss(events_dir: &Path, files: Vec<(PathBuf, u64, Vec<u8>)>) -> Self {
        let storage = Self::new(events_dir);
        let mut disk = storage.disk();
        for (path, inode, bytes) in files {
            disk.names.insert(path.clone(), inode);
            disk.names_on_disk.insert(path, inode);
            let file = ModelledFile {
                shown: bytes.clone(),
                on_disk: bytes,
                ..ModelledFile::default()
            };
            disk.files.insert(inode, file);
        }
        drop(disk);
        storage
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.disk().faults = faults;
    }

    /// Keeps in mind what is at risk behind each call from now on.
    pub(crate) fn keep_moments(&self) {
        self.disk().keeps_moments = true;
    }

    /// Returns what was at risk behind each call since this was asked last.
    pub(crate) fn take_moments(&self) -> Vec<Vec<FileAtRisk>> {
        std::mem::take(&mut self.disk().moments)
    }

    /// Returns all files that may be found after a power loss in this moment.
    pub(crate) fn files_at_risk(&self) -> Vec<FileAtRisk> {
        self.disk().files_at_risk()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no test panics while it holds this")
    }

    fn handle(&self, inode: u64) -> Box<dyn SegmentHandle> {
        let storage = self.clone();
        let is_locked = AtomicBool::new(false);
        Box::new(ModelledHandle {
            storage,
            inode,
            is_locked,
        })
    }
}

impl Disk {
    fn files_at_risk(&self) -> Vec<FileAtRisk> {
        let [_, above @ ..] = &self.folders;
        let are_folders_sure = above.iter().all(|path| self.synced_folders.contains(path));
        let names: BTreeSet<_> = self.names.iter().chain(&self.names_on_disk).collect();
        let at_risk = names.into_iter().map(|(path, inode)| {
            let file = &self.files[inode];
            let is_known = |names: &BTreeMap<_, _>| names.get(path) == Some(inode);
            FileAtRisk {
                path: path.clone(),
                inode: *inode,
                shown: file.shown.clone(),
                on_disk: file.on_disk.clone(),
                pages: file.dirty.union(&file.doubtful).copied().collect(),
                sizes: file.sizes.clone(),
                is_name_sure: are_folders_sure
                    && is_known(&self.names)
                    && is_known(&self.names_on_disk),
            }
        });
        at_risk.collect()
    }

    /// Notes that a call changed something, or failed to.
    fn called(&mut self) {
        if self.keeps_moments {
            let moment = self.files_at_risk();
            self.moments.push(moment);
        }
    }

    fn facts(&self, inode: u64) -> FileFacts {
        FileFacts {
            inode,
            device: 1,
            bytes: self.files[&inode].shown.len() as u64,
            links: self.names.values().filter(|named| **named == inode).count() as u64,
            owner: rustix::process::geteuid().as_raw(),
            is_regular: true,
            is_folder: false,
        }
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Storage for ModelledStorage {
    fn list(&self, events_dir: &Path) -> io::Result<Vec<SegmentFile>> {
        let disk = self.disk();
        assert_eq!(events_dir, disk.folders[0]);
        let files = disk.names.iter().map(|(path, inode)| {
            let name = path.file_name().expect("a name").to_string_lossy();
            SegmentFile {
                name: name.into_owned(),
                path: path.clone(),
                is_compressed: false,
                stamp: FileStamp::of_size(disk.facts(*inode).bytes),
            }
        });
        Ok(files.collect())
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        let disk = self.disk();
        if disk.folders.iter().any(|folder| folder == path) {
            let folder = FileFacts {
                inode: 1,
                device: 1,
                bytes: 0,
                links: 2,
                owner: rustix::process::geteuid().as_raw(),
                is_regular: false,
                is_folder: true,
            };
            return Ok(folder);
        }
        let inode = disk.names.get(path).ok_or_else(not_found)?;
        Ok(disk.facts(*inode))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentHandle>> {
        let inode = *self.disk().names.get(path).ok_or_else(not_found)?;
        Ok(self.handle(inode))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentHandle>> {
        let mut disk = self.disk();
        assert_eq!(path.parent(), Some(&*disk.folders[0]));
        let inode = 2 + disk.files.keys().max().copied().unwrap_or(0);
        disk.names.insert(path.to_owned(), inode);
        disk.files.insert(inode, ModelledFile::default());
        disk.called();
        drop(disk);
        Ok(self.handle(inode))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.names.remove(path).ok_or_else(not_found)?;
        disk.called();
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.faults.fails_folder_syncs {
            return Err(Errno::IO.into());
        }
        if disk.folders[0] == path {
            disk.names_on_disk = disk.names.clone();
        }
        disk.synced_folders.insert(path.to_owned());
        disk.called();
        Ok(())
    }
}

struct ModelledHandle {
    storage: ModelledStorage,
    inode: u64,
    is_locked: AtomicBool,
}

impl ModelledHandle {
    fn change<R>(&self, change: impl FnOnce(&mut ModelledFile, Faults) -> R) -> R {
        let mut disk = self.storage.disk();
        let faults = disk.faults;
        let file = disk.files.get_mut(&self.inode).expect("files stay");
        change(file, faults)
    }
}

impl SegmentHandle for ModelledHandle {
    fn try_lock(&self) -> io::Result<bool> {
        let is_ours = self.change(|file, _| !std::mem::replace(&mut file.is_locked, true));
        self.is_locked.fetch_or(is_ours, Ordering::SeqCst);
        Ok(is_ours)
    }

    fn facts(&self) -> io::Result<FileFacts> {
        Ok(self.storage.disk().facts(self.inode))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).expect("small");
        self.change(|file, _| {
            let end = start + buffer.len();
            let bytes = file.shown.get(start..end);
            buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.change(|file, faults| {
            let taken = faults.room.unwrap_or(bytes.len()).min(bytes.len());
            if taken == 0 {
                return Err(Errno::NOSPC.into());
            }
            let start = file.shown.len();
            file.shown.extend_from_slice(&bytes[..taken]);
            for page in start / PAGE_BYTES..file.shown.len().div_ceil(PAGE_BYTES) {
                // A page is written whole, and so whatever of it was in doubt.
                file.doubtful.remove(&page);
                file.dirty.insert(page);
            }
            file.sizes.insert(file.shown.len());
            Ok::<_, io::Error>(taken)
        })?;
        let mut disk = self.storage.disk();
        if let Some(room) = &mut disk.faults.room {
            *room -= taken;
        }
        disk.called();
        Ok(taken)
    }

    fn sync_data(&self) -> io::Result<()> {
        let result = self.change(|file, faults| {
            let dirty = std::mem::take(&mut file.dirty);
            if faults.fails_syncs {
                file.doubtful.extend(dirty);
                return Err(Errno::IO.into());
            }
            file.on_disk.resize(file.shown.len(), 0);
            for page in dirty {
                let start = page * PAGE_BYTES;
                let end = file.shown.len().min(start + PAGE_BYTES);
                file.on_disk[start..end].copy_from_slice(&file.shown[start..end]);
            }
            file.sizes.clear();
            Ok(())
        });
        self.storage.disk().called();
        result
    }
}

impl Drop for ModelledHandle {
    fn drop(&mut self) {
        if self.is_locked.load(Ordering::SeqCst) {
            self.change(|file, _| file.is_locked = false);
        }
    }
}
