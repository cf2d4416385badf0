//! A system of which no notification ever arrives.

use crate::hints::{Folder, HintError, Hinted, Notifier, bell};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Listens to as many folders as it is allowed to, and hears nothing.
pub(super) struct SilentSystem {
    folders_max: Arc<AtomicUsize>,
    folders: BTreeSet<Folder>,
    /// A bell that nobody rings.
    bell: (UnixStream, UnixStream),
}

impl SilentSystem {
    pub(super) fn new(folders_max: Arc<AtomicUsize>) -> Self {
        Self {
            folders_max,
            folders: BTreeSet::new(),
            bell: bell().expect("a bell"),
        }
    }
}

impl Notifier for SilentSystem {
    fn listen(&mut self, folder: &Folder, path: &Path) -> Result<(), HintError> {
        if !path.is_dir() {
            return Err(HintError::Folder(ErrorKind::NotFound.into()));
        }
        if self.folders.len() >= self.folders_max.load(Ordering::Relaxed) {
            return Err(HintError::TooMany);
        }
        self.folders.insert(folder.clone());
        Ok(())
    }

    fn forget(&mut self, folder: &Folder, _: &Path) {
        self.folders.remove(folder);
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.1.as_fd()
    }

    fn take(&mut self, _: &mut Hinted) {}
}
