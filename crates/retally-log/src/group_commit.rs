//! One sync for all threads that wait for one.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How far a segment was written, and how far that survives power loss.
#[derive(Debug, Default)]
pub(crate) struct GroupCommit {
    /// The segment's bytes whose write returned. Never falls.
    written: AtomicU64,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    /// The bytes that survive power loss.
    synced: u64,
    /// Whether a thread is syncing right now: the one that all others wait for.
    is_syncing: bool,
    /// Why a sync failed. The kernel drops what it could not write, so no later one mends that.
    failure: Option<Arc<io::Error>>,
}

impl GroupCommit {
    /// Notes that the segment's first `bytes` were written.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.written.store(bytes, Ordering::Release);
    }

    /// Returns the bytes that were written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Returns whether all that was written survives power loss.
    pub(crate) fn is_synced(&self) -> bool {
        self.progress().synced >= self.written()
    }

    /// Returns once the segment's first `bytes` survive power loss. The first caller syncs for
    /// all who come by then; those who come while it does wait for the next.
    ///
    /// # Errors
    /// A sync failed, now or earlier.
    pub(crate) fn settle(
        &self,
        bytes: u64,
        sync: impl Fn() -> io::Result<()>,
    ) -> Result<(), Arc<io::Error>> {
        let mut progress = self.progress();
        loop {
            if progress.synced >= bytes {
                return Ok(());
            }
            if let Some(failure) = &progress.failure {
                return Err(Arc::clone(failure));
            }
            if progress.is_syncing {
                let woken = self.changed.wait(progress);
                progress = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            progress.is_syncing = true;
            drop(progress);
            let written = self.written();
            let result = sync();
            progress = self.progress();
            progress.is_syncing = false;
            match result {
                Ok(()) => progress.synced = written,
                Err(error) => progress.failure = Some(Arc::new(error)),
            }
            self.changed.notify_all();
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
