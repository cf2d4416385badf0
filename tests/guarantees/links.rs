//! What nobody reaches who puts links, FIFOs and devices in the place of files and folders.

use super::random::Random;
use super::{proved, quick_or_soak};
use retally_log::{
    Audit, Content, Entry, Event, IssueStarted, LogReader, NoteAdded, Root, RunDir, RunId, Writer,
    WriterOptions,
};
use retally_reduce::{PriceBook, RunFiles, RunFold};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, makedev, mknodat, renameat_with};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A run in a root, and another of the same form elsewhere, which is none of its business.
struct World {
    folder: tempfile::TempDir,
    is_over: AtomicBool,
}

/// No call takes so long unless it waits for a FIFO.
const TIME_MAX: Duration = Duration::from_secs(30);

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let world = Self {
            folder,
            is_over: AtomicBool::new(false),
        };
        for root in ["root", "elsewhere"] {
            let root = Root::new(world.path(root));
            let run = root.create_run(&run_id()).expect("created");
            let text = format!("{} first", root.path().display());
            append(&run, &text).expect("appended");
            fs::create_dir(run.path().join("issues")).expect("created");
        }
        world
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn root(&self) -> Root {
        Root::new(self.path("root"))
    }

    fn run(&self) -> RunDir {
        self.root().run(&run_id())
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Returns all that stands elsewhere, by its path.
    fn elsewhere(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("elsewhere")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("readable") {
                let path = entry.expect("readable").path();
                match path.is_dir() {
                    true => folders.push(path.clone()),
                    false => _ = found.insert(path.clone(), fs::read(&path).expect("readable")),
                }
                found.entry(path).or_default();
            }
        }
        found
    }

    /// Makes what is put in the place of a file or folder of the run.
    fn make_baits(&self) -> Vec<PathBuf> {
        let baits = self.path("baits");
        fs::create_dir(&baits).expect("created");
        let run = self.path("elsewhere").join(run_id().as_str());
        let segment = fs::read_dir(run.join("events")).expect("readable").next();
        let segment = segment.expect("a segment").expect("readable").path();
        let targets = [&*run, &run.join("events"), &run.join("issues"), &segment];
        let mut made = Vec::new();
        for (name, target) in ["run", "events", "issues", "segment"].iter().zip(targets) {
            symlink(target, baits.join(name)).expect("a link");
            made.push(baits.join(name));
        }
        symlink("/dev/zero", baits.join("zeros")).expect("a link");
        made.push(baits.join("zeros"));
        let mode = Mode::from_raw_mode(0o666);
        let fifo = baits.join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, mode, 0).expect("a FIFO");
        made.push(fifo);
        let device = baits.join("device");
        // Only the superuser makes devices.
        if mknodat(CWD, &device, FileType::CharacterDevice, mode, makedev(1, 5)).is_ok() {
            made.push(device);
        }
        made
    }
}

fn run_id() -> RunId {
    RunId::new("run_1").expect("an id")
}

fn append(run: &RunDir, text: &str) -> Result<(), retally_log::AppendError> {
    let (issue, agent) = (None, None);
    let text = text.into();
    let writer = Writer::new(run.clone(), WriterOptions::default());
    writer.append(NoteAdded { text, issue, agent }).map(drop)
}

/// Reads the notes of the run, none of which is from elsewhere.
fn read(world: &World) -> Option<BTreeSet<String>> {
    let mut notes = BTreeSet::new();
    let root = world.path("root");
    let mut log = LogReader::open(world.run().events_path()).ok()?;
    let mut take_in = |entry: Entry<'_>| {
        if let Entry::Stretch(_, Content::Event(logged)) = entry
            && let Event::NoteAdded(note) = &logged.envelope.event
        {
            assert!(
                note.text.starts_with(&*root.to_string_lossy()),
                "{}",
                note.text
            );
            notes.insert(note.text.to_string());
        }
    };
    while log.next(&mut take_in).ok()?.is_some() {}
    Some(notes)
}

/// Appends until it is over, and returns what was acknowledged.
fn keep_appending(world: &World) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    let root = world.root();
    let kept = Writer::new(world.run(), WriterOptions::default());
    for number in 0.. {
        if world.is_over() {
            break;
        }
        let text = format!("{} {number}", root.path().display());
        let run = root.open_or_create_run(&run_id());
        let appended = match (number % 4, run) {
            (0, _) => {
                let (issue, agent) = (None, None);
                let text = text.as_str().into();
                kept.append(NoteAdded { text, issue, agent }).is_ok()
            }
            (1, Ok(run)) => {
                // Its segment is synced, and the names of its folders.
                let (title, issue) = (None, number.into());
                let writer = Writer::new(run, WriterOptions::default());
                _ = writer.append(IssueStarted { issue, title });
                _ = writer.sync();
                false
            }
            (_, Ok(run)) => append(&run, &text).is_ok(),
            (_, Err(_)) => false,
        };
        if appended {
            acknowledged.insert(text);
        }
    }
    acknowledged
}

/// Reads and writes reports until it is over, and returns how often that could be done.
fn keep_reading(world: &World) -> u64 {
    let (root, prices) = (world.path("root"), Arc::new(PriceBook::built_in()));
    let mut done = 0;
    while !world.is_over() {
        done += u64::from(read(world).is_some());
        done += u64::from(Audit::of(world.run().events_path()).is_ok());
        done += u64::from(world.run().segment_lines().is_ok());
        _ = world.root().find(Root::LATEST);
        let Ok(mut fold) = RunFold::open(&root, &run_id(), Arc::clone(&prices)) else {
            continue;
        };
        let is_folded = fold.catch_up().is_ok() && !fold.state().is_stale();
        let files = RunFiles::open(&root, &run_id()).ok();
        if let Some(files) = files.filter(|_| is_folded).and_then(RunFiles::try_lock) {
            done += u64::from(files.write(fold.state()).is_ok());
        }
    }
    done
}

/// Runs commands until it is over, and returns how many.
fn keep_commanding(world: &World) -> u64 {
    let mut commands = 0;
    while !world.is_over() {
        for words in [
            &["check"][..],
            &["watch", "--once"],
            &["tail", "-n", "5"],
            &["runs"],
        ] {
            let status = Command::new(env!("CARGO_BIN_EXE_retally"))
                .args(words)
                .env_clear()
                .env("HOME", world.folder.path())
                .env("RETALLY_ROOT", world.path("root"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            let code = status.expect("the command starts").code();
            assert!(code.is_some_and(|code| code <= 3), "{words:?}: {code:?}");
            commands += 1;
        }
    }
    commands
}

/// Puts baits in the place of the run, its folders and its segments, and what was there back, as
/// often as it can, and returns how often.
fn keep_swapping(world: &World, baits: &[PathBuf], swaps_max: u64, time: Duration) -> u64 {
    let (start, run) = (Instant::now(), world.run());
    let mut random = Random::new(5);
    let mut segments = Vec::new();
    let mut swaps = 0;
    while swaps < swaps_max && start.elapsed() < time {
        if swaps % 64 == 0 {
            segments = fs::read_dir(run.events_path()).expect("readable").collect();
        }
        let segment = random.next() as usize % segments.len();
        let path = match random.below(4) {
            0 => run.path().to_owned(),
            1 => run.events_path(),
            2 => run.path().join("issues"),
            _ => segments[segment].as_ref().expect("readable").path(),
        };
        let bait = &baits[random.next() as usize % baits.len()];
        let swap = |from: &Path, to: &Path| {
            renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE).expect("swapped");
        };
        swap(bait, &path);
        for _ in 0..random.below(2000) {
            std::hint::spin_loop();
        }
        swap(&path, bait);
        swaps += 2;
    }
    swaps
}

#[test]
#[ignore = "10 s of swaps: `just guarantees` runs it"]
fn no_link_fifo_or_device_leads_elsewhere_or_blocks_whenever_it_is_planted() {
    let world = Arc::new(World::new());
    let baits = world.make_baits();
    let before = world.elsewhere();
    let (sender, ended) = mpsc::channel();
    let start = |work: fn(&World) -> Done| {
        let (world, sender) = (Arc::clone(&world), sender.clone());
        // Not joined where it blocks for ever.
        thread::spawn(move || sender.send(work(&world)));
    };
    start(|world| Done::Appended(keep_appending(world)));
    start(|world| Done::Read(keep_reading(world)));
    start(|world| Done::Commanded(keep_commanding(world)));
    let (swaps_max, seconds) = quick_or_soak((100_000, 10), (u64::MAX, 600));
    let swaps = keep_swapping(&world, &baits, swaps_max, Duration::from_secs(seconds));
    world.is_over.store(true, Ordering::Relaxed);
    let mut totals = (BTreeSet::new(), 0, 0);
    for _ in 0..3 {
        match ended
            .recv_timeout(TIME_MAX)
            .expect("no thread blocks or panics")
        {
            Done::Appended(acknowledged) => totals.0 = acknowledged,
            Done::Read(done) => totals.1 = done,
            Done::Commanded(commands) => totals.2 = commands,
        }
    }
    let (acknowledged, reads, commands) = totals;
    assert_eq!(world.elsewhere(), before, "something was changed elsewhere");
    let notes = read(&world).expect("readable");
    let lost: Vec<_> = acknowledged.difference(&notes).take(5).collect();
    assert!(
        lost.is_empty(),
        "acknowledged, but not in the run: {lost:?}"
    );
    assert!(
        acknowledged.len() > 10 && reads > 10,
        "it was not always in the way"
    );
    let device = if baits.len() == 7 {
        ", devices too"
    } else {
        ""
    };
    let counts = format!(
        "{swaps} swaps{device}, {} events, {reads} reads and writes of reports, {commands} commands",
        acknowledged.len()
    );
    proved("T2", &counts);
}

/// What a thread did.
enum Done {
    Appended(BTreeSet<String>),
    Read(u64),
    Commanded(u64),
}
