//! Notifications of systems other than Linux, where another thread reads them.

use crate::hints::{Folder, HintError, Hinted, Notifier, bell};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use retally_log::RunId;
use std::io::{Error, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What such a system notifies by.
pub(crate) struct OtherSystem {
    watcher: Box<dyn Watcher + Send + Sync>,
    inbox: Arc<Mutex<Hinted>>,
    bell: UnixStream,
}

impl OtherSystem {
    /// Listens to nothing yet; `None` where the system has no notifications.
    pub(crate) fn new(root: &Path) -> Option<Self> {
        let (rings, bell) = bell()?;
        let (root, inbox) = (root.to_owned(), Arc::<Mutex<Hinted>>::default());
        let sender = Arc::clone(&inbox);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let mut inbox = lock(&sender);
            receive(&root, event, &mut inbox);
            if *inbox != Hinted::default() {
                // It fails where it was rung very often, and then it is heard.
                _ = (&rings).write(&[0]);
            }
        });
        Some(Self {
            watcher: Box::new(watcher.ok()?),
            inbox,
            bell,
        })
    }
}

impl Notifier for OtherSystem {
    fn listen(&mut self, _folder: &Folder, path: &Path) -> Result<(), HintError> {
        let listening = self.watcher.watch(path, RecursiveMode::NonRecursive);
        listening.map_err(|error| match error.kind {
            notify::ErrorKind::MaxFilesWatch => HintError::TooMany,
            _ => HintError::Folder(Error::other(error)),
        })
    }

    fn forget(&mut self, _folder: &Folder, path: &Path) {
        // A folder that is gone took its notifications along.
        _ = self.watcher.unwatch(path);
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn take(&mut self, hinted: &mut Hinted) {
        while self
            .bell
            .read(&mut [0; 4096])
            .is_ok_and(|read| read == 4096)
        {}
        let taken = std::mem::take(&mut *lock(&self.inbox));
        hinted.runs.extend(taken.runs);
        hinted.root |= taken.root;
        hinted.everything |= taken.everything;
    }
}

fn lock(inbox: &Mutex<Hinted>) -> MutexGuard<'_, Hinted> {
    // Nothing that is done under the lock can leave it half done.
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a notification in.
fn receive(root: &Path, event: notify::Result<Event>, hinted: &mut Hinted) {
    let Ok(event) = event else {
        hinted.everything = true;
        return;
    };
    hinted.everything |= event.need_rescan();
    // Reading a log is notified too, our own reading included.
    if matches!(event.kind, EventKind::Access(_)) {
        return;
    }
    for path in &event.paths {
        let Ok(below) = path.strip_prefix(root) else {
            continue;
        };
        let mut names = below.iter();
        let Some(run) = names.next() else {
            hinted.note(&Folder::Root, None);
            continue;
        };
        // A name that is not UTF-8 is no run's.
        let Some(run) = run.to_str() else {
            continue;
        };
        if names.next().is_none() {
            hinted.note(&Folder::Root, Some(run));
        } else if let Ok(run) = RunId::new(run) {
            hinted.note(&Folder::Events(run), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::Flag;

    #[test]
    fn lost_notifications_are_a_hint_at_everything() {
        let mut hinted = Hinted::default();
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        receive(Path::new("/root"), Ok(overflow), &mut hinted);
        assert!(hinted.everything);
    }
}
