//! Notifications of Linux. Whoever waits for them reads them, so that no other thread has to wake
//! first; and reading a log, which is most of what is done in its folder, gives none.

use crate::hints::{Folder, HintError, Hinted, Notifier};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What tells of logs that grow, of files that come and go, and of permissions that come back.
const TOLD: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// How much is read at once: some hundred notifications.
const BUFFER_BYTES: usize = 16 << 10;
/// How many are taken before they are acted on, however fast more of them come.
const TAKEN_MAX: usize = 16_384;

/// An inotify instance.
pub(crate) struct Inotify {
    instance: OwnedFd,
    /// What the system calls a folder that is listened to.
    descriptors: BTreeMap<Folder, i32>,
    folders: HashMap<i32, Folder>,
}

impl Inotify {
    /// Listens to nothing yet; `None` where the system allows no more who listen.
    pub(crate) fn new(_root: &Path) -> Option<Self> {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        Some(Self {
            instance: inotify::init(flags).ok()?,
            descriptors: BTreeMap::new(),
            folders: HashMap::new(),
        })
    }
}

impl Notifier for Inotify {
    fn listen(&mut self, folder: &Folder, path: &Path) -> Result<(), HintError> {
        // The root may be a link, as its owner chose it.
        let place = match folder {
            Folder::Root => WatchFlags::ONLYDIR,
            Folder::Run(_) | Folder::Events(_) => WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW,
        };
        let added = inotify::add_watch(&self.instance, path, TOLD | place);
        let descriptor = added.map_err(|errno| match errno {
            Errno::NOSPC => HintError::TooMany,
            errno => HintError::Folder(errno.into()),
        })?;
        // Another folder may have stood there before.
        if self.descriptors.get(folder) != Some(&descriptor) {
            self.forget(folder, path);
        }
        self.descriptors.insert(folder.clone(), descriptor);
        self.folders.insert(descriptor, folder.clone());
        Ok(())
    }

    fn forget(&mut self, folder: &Folder, _path: &Path) {
        let Some(descriptor) = self.descriptors.remove(folder) else {
            return;
        };
        // One that was moved may be listened to under another name by now.
        if self.folders.get(&descriptor) == Some(folder) {
            self.folders.remove(&descriptor);
            // It fails where the folder is gone, and the watch with it.
            _ = inotify::remove_watch(&self.instance, descriptor);
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.instance.as_fd()
    }

    fn take(&mut self, hinted: &mut Hinted) {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = Reader::new(&self.instance, &mut buffer);
        let mut taken = 0;
        // What was read is not to be lost.
        while taken < TAKEN_MAX || !reader.is_buffer_empty() {
            taken += 1;
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => return, // there is nothing more
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                hinted.everything = true;
                continue;
            }
            // One that was forgotten meanwhile is of no interest.
            let Some(folder) = self.folders.get(&event.wd()) else {
                continue;
            };
            match event.file_name() {
                None => hinted.note(folder, None),
                // A name that is not UTF-8 is no run's and no segment's.
                Some(name) => {
                    if let Ok(name) = name.to_str() {
                        hinted.note(folder, Some(name));
                    }
                }
            }
            if event.events().contains(ReadFlags::IGNORED)
                && let Some(folder) = self.folders.remove(&event.wd())
            {
                self.descriptors.remove(&folder);
            }
        }
    }
}
