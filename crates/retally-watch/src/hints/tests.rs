use super::*;
use crate::other_systems::OtherSystem;
use retally_log::Root;
use std::fs::{self, OpenOptions};
use tempfile::TempDir;

/// A root with a run, and what listens to it.
struct World {
    folder: TempDir,
    hints: Hints,
    /// Whether each notification is there when what it tells of is done.
    is_prompt: bool,
}

impl World {
    fn new(is_prompt: bool, system: fn(&Path) -> Option<Box<dyn Notifier>>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::new(folder.path());
        root.create_run(&run("run_1")).expect("created");
        let notifier = system(folder.path()).expect("the system has notifications");
        let hints = Hints::with_notifier(folder.path().to_owned(), Some(notifier));
        Self {
            folder,
            hints,
            is_prompt,
        }
    }

    /// One for each way to listen.
    fn all() -> [Self; 2] {
        let system = |root: &Path| Some(Box::new(System::new(root)?) as Box<dyn Notifier>);
        let other = |root: &Path| Some(Box::new(OtherSystem::new(root)?) as Box<dyn Notifier>);
        let is_linux = cfg!(target_os = "linux");
        [Self::new(is_linux, system), Self::new(false, other)]
    }

    fn append(&self, path: &str) {
        let path = self.folder.path().join(path);
        let file = OpenOptions::new().append(true).create(true).open(path);
        let written = file.and_then(|mut file| file.write_all(b"{}\n"));
        written.expect("appended");
    }

    /// Waits until what is hinted at is as it should be.
    fn wait_until(&mut self, is_so: impl Fn(&Hinted) -> bool) {
        let start = Instant::now();
        let mut all = Hinted::default();
        while !is_so(&all) {
            assert!(start.elapsed() < Duration::from_secs(60), "{all:?}");
            let hinted = self.hints.wait(Duration::from_secs(1));
            all.runs.extend(hinted.runs);
            all.root |= hinted.root;
            all.everything |= hinted.everything;
        }
    }

    /// Takes the notifications of what was done before.
    fn forget(&mut self) {
        while self.hints.wait(Duration::ZERO) != Hinted::default() {}
    }

    /// There must be no notifications of what was done since.
    fn assert_calm(&mut self) {
        if self.is_prompt {
            assert_eq!(self.hints.wait(Duration::ZERO), Hinted::default());
        }
    }
}

fn run(name: &str) -> RunId {
    RunId::new(name).expect("an id")
}

#[test]
fn a_log_that_grows_is_a_hint_at_its_run_and_one_that_is_read_is_none() {
    for mut world in World::all() {
        world.hints.listen_to_run(&run("run_1")).expect("listens");
        world.append("run_1/events/a.jsonl");
        world.wait_until(|hinted| hinted.runs.contains(&run("run_1")));
        world.forget();
        fs::read(world.folder.path().join("run_1/events/a.jsonl")).expect("read");
        world.append("run_1/run_1_metadata.json");
        world.assert_calm();
        world.append("run_1/events/a.jsonl");
        world.wait_until(|hinted| hinted.runs.contains(&run("run_1")));
    }
}

#[test]
fn a_run_that_comes_is_a_hint_at_the_root_and_its_log_is_one_at_the_run() {
    for mut world in World::all() {
        world.hints.listen_to_root().expect("listens");
        let folder = world.folder.path().join("run_2");
        fs::create_dir(&folder).expect("created");
        world.wait_until(|hinted| hinted.root && hinted.runs.contains(&run("run_2")));
        world.hints.listen_to_run(&run("run_2")).expect("listens");
        assert!(!world.hints.listens_to_run(&run("run_2")));
        fs::create_dir(folder.join("events")).expect("created");
        world.wait_until(|hinted| hinted.runs.contains(&run("run_2")));
        world.hints.listen_to_run(&run("run_2")).expect("listens");
        assert!(world.hints.listens_to_run(&run("run_2")));
        world.append("run_2/events/a.jsonl");
        world.wait_until(|hinted| hinted.runs.contains(&run("run_2")));
    }
}

#[test]
fn a_log_that_is_gone_is_a_hint_and_the_next_in_its_place_is_listened_to() {
    for mut world in World::all() {
        let (id, events) = (run("run_1"), world.folder.path().join("run_1/events"));
        world.hints.listen_to_run(&id).expect("listens");
        fs::rename(&events, world.folder.path().join("aside")).expect("renamed");
        world.wait_until(|hinted| hinted.runs.contains(&id));
        world.hints.forget_run(&id);
        fs::create_dir(&events).expect("created");
        world.hints.listen_to_run(&id).expect("listens");
        world.forget();
        world.append("aside/a.jsonl");
        world.assert_calm();
        world.append("run_1/events/a.jsonl");
        world.wait_until(|hinted| hinted.runs.contains(&id));
        fs::remove_dir_all(&events).expect("removed");
        world.wait_until(|hinted| hinted.runs.contains(&id));
    }
}

#[test]
fn nothing_is_told_of_a_run_that_was_forgotten() {
    for mut world in World::all() {
        world.hints.listen_to_run(&run("run_1")).expect("listens");
        world.append("run_1/events/a.jsonl");
        world.hints.forget_run(&run("run_1"));
        world.forget();
        world.append("run_1/events/a.jsonl");
        world.assert_calm();
    }
}

#[test]
fn what_no_run_can_be_named_is_no_hint() {
    for mut world in World::all() {
        world.hints.listen_to_root().expect("listens");
        world.append("not a run");
        world.assert_calm();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_was_renamed_is_listened_to_under_its_new_name() {
    let [mut world, _] = World::all();
    let (old, new) = (run("run_1"), run("run_2"));
    world.hints.listen_to_run(&old).expect("listens");
    let [from, to] = ["run_1", "run_2"].map(|name| world.folder.path().join(name));
    fs::rename(from, to).expect("renamed");
    world.hints.listen_to_run(&new).expect("listens");
    world.hints.forget_run(&old);
    world.forget();
    world.append("run_2/events/a.jsonl");
    world.wait_until(|hinted| hinted.runs == [new.clone()].into());
}

#[cfg(target_os = "linux")]
#[test]
fn lost_notifications_are_a_hint_at_everything() {
    let [mut world, _] = World::all();
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events");
    let limit: usize = limit.map_or(16_384, |text| text.trim().parse().expect("a number"));
    world.hints.listen_to_run(&run("run_1")).expect("listens");
    // Equal notifications in a row are one.
    let open = |name: &str| {
        let path = world.folder.path().join("run_1/events").join(name);
        fs::File::create(path).expect("created")
    };
    // Notifications of such length leave some read ahead when enough are taken.
    let mut files = ["a", "b"].map(|name| open(&format!("{name}-of-some-length.jsonl")));
    for at in 0..=limit {
        files[at % 2].write_all(b"\n").expect("appended");
    }
    world.wait_until(|hinted| hinted.everything);
}

#[test]
fn waiting_ends_when_it_is_asked_to() {
    for mut world in World::all() {
        let waker = world.hints.waker();
        let asking = std::thread::spawn(move || waker.stop());
        assert!(world.hints.wait(Duration::from_secs(99)).stop);
        asking.join().expect("no panic");
        assert_eq!(world.hints.wait(Duration::ZERO), Hinted::default());
        world.hints.waker().stop();
        world.hints.waker().stop();
        assert!(world.hints.wait(Duration::MAX).stop);
    }
}

#[test]
fn waiting_ends_in_time() {
    for mut world in World::all() {
        let (start, timeout) = (Instant::now(), Duration::from_millis(20));
        assert_eq!(world.hints.wait(timeout), Hinted::default());
        assert!(start.elapsed() >= timeout);
    }
}

#[test]
fn what_is_not_there_gives_no_notifications() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut hints = Hints::new(&folder.path().join("none"));
    assert!(hints.listen_to_root().is_err());
    assert!(hints.listen_to_run(&run("run_1")).is_err());
}
