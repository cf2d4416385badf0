//! A system of which no notification ever arrives.

use notify::{Config, ErrorKind, EventHandler, RecursiveMode, Result, Watcher, WatcherKind};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Listens to as many folders as it is allowed to, and hears nothing.
pub(super) struct SilentSystem {
    folders_max: Arc<AtomicUsize>,
    folders: BTreeSet<PathBuf>,
}

impl SilentSystem {
    pub(super) fn new(folders_max: Arc<AtomicUsize>) -> Self {
        let folders = BTreeSet::new();
        Self {
            folders_max,
            folders,
        }
    }
}

impl Watcher for SilentSystem {
    fn new<F: EventHandler>(_: F, _: Config) -> Result<Self> {
        Ok(Self::new(Arc::new(AtomicUsize::new(usize::MAX))))
    }

    fn watch(&mut self, path: &Path, _: RecursiveMode) -> Result<()> {
        if !path.is_dir() {
            return Err(notify::Error::path_not_found());
        }
        if self.folders.len() >= self.folders_max.load(Ordering::Relaxed) {
            return Err(notify::Error::new(ErrorKind::MaxFilesWatch));
        }
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn unwatch(&mut self, path: &Path) -> Result<()> {
        match self.folders.remove(path) {
            true => Ok(()),
            false => Err(notify::Error::watch_not_found()),
        }
    }

    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}
