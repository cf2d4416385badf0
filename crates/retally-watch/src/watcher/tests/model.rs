//! Whatever happens to a root, to its reports and to those who watch it.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// How often something happened, by its name.
type Counts = BTreeMap<&'static str, u64>;

/// Something that happens to a root.
#[derive(Clone, Debug)]
enum Happening {
    /// A line of this second is appended to a segment, whole or torn.
    Append(u8, u8, u32, u8, bool),
    /// A notification comes.
    Hint(u8),
    /// Notifications are lost, and that is told.
    Overflow,
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A watcher is killed and another started.
    Kill(bool),
    /// A watcher ends as it should, and another is started.
    Stop(bool),
    LoseCheckpoints,
    Rebuild,
    /// A segment is cut to a part of its length.
    Cut(u8, u8, u8),
    /// A segment is removed.
    Remove(u8, u8),
    /// A segment is written anew in its place, with fewer, as many or more bytes.
    Rewrite(u8, u8, u8),
    /// A segment is deleted and made anew, where it can under the same inode number.
    Recreate(u8, u8, u8),
    /// A segment is renamed away, or back.
    Rename(u8, u8),
    /// Nobody may read or write a segment, the folder of segments, that of the run, or that of its
    /// reports.
    Forbid(u8, u8),
    /// All is allowed again.
    Allow,
    /// The system listens to so many folders from now on.
    WatchLimit(usize),
    /// A run is moved away, or back.
    Move(u8),
    /// Somebody removes or changes a report.
    Touch(u8, bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let (run, segment) = (0..3_u8, 0..3_u8);
    let append = (
        run.clone(),
        segment.clone(),
        10..60_u32,
        0..8_u8,
        prop::bool::weighted(0.15),
    );
    prop_oneof![
        12 => append.prop_map(|(run, segment, second, kind, torn)| Append(run, segment, second, kind, torn)),
        4 => run.clone().prop_map(Hint),
        1 => Just(Overflow),
        6 => prop_oneof![1..200_u64, 200..20_000_u64].prop_map(Pass),
        1 => any::<bool>().prop_map(Kill),
        1 => any::<bool>().prop_map(Stop),
        1 => Just(LoseCheckpoints),
        1 => Just(Rebuild),
        1 => (run.clone(), segment.clone(), 0..100_u8).prop_map(|(run, segment, part)| Cut(run, segment, part)),
        1 => (run.clone(), segment.clone()).prop_map(|(run, segment)| Remove(run, segment)),
        1 => (run.clone(), segment.clone(), 0..6_u8).prop_map(|(run, segment, lines)| Rewrite(run, segment, lines)),
        1 => (run.clone(), segment.clone(), 0..6_u8).prop_map(|(run, segment, lines)| Recreate(run, segment, lines)),
        1 => (run.clone(), segment).prop_map(|(run, segment)| Rename(run, segment)),
        1 => (run.clone(), 0..4_u8).prop_map(|(run, place)| Forbid(run, place)),
        1 => Just(Allow),
        1 => (0..6_usize).prop_map(WatchLimit),
        1 => run.clone().prop_map(Move),
        1 => (run, any::<bool>()).prop_map(|(run, removes)| Touch(run, removes)),
    ]
}

fn event(kind: u8, second: u32) -> String {
    let issue = second % 3;
    let event = match kind {
        0 => format!(r#""issue.started","issue":{issue}"#),
        1 => format!(r#""issue.finished","issue":{issue},"status":"completed""#),
        2 => format!(r#""agent.started","issue":{issue},"agent":"coding""#),
        3 => format!(r#""agent.finished","issue":{issue},"agent":"coding","success":false"#),
        4 => format!(r#""tool.called","issue":{issue},"tool":"sh","key":"k{second}""#),
        5 => r#""run.finished","status":"failed""#.to_owned(),
        6 => format!(r#""agent.finished","issue":{issue}"#),
        _ => format!(r#""note.added","issue":{issue},"text":"{second}""#),
    };
    line(second, &event)
}

impl Happening {
    fn come_true(&self, world: &World, watchers: &mut [Watcher; 2]) {
        match *self {
            Self::Hint(at) => watchers
                .iter_mut()
                .for_each(|it| it.take_in(hint(&format!("run_{at}")))),
            Self::Overflow => {
                let everything = true;
                let lost = Hinted {
                    everything,
                    ..Hinted::default()
                };
                watchers.iter_mut().for_each(|it| it.take_in(lost.clone()));
            }
            Self::Pass(millis) => {
                world.clock.advance(Duration::from_millis(millis));
                watchers.iter_mut().for_each(|it| _ = turn(it));
            }
            Self::Kill(first) => watchers[usize::from(first)] = world.watcher(),
            Self::Stop(first) => {
                let stopped = &mut watchers[usize::from(first)];
                stopped.finish(false, &mut |_| {});
                *stopped = world.watcher();
            }
            Self::WatchLimit(folders) => world.folders_max.store(folders, Ordering::Relaxed),
            _ => self.happen_to_files(world),
        }
    }

    /// Does to the files of a root what can be done to them: nothing where they are not there, or
    /// nobody may touch them.
    fn happen_to_files(&self, world: &World) {
        let run = |number: u8| world.root().join(format!("run_{number}"));
        let segment = |at: u8, part: u8| run(at).join("events").join(segment_name(part));
        match *self {
            Self::Append(at, part, second, kind, torn) => {
                let line = event(kind, second);
                let length = if torn { line.len() / 2 } else { line.len() };
                _ = append(&segment(at, part), &line[..length]);
            }
            Self::LoseCheckpoints => _ = fs::remove_dir_all(world.cache()),
            Self::Rebuild => {
                let runs = Root::new(world.root()).runs().expect("readable");
                let prices = Arc::new(PriceBook::built_in());
                rebuild(&world.root(), &runs, &prices, RebuildMode::Write, |_| {});
            }
            Self::Cut(at, part, percent) => {
                let file = fs::OpenOptions::new().write(true).open(segment(at, part));
                if let Ok(file) = file {
                    let bytes = file.metadata().expect("open").len();
                    file.set_len(bytes * u64::from(percent) / 100).expect("cut");
                }
            }
            Self::Remove(at, part) => _ = fs::remove_file(segment(at, part)),
            Self::Rewrite(at, part, lines) => {
                let path = segment(at, part);
                if path.exists() {
                    _ = fs::write(path, events(lines));
                }
            }
            Self::Recreate(at, part, lines) => {
                let path = segment(at, part);
                if fs::remove_file(&path).is_ok() {
                    fs::write(path, events(lines)).expect("the folder can be written to");
                }
            }
            Self::Rename(at, part) => {
                let (here, away) = (segment(at, part), run(at).join(segment_name(part)));
                move_or_back(&here, &away);
            }
            Self::Move(at) => move_or_back(&run(at), &world.folder.path().join(format!("{at}"))),
            Self::Touch(at, true) => _ = fs::remove_dir_all(run(at).join("issues")),
            Self::Touch(at, false) => {
                let file = run(at).join("issues/issue_1_metrics.json");
                if file.exists() {
                    _ = fs::write(file, "{}");
                }
            }
            Self::Forbid(at, place) => {
                let places = ["events/a.jsonl", "events", "issues", ""];
                forbid(&run(at).join(places[usize::from(place)]));
            }
            Self::Allow => world.allow_all(),
            Self::Hint(_) | Self::Overflow | Self::Pass(_) | Self::Kill(_) | Self::Stop(_) => {}
            Self::WatchLimit(_) => {}
        }
    }

    /// Returns the word that stands for it.
    fn name(&self) -> &'static str {
        match self {
            Self::Append(..) => "writes",
            Self::Cut(..) => "cuts",
            Self::Remove(..) => "deletions",
            Self::Rewrite(..) | Self::Recreate(..) => "segments made anew",
            Self::Rename(..) | Self::Move(_) => "renames",
            Self::Forbid(..) => "lost permissions",
            Self::Overflow => "overflows",
            Self::WatchLimit(_) => "watch limits",
            Self::Kill(_) | Self::Stop(_) => "restarts",
            Self::Hint(_) | Self::Pass(_) | Self::Allow => "",
            Self::LoseCheckpoints | Self::Rebuild | Self::Touch(..) => "",
        }
    }
}

fn segment_name(part: u8) -> String {
    format!("{}.jsonl", ["a", "b", "c"][usize::from(part)])
}

fn events(lines: u8) -> String {
    (0..lines).map(|n| event(n, 20 + u32::from(n))).collect()
}

fn move_or_back(here: &Path, away: &Path) {
    if here.exists() && !away.exists() {
        _ = fs::rename(here, away);
    } else if !here.exists() && away.exists() {
        _ = fs::rename(away, here);
    }
}

/// Lets things happen, and then fails unless the files become those of a rebuild.
fn check(happenings: &[Happening]) -> Result<(), TestCaseError> {
    let mut world = World::silent();
    world.rest_after = Duration::from_secs(60);
    let mut watchers = [world.watcher(), world.watcher()];
    for happening in happenings {
        happening.come_true(&world, &mut watchers);
    }
    world.allow_all();
    // Longer than a run is kept without a change, and rests without a look at its files.
    for _ in 0..14 {
        world.clock.advance(Duration::from_secs(30));
        watchers.iter_mut().for_each(turn_until_nothing_is_due);
    }
    prop_assert_eq!(world.differences(), Vec::<String>::new());
    let everything = watchers[0].catch_up(&mut |_| {});
    prop_assert_eq!(everything.problems, 0);
    Ok(())
}

/// Turns as a watcher does: a turn looks at a few runs, those first whose last look took little time
/// of the machine's, and is followed by the next while others are due.
fn turn_until_nothing_is_due(watcher: &mut Watcher) {
    const TURNS_MAX: usize = 1000;
    for _ in 0..TURNS_MAX {
        turn(watcher);
        if watcher.schedule.next_due() > watcher.clock.monotonic() {
            return;
        }
    }
}

/// Checks so many sequences, on one thread, without the privileges of root, which would read what
/// nobody may.
fn check_many(sequences: u32, counts: &Mutex<Counts>) {
    let config = ProptestConfig {
        cases: sequences,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1);
    let thread = threads.start_handler(|_| give_privileges_up()).build();
    let checked = thread.expect("a thread").install(|| {
        let sequence = proptest::collection::vec(happening(), 1..60);
        TestRunner::new(config).run(&sequence, |happenings| {
            check(&happenings)?;
            let mut counts = counts.lock().expect("nobody fails under the lock");
            for happening in happenings {
                *counts.entry(happening.name()).or_default() += 1;
            }
            Ok(())
        })
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
}

/// Property: whatever happened to logs, reports, watchers and notifications, once writers are
/// quiet the report files are those of a rebuild.
#[test]
fn once_writers_are_quiet_the_files_are_those_of_a_rebuild() {
    check_many(100, &Mutex::default());
}

#[test]
#[ignore = "5,000 sequences: `just guarantees` runs it"]
fn whatever_happens_to_logs_and_to_watchers_the_files_become_those_of_a_rebuild() {
    const THREADS: u32 = 2;
    let sequences = quick_or_soak(5_000, 50_000);
    let counts = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| check_many(sequences / THREADS, &counts));
        }
    });
    let counts = counts.into_inner().expect("no thread failed");
    let happened = counts.iter().filter(|(name, _)| !name.is_empty());
    let happened: Vec<_> = happened.map(|(name, n)| format!("{n} {name}")).collect();
    let happened = happened.join(", ");
    proved("W3", &format!("{sequences} sequences: {happened}"));
}
