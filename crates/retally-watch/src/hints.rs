//! Hints that the logs of runs may have grown.

use notify::event::ModifyKind;
use notify::{Event, EventKind, RecursiveMode, Watcher};
use retally_log::{EVENTS_DIR, RunId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many folders are listened to at once. Each costs about a kilobyte of the kernel's memory;
/// what is beyond is found by looking.
const LISTENED_MAX: usize = 16_384;

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
    /// Absolute, as notifications name their files.
    root: PathBuf,
    /// `None` where the system has no notifications.
    notifier: Option<Box<Notifier>>,
    inbox: Arc<Inbox>,
    listens_to_root: bool,
    runs: BTreeSet<RunId>,
    /// Whether the system allowed no more, which is not asked again until something is given up.
    is_full: bool,
    /// Whether nobody wants notifications.
    is_silent: bool,
}

/// What listens to folders: that of the system, or a test's.
pub(crate) type Notifier = dyn Watcher + Send + Sync;

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
    Folder(notify::Error),
}

/// Ends the waiting of a [`Hints`], from another thread or after a signal.
#[derive(Clone)]
pub struct Waker(Arc<Inbox>);

#[derive(Default)]
struct Inbox {
    hinted: Mutex<Hinted>,
    arrival: Condvar,
}

impl Hints {
    /// Listens to nothing yet.
    pub fn new(root: &Path) -> Self {
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let inbox = Arc::new(Inbox::default());
        let (base, sender) = (root.clone(), Arc::clone(&inbox));
        let receive = move |event| sender.receive(&base, event);
        let notifier = notify::recommended_watcher(receive).ok();
        Self {
            root,
            notifier: notifier.map(|it| Box::new(it) as Box<Notifier>),
            inbox,
            listens_to_root: false,
            runs: BTreeSet::new(),
            is_full: false,
            is_silent: false,
        }
    }

    /// Listens to nothing yet, and then by this one.
    #[cfg(test)]
    pub(crate) fn with_notifier(root: &Path, notifier: Box<Notifier>) -> Self {
        Self {
            root: root.to_owned(),
            notifier: Some(notifier),
            inbox: Arc::default(),
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
            let root = self.root.clone();
            self.listen(&root)?;
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
        let folder = self.root.join(run.as_str());
        let events = folder.join(EVENTS_DIR);
        if is_folder(&events) {
            self.listen(&events)?;
            self.runs.insert(run.clone());
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
        let folder = self.root.join(run.as_str());
        if let Some(notifier) = &mut self.notifier {
            // A folder that is gone took its notifications along.
            _ = notifier.unwatch(&folder.join(EVENTS_DIR));
            _ = notifier.unwatch(&folder);
        }
        self.is_full &= !self.runs.remove(run);
    }

    /// Listens to nothing any more: the root was replaced.
    pub fn forget_all(&mut self) {
        for run in std::mem::take(&mut self.runs) {
            self.forget_run(&run);
        }
        if let Some(notifier) = &mut self.notifier {
            _ = notifier.unwatch(&self.root);
        }
        self.listens_to_root = false;
    }

    /// Waits until something may have changed, or `timeout` is over, and returns what.
    pub fn wait(&self, timeout: Duration) -> Hinted {
        let hinted = self.inbox.lock();
        let is_waiting = |hinted: &mut Hinted| *hinted == Hinted::default();
        let waited = self
            .inbox
            .arrival
            .wait_timeout_while(hinted, timeout, is_waiting);
        let (mut hinted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut hinted)
    }

    /// Returns what ends the waiting.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.inbox))
    }

    fn listen(&mut self, folder: &Path) -> Result<(), HintError> {
        let notifier = self.notifier.as_mut().ok_or(HintError::Unsupported)?;
        let listening = notifier.watch(folder, RecursiveMode::NonRecursive);
        listening.map_err(|error| match error.kind {
            notify::ErrorKind::MaxFilesWatch => {
                self.is_full = true;
                HintError::TooMany
            }
            _ => HintError::Folder(error),
        })
    }
}

impl Waker {
    /// Asks whoever waits to stop.
    pub fn stop(&self) {
        self.0.add(|hinted| hinted.stop = true);
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Hinted> {
        // Nothing that is done under the lock can leave it half done.
        self.hinted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, add: impl FnOnce(&mut Hinted)) {
        let mut hinted = self.lock();
        let was_empty = *hinted == Hinted::default();
        add(&mut hinted);
        drop(hinted);
        // Nobody waits while there is something to take: a burst wakes once.
        if was_empty {
            self.arrival.notify_all();
        }
    }

    /// Takes a notification in.
    fn receive(&self, root: &Path, event: notify::Result<Event>) {
        let Ok(event) = event else {
            return self.add(|hinted| hinted.everything = true);
        };
        if event.need_rescan() {
            return self.add(|hinted| hinted.everything = true);
        }
        if !may_change_a_log(&event.kind) {
            return;
        }
        for path in &event.paths {
            let Ok(below) = path.strip_prefix(root) else {
                continue;
            };
            let run = below.iter().next().and_then(|name| name.to_str());
            match run.map(RunId::new) {
                None => self.add(|hinted| hinted.root = true),
                Some(Err(_)) => {} // no run can have this name
                Some(Ok(run)) if below.iter().nth(1).is_some() => {
                    self.add(|hinted| _ = hinted.runs.insert(run));
                }
                // A run's own folder came, went or was renamed.
                Some(Ok(run)) => self.add(|hinted| {
                    hinted.root = true;
                    hinted.runs.insert(run);
                }),
            }
        }
    }
}

/// Reading a log is notified too, our own reading included.
fn may_change_a_log(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Metadata(_)) => true, // permissions may have come back
        _ => true,
    }
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|facts| facts.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, DataChange, Flag};

    fn received(events: &[(EventKind, &str)]) -> Hinted {
        let inbox = Inbox::default();
        for (kind, path) in events {
            let event = Event::new(*kind).add_path(PathBuf::from(path));
            inbox.receive(Path::new("/root"), Ok(event));
        }
        inbox.lock().clone()
    }

    fn runs(names: &[&str]) -> BTreeSet<RunId> {
        names
            .iter()
            .map(|name| RunId::new(*name).expect("an id"))
            .collect()
    }

    #[test]
    fn a_notification_names_the_run_whose_log_may_have_grown() {
        let grown = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let created = EventKind::Create(CreateKind::Folder);
        let hinted = received(&[
            (grown, "/root/run_1/events/a.jsonl"),
            (grown, "/root/run_1/events/b.jsonl"),
            (created, "/root/run_2/events"),
            (grown, "/root/not a run/events/a.jsonl"),
            (grown, "/elsewhere/run_3/events/a.jsonl"),
            (
                EventKind::Access(AccessKind::Any),
                "/root/run_4/events/a.jsonl",
            ),
        ]);
        let expected = Hinted {
            runs: runs(&["run_1", "run_2"]),
            ..Hinted::default()
        };
        assert_eq!(hinted, expected);
    }

    #[test]
    fn a_folder_of_the_root_that_comes_is_a_hint_at_the_root_too() {
        let hinted = received(&[(EventKind::Create(CreateKind::Folder), "/root/run_1")]);
        assert_eq!((hinted.root, hinted.runs), (true, runs(&["run_1"])));
        assert!(received(&[(EventKind::Any, "/root")]).root);
    }

    #[test]
    fn lost_notifications_are_a_hint_at_everything() {
        let inbox = Inbox::default();
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        inbox.receive(Path::new("/root"), Ok(overflow));
        assert!(inbox.lock().everything);
    }

    #[test]
    fn waiting_ends_when_it_is_asked_to() {
        let hints = Hints::new(Path::new("nowhere"));
        hints.waker().stop();
        assert!(hints.wait(Duration::from_secs(99)).stop);
        assert_eq!(hints.wait(Duration::ZERO), Hinted::default());
    }

    #[test]
    fn what_is_not_there_gives_no_notifications() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut hints = Hints::new(&folder.path().join("none"));
        assert!(hints.listen_to_root().is_err());
        assert!(
            hints
                .listen_to_run(&RunId::new("run_1").expect("an id"))
                .is_err()
        );
    }
}
