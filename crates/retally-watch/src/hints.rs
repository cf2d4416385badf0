//! Hints that the logs of runs may have grown.

#[cfg(target_os = "linux")]
use crate::inotify::Inotify as System;
#[cfg(not(target_os = "linux"))]
use crate::other_systems::OtherSystem as System;
use retally_log::{EVENTS_DIR, RunId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many folders are listened to at once. Each costs about a kilobyte of the kernel's memory;
/// what is beyond is found by looking.
const LISTENED_MAX: usize = 16_384;
/// How long to do nothing where the system refuses to wait.
const NO_WAITING: Duration = Duration::from_millis(50);

/// Listens to the system's notifications about a root.
///
/// They tell *that* something may have changed, never what, and they may be lost, come twice, or
/// not come at all, as on network file systems: whoever uses them looks again from time to time
/// anyway. What listening never does: read a log.
///
/// ```
/// use retally_log::{Root, RunId};
/// use retally_watch::Hints;
/// use std::time::Duration;
///
/// let folder = tempfile::tempdir()?;
/// let run = Root::new(folder.path()).create_run(&RunId::new("run_1")?)?;
/// let mut hints = Hints::new(folder.path());
/// if hints.listen_to_run(run.id()).is_ok() {
///     std::fs::write(run.events_path().join("a.jsonl"), "")?;
///     assert!(hints.wait(Duration::from_secs(9)).runs.contains(run.id()));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Hints {
    root: PathBuf,
    /// `None` where the system has no notifications.
    notifier: Option<Box<dyn Notifier>>,
    stopping: Arc<Stopping>,
    /// Has something to read when it was asked to stop; `None` where the system allows no more
    /// open files, so that this is seen when the waiting ends.
    bell: Option<UnixStream>,
    listens_to_root: bool,
    runs: BTreeSet<RunId>,
    /// Whether the system allowed no more, which is not asked again until something is given up.
    is_full: bool,
    /// Whether nobody wants notifications.
    is_silent: bool,
}

/// What listens to folders: that of the system, or a test's.
pub(crate) trait Notifier: Send + Sync {
    /// Listens to a folder, which stands at this path now.
    fn listen(&mut self, folder: &Folder, path: &Path) -> Result<(), HintError>;

    /// Listens to a folder no more; the notifications of one that is gone have ended already.
    fn forget(&mut self, folder: &Folder, path: &Path);

    /// Returns what can be read from once there are notifications to take.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// Takes what notifications there are.
    fn take(&mut self, hinted: &mut Hinted);
}

/// A folder that is listened to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Folder {
    Root,
    Run(RunId),
    /// That of a run's log.
    Events(RunId),
}

/// What may have changed since the last time that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hinted {
    /// Runs whose logs may have grown.
    pub runs: BTreeSet<RunId>,
    /// Whether runs may have come or gone.
    pub root: bool,
    /// Whether notifications were lost, so that anything may have changed.
    pub everything: bool,
    /// Whether it was asked to stop.
    pub stop: bool,
}

/// Why there are no notifications of a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HintError {
    /// The system has none.
    #[error("the system has no notifications")]
    Unsupported,
    /// More folders are listened to than the system or this crate allows.
    #[error("too many folders are listened to (raise fs.inotify.max_user_watches where it is low)")]
    TooMany,
    /// The folder is not there, or cannot be listened to.
    #[error(transparent)]
    Folder(io::Error),
}

/// Ends the waiting of a [`Hints`], from another thread or after a signal.
#[derive(Clone)]
pub struct Waker(Arc<Stopping>);

struct Stopping {
    is_asked: AtomicBool,
    /// The other end of the bell.
    ringer: Option<UnixStream>,
}

impl Hints {
    /// Listens to nothing yet.
    pub fn new(root: &Path) -> Self {
        // Absolute, as some systems name the files.
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let notifier = System::new(&root).map(|it| Box::new(it) as Box<dyn Notifier>);
        Self::with_notifier(root, notifier)
    }

    /// Listens to nothing yet, and then by this one.
    pub(crate) fn with_notifier(root: PathBuf, notifier: Option<Box<dyn Notifier>>) -> Self {
        let (ringer, bell) = bell().unzip();
        let is_asked = AtomicBool::new(false);
        Self {
            root,
            notifier,
            stopping: Arc::new(Stopping { is_asked, ringer }),
            bell,
            listens_to_root: false,
            runs: BTreeSet::new(),
            is_full: false,
            is_silent: false,
        }
    }

    /// Listens to nothing from now on: whoever looks at everything once needs no notifications.
    pub(crate) fn silence(&mut self) {
        self.forget_all();
        self.is_silent = true;
    }

    /// Listens for runs that come and go.
    ///
    /// # Errors
    /// There will be no notifications of them.
    pub fn listen_to_root(&mut self) -> Result<(), HintError> {
        if !self.listens_to_root && !self.is_silent {
            self.listen(&Folder::Root)?;
            self.listens_to_root = true;
        }
        Ok(())
    }

    /// Listens to the log of a run; to the folder of the run where it has none yet.
    ///
    /// # Errors
    /// There will be no notifications of it.
    pub fn listen_to_run(&mut self, run: &RunId) -> Result<(), HintError> {
        if self.is_silent || self.runs.contains(run) {
            return Ok(());
        }
        if self.is_full || self.runs.len() >= LISTENED_MAX {
            return Err(HintError::TooMany);
        }
        let (folder, events) = (Folder::Run(run.clone()), Folder::Events(run.clone()));
        if is_folder(&self.path_of(&events)) {
            self.listen(&events)?;
            self.runs.insert(run.clone());
            // Report files come and go there.
            self.forget(&folder);
        } else {
            // Not remembered: once it has a log, that is listened to.
            self.listen(&folder)?;
        }
        Ok(())
    }

    /// Returns whether the log of a run is listened to.
    pub fn listens_to_run(&self, run: &RunId) -> bool {
        self.runs.contains(run)
    }

    /// Listens no more to a run, whose folder may be gone and come again.
    pub fn forget_run(&mut self, run: &RunId) {
        self.forget(&Folder::Events(run.clone()));
        self.forget(&Folder::Run(run.clone()));
        self.is_full &= !self.runs.remove(run);
    }

    /// Listens to nothing any more: the root was replaced.
    pub fn forget_all(&mut self) {
        for run in std::mem::take(&mut self.runs) {
            self.forget_run(&run);
        }
        self.forget(&Folder::Root);
        self.listens_to_root = false;
    }

    /// Waits until something may have changed, or `timeout` is over, and returns what.
    pub fn wait(&mut self, timeout: Duration) -> Hinted {
        let start = Instant::now();
        loop {
            let left = timeout.saturating_sub(start.elapsed());
            let mut hinted = Hinted::default();
            match self.wait_once(left, &mut hinted) {
                Ok(()) | Err(Errno::INTR) => {}
                // The system has no memory to wait with.
                Err(_) => std::thread::sleep(left.min(NO_WAITING)),
            }
            hinted.stop = self.stopping.is_asked.swap(false, Ordering::SeqCst);
            if start.elapsed() >= timeout || hinted != Hinted::default() {
                return hinted;
            }
        }
    }

    /// Waits for the bell or for notifications, and takes them.
    fn wait_once(&mut self, timeout: Duration, hinted: &mut Hinted) -> Result<(), Errno> {
        let (bell, notifier) = (self.bell.as_mut(), self.notifier.as_mut());
        let of_bell = bell.as_ref().map(|bell| bell.as_fd());
        let of_notifier = notifier.as_ref().map(|notifier| notifier.as_fd());
        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut fds: Vec<_> = of_bell
            .into_iter()
            .chain(of_notifier)
            .map(readable)
            .collect();
        // One that is too long for the system is for ever.
        poll(&mut fds, Timespec::try_from(timeout).ok().as_ref())?;
        let mut is_ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let is_rung = bell.is_some() && is_ready.next() == Some(true);
        let is_notified = is_ready.next() == Some(true);
        if is_rung && let Some(bell) = &mut self.bell {
            // Rung once for each time that it was asked; whoever waits next must wait.
            while bell.read(&mut [0; 64]).is_ok_and(|read| read == 64) {}
        }
        if is_notified && let Some(notifier) = &mut self.notifier {
            notifier.take(hinted);
        }
        Ok(())
    }

    /// Returns what ends the waiting.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.stopping))
    }

    fn listen(&mut self, folder: &Folder) -> Result<(), HintError> {
        let path = self.path_of(folder);
        let notifier = self.notifier.as_mut().ok_or(HintError::Unsupported)?;
        let listening = notifier.listen(folder, &path);
        self.is_full |= matches!(listening, Err(HintError::TooMany));
        listening
    }

    fn forget(&mut self, folder: &Folder) {
        let path = self.path_of(folder);
        if let Some(notifier) = &mut self.notifier {
            notifier.forget(folder, &path);
        }
    }

    fn path_of(&self, folder: &Folder) -> PathBuf {
        match folder {
            Folder::Root => self.root.clone(),
            Folder::Run(run) => self.root.join(run.as_str()),
            Folder::Events(run) => self.root.join(run.as_str()).join(EVENTS_DIR),
        }
    }
}

impl Waker {
    /// Asks whoever waits to stop.
    pub fn stop(&self) {
        let Self(stopping) = self;
        stopping.is_asked.store(true, Ordering::SeqCst);
        if let Some(mut ringer) = stopping.ringer.as_ref() {
            // It fails where it was rung very often, and then it is heard.
            _ = ringer.write(&[0]);
        }
    }
}

impl Hinted {
    /// Takes in that an entry of a folder changed, or the folder itself.
    pub(crate) fn note(&mut self, folder: &Folder, entry: Option<&str>) {
        match (folder, entry) {
            (Folder::Root, None) => self.root = true,
            // What cannot be the name of a run is none.
            (Folder::Root, Some(name)) => {
                if let Ok(run) = RunId::new(name) {
                    self.root = true;
                    self.runs.insert(run);
                }
            }
            (Folder::Run(run), None) => {
                self.root = true;
                self.note_run(run);
            }
            (Folder::Run(run), Some(_)) | (Folder::Events(run), _) => self.note_run(run),
        }
    }

    fn note_run(&mut self, run: &RunId) {
        if !self.runs.contains(run) {
            self.runs.insert(run.clone());
        }
    }
}

/// Returns what rings and what is rung, neither of which waits.
pub(crate) fn bell() -> Option<(UnixStream, UnixStream)> {
    let (rings, rung) = UnixStream::pair().ok()?;
    rings.set_nonblocking(true).ok()?;
    rung.set_nonblocking(true).ok()?;
    Some((rings, rung))
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|facts| facts.is_dir())
}

#[cfg(test)]
mod tests;
