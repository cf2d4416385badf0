//! What power loss leaves of a log, on a disk that keeps of what was not synced whatever it likes.

use super::*;
use crate::event::RunFinished;
use crate::line_reader::tests::ScriptedSource;
use crate::modelled_storage::{Faults, FileAtRisk, ModelledStorage, PAGE_BYTES};
use crate::proof::{proved, quick_or_soak};
use crate::random::Random;
use crate::segment_reader::{Content, Item, SegmentReader};
use crate::{Host, Root};

/// What a user of writers does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Events with texts of so many bytes, with one call.
    Append {
        writer: usize,
        events: usize,
        text_bytes: usize,
    },
    Finish(usize),
    Sync(usize),
    /// The writer's segment seems full from now on.
    Fill(usize),
    Reopen(usize),
    /// The writer's process ends and another begins.
    Restart(usize),
    Break(Faults),
}

const HEALTHY: Faults = Faults {
    fails_syncs: false,
    fails_folder_syncs: false,
    room: None,
};

/// The durability of each writer.
const WRITERS: [Durability; 3] = [Durability::Process, Durability::Power, Durability::Process];

/// Where an event stands: its segment and its number.
type EventPlace = (SegmentId, u64);

/// Writers that write, and what they said of it.
struct Trace {
    clock: Arc<ManualClock>,
    storage: ModelledStorage,
    writers: Vec<Writer>,
    /// The events that must survive a power loss.
    sure: BTreeSet<EventPlace>,
    /// What each writer acknowledged, and did not sync yet.
    waiting: Vec<Vec<EventPlace>>,
    events: usize,
    failures: usize,
}

fn run() -> RunDir {
    Root::new("/root").run(&RunId::new("run_1").expect("an id"))
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(at("2024-12-03T14:30:22Z")))
}

fn writer(
    storage: &ModelledStorage,
    durability: Durability,
    clock: Arc<ManualClock>,
    boot: &str,
) -> Writer {
    let host = Host {
        name: "host".to_owned(),
        boot: Some(boot.to_owned()),
        pid: 1,
    };
    let options = WriterOptions {
        durability,
        host: Some(host),
        clock,
        ..WriterOptions::default()
    };
    Writer::with_storage(run(), options, Arc::new(storage.clone()))
}

impl Trace {
    fn new() -> Self {
        let storage = ModelledStorage::new(&run().events_path());
        let clock = clock();
        let start = |durability: &Durability| writer(&storage, *durability, clock.clone(), "boot");
        let writers = WRITERS.iter().map(start);
        Self {
            writers: writers.collect(),
            clock,
            storage,
            sure: BTreeSet::new(),
            waiting: vec![Vec::new(); WRITERS.len()],
            events: 0,
            failures: 0,
        }
    }

    fn take(&mut self, step: Step) {
        // So that segments that begin later are the newer ones.
        self.clock.advance(Duration::from_millis(1));
        match step {
            Step::Append {
                writer,
                events,
                text_bytes,
            } => self.append(writer, events, text_bytes),
            Step::Finish(writer) => {
                let (status, segments) = (RunStatus::Completed, None);
                let finished = self.writers[writer].append(RunFinished { status, segments });
                let place = finished.map(|it| (it.segment, it.seq));
                self.settle(writer, place.map(|place| vec![place]), true);
            }
            Step::Sync(writer) => {
                let synced = self.writers[writer].sync();
                self.settle(writer, synced.map(|()| Vec::new()), true);
            }
            Step::Fill(writer) => {
                let state = self.writers[writer].state();
                let mut appender = state.appender();
                if appender.unsynced().iter().any(|it| it.commit.written() > 0) {
                    appender.pretend_full();
                }
            }
            Step::Reopen(writer) => {
                if self.writers[writer].state().refusal.get().is_some() {
                    self.waiting[writer].clear();
                }
                self.writers[writer].reopen();
            }
            Step::Restart(at) => {
                self.waiting[at].clear();
                let clock = self.clock.clone();
                self.writers[at] = writer(&self.storage, WRITERS[at], clock, "boot");
            }
            Step::Break(faults) => self.storage.set_faults(faults),
        }
    }

    fn append(&mut self, writer: usize, events: usize, text_bytes: usize) {
        let texts: Vec<_> = (self.events..self.events + events)
            .map(|event| format!("{event} {}", "x".repeat(text_bytes)))
            .collect();
        self.events += events;
        let drafts: Vec<_> = texts.iter().map(|text| note(text)).collect();
        let appended = self.writers[writer].append_batch(&drafts);
        let places = appended.map(|last| {
            let Appended { segment, seq } = last.expect("not empty");
            let seqs = (0..=seq).rev().take(events);
            seqs.map(|seq| (segment.clone(), seq)).collect()
        });
        self.settle(writer, places, WRITERS[writer] == Durability::Power);
    }

    /// Notes what a writer said.
    fn settle(
        &mut self,
        writer: usize,
        places: Result<Vec<EventPlace>, AppendError>,
        is_synced: bool,
    ) {
        match places {
            Ok(places) => self.waiting[writer].extend(places),
            Err(_) => return self.failures += 1,
        }
        // What a writer that wants power acknowledged earlier is sure already.
        if is_synced {
            self.sure.extend(self.waiting[writer].drain(..));
        }
    }
}

/// A moment in which the power is lost: a file, and what of it must be found again.
#[derive(PartialEq, Eq)]
struct Moment {
    file: FileAtRisk,
    /// Where the lines begin that must be found.
    sure: BTreeSet<u64>,
    /// The start of the line from which on the file may not be what it was.
    start: usize,
}

/// The sound lines of a file from a line's start on, by where they begin, each with its length
/// and number. Checks that each byte is accounted for.
fn sound_lines(bytes: &[u8], start: usize) -> BTreeMap<u64, (u64, u64)> {
    let rest = bytes.get(start..).unwrap_or(&[]).to_vec();
    let (visible, start) = (rest.len(), start as u64);
    let mut reader = SegmentReader::new(ScriptedSource {
        bytes: rest,
        visible,
    });
    // In front of it stands a line with a checksum, if anything does.
    reader.resume(0, start > 0, Vec::new());
    let (mut next, mut sound) = (0, BTreeMap::new());
    let visit = |item: Item<'_>| {
        let seq = match item.content {
            Content::Sound(line, _) => line.seq,
            Content::Blank | Content::Damage(_) => None,
        };
        (item.offset, item.length, seq)
    };
    while let Some((offset, length, seq)) = reader.next(visit).expect("a script does not fail") {
        assert_eq!(offset, next, "a byte is left out");
        next += length;
        if let Some(seq) = seq {
            sound.insert(start + offset, (length, seq));
        }
    }
    assert_eq!(next + reader.pending_bytes(), visible as u64);
    sound
}

impl Moment {
    /// Takes the files of a moment, and checks that none is missing in which an event must stand.
    fn all(files: Vec<FileAtRisk>, sure: &BTreeSet<EventPlace>) -> Vec<Self> {
        let mut places = 0;
        let moments = files.into_iter().map(|file| {
            let stem = file.path.file_stem().expect("a name").to_string_lossy();
            let id = SegmentId::new(&stem);
            let mut offsets = BTreeSet::new();
            for (offset, (_, seq)) in sound_lines(&file.shown, 0) {
                if sure.contains(&(id.clone(), seq)) {
                    offsets.insert(offset);
                }
            }
            assert!(
                file.is_name_sure || offsets.is_empty(),
                "a name may be lost"
            );
            places += offsets.len();
            let first = file
                .pages
                .first()
                .map_or(usize::MAX, |page| page * PAGE_BYTES);
            let first = first.min(file.on_disk.len());
            let lf = memchr::memrchr(b'\n', &file.shown[..first]);
            Self {
                file,
                sure: offsets,
                start: lf.map_or(0, |at| at + 1),
            }
        });
        let moments = moments.collect();
        assert_eq!(places, sure.len(), "a segment is gone");
        moments
    }

    /// Checks what stands after the power loss, and goes on writing behind it.
    fn check(&self, size: usize, is_kept: impl Fn(usize) -> bool, goes_on: bool) {
        let image = self.file.image(size, is_kept);
        let found = sound_lines(&image, self.start);
        for offset in self.sure.range(self.start as u64..) {
            assert!(found.contains_key(offset), "lost the line at {offset}");
        }
        for (offset, (length, _)) in &found {
            let line = usize::try_from(*offset).expect("small")
                ..usize::try_from(offset + length).expect("small");
            assert_eq!(image[line.clone()], self.file.shown[line], "a wrong event");
        }
        if goes_on {
            self.check_next_writers(&image);
        }
    }

    /// Lets writers go on: one after a restart, and one that believes there was none.
    fn check_next_writers(&self, image: &[u8]) {
        let before = sound_lines(image, 0);
        for boot in ["another boot", "boot"] {
            let FileAtRisk { path, inode, .. } = &self.file;
            let files = vec![(path.clone(), *inode, image.to_vec())];
            let storage = ModelledStorage::after_power_loss(&run().events_path(), files);
            let next = writer(&storage, Durability::Power, clock(), boot).append(note("next"));
            let next = next.expect("appended");
            let mut places = 0;
            for file in storage.files_at_risk() {
                assert!(
                    file.is_name_sure && file.pages.is_empty(),
                    "acknowledged under power"
                );
                let lines = sound_lines(&file.shown, 0);
                let stem = file.path.file_stem().expect("a name").to_string_lossy();
                let is_next = *stem == *next.segment.as_str();
                if file.path == *path {
                    assert!(file.shown.starts_with(image), "only appended to");
                    assert!(before.iter().all(|(at, line)| lines.get(at) == Some(line)));
                }
                let seqs = lines
                    .values()
                    .filter(|(_, seq)| is_next && *seq == next.seq);
                places += seqs.count();
            }
            assert_eq!(places, 1, "the next event stands once");
        }
    }

    /// Checks each state that the power loss may leave: every set of the pages that nobody knows
    /// of, and the sizes that can come about, or each size.
    fn check_all(&self, every_size: bool) -> usize {
        let FileAtRisk {
            shown,
            on_disk,
            pages,
            sizes,
            ..
        } = &self.file;
        let range = on_disk.len()..=shown.len();
        let sizes: BTreeSet<usize> = match every_size {
            true => range.collect(),
            false => {
                let pages = (0..=shown.len()).step_by(PAGE_BYTES);
                let ends = [on_disk.len(), shown.len()];
                let places = sizes.iter().copied().chain(ends).chain(pages);
                let near = places.flat_map(|at| [at.saturating_sub(1), at, at + 1]);
                near.filter(|at| range.contains(at)).collect()
            }
        };
        assert!(pages.len() < 12, "{} pages are too many", pages.len());
        let mut states = 0;
        for size in sizes {
            for kept in 0..1_u32 << pages.len() {
                let is_kept = |page| {
                    let at = pages.binary_search(&page).expect("one of them");
                    kept & 1 << at != 0
                };
                // Each other size is one more place where a line is torn.
                self.check(size, is_kept, !every_size || size % 16 == 0);
                states += 1;
            }
        }
        states
    }

    /// Checks a state of which dice say everything, and returns its bytes.
    fn check_any(&self, random: &mut Random, goes_on: bool) {
        let FileAtRisk {
            shown,
            on_disk,
            sizes,
            ..
        } = &self.file;
        let room = (shown.len() - on_disk.len()) as u64;
        let sizes: Vec<_> = sizes
            .iter()
            .filter(|size| **size >= on_disk.len())
            .collect();
        let size = match random.below(3) {
            0 if !sizes.is_empty() => *sizes[below(random, sizes.len())],
            1 => shown.len(),
            _ => on_disk.len() + usize::try_from(random.below(room + 1)).expect("small"),
        };
        let (salt, share) = (random.next(), 1 + random.below(8));
        let is_kept = |page: usize| Random::new(salt ^ page as u64).below(share + 1) > 0;
        self.check(size, is_kept, goes_on);
    }
}

fn below(random: &mut Random, limit: usize) -> usize {
    usize::try_from(random.below(limit as u64)).expect("small")
}

/// Fifty calls: three writers, texts that span pages, a segment that gets full, a disk that gets
/// full, syncs that fail, ends of the run, writers that end and begin.
fn short_trace() -> Vec<Step> {
    let one = |writer, text_bytes| Step::Append {
        writer,
        events: 1,
        text_bytes,
    };
    let batch = |writer, events| Step::Append {
        writer,
        events,
        text_bytes: 30,
    };
    let broken = |faults| Step::Break(faults);
    let full = |room| {
        broken(Faults {
            room: Some(room),
            ..HEALTHY
        })
    };
    let fails_syncs = broken(Faults {
        fails_syncs: true,
        ..HEALTHY
    });
    let fails_folder_syncs = broken(Faults {
        fails_folder_syncs: true,
        ..HEALTHY
    });
    let healthy = broken(HEALTHY);
    #[rustfmt::skip]
    let steps = vec![
        one(0, 10), one(1, 10), one(0, 2000), Step::Sync(0), batch(0, 3), one(1, 5000),
        full(100), one(0, 50), one(0, 50), healthy, one(0, 60), one(2, 10), Step::Finish(2),
        Step::Fill(0), one(0, 3000), Step::Sync(0), Step::Fill(1), one(1, 10), batch(1, 4),
        one(2, 4500), fails_syncs, one(1, 10), Step::Sync(2), one(2, 5), healthy, one(1, 10),
        Step::Reopen(1), one(1, 20), Step::Reopen(2), one(2, 5), Step::Restart(0), one(0, 100),
        full(5), one(1, 30), healthy, one(1, 40), Step::Finish(0), Step::Restart(2), one(2, 7000),
        Step::Sync(2), Step::Restart(1), fails_folder_syncs, one(1, 10), Step::Reopen(1), healthy,
        one(1, 15), batch(2, 5), one(0, 1), Step::Finish(1), one(2, 9000), Step::Finish(2),
        one(1, 3), one(0, 2), one(2, 1), Step::Sync(0),
    ];
    steps
}

#[test]
#[ignore = "each state of the disk in a trace: `just guarantees` runs it"]
fn power_loss_at_any_moment_costs_nothing_that_was_synced() {
    let mut trace = Trace::new();
    trace.storage.keep_moments();
    let (mut moments, mut states) = (0, 0);
    let mut checked: BTreeMap<PathBuf, Moment> = BTreeMap::new();
    for step in short_trace() {
        // What the call says counts from its end on.
        let before = trace.sure.clone();
        trace.take(step);
        let during = trace.storage.take_moments();
        let during = during.into_iter().map(|files| (files, &before));
        let end = (trace.storage.files_at_risk(), &trace.sure);
        for (files, sure) in during.chain([end]) {
            moments += 1;
            for moment in Moment::all(files, sure) {
                // Files do not touch each other, so each is looked at by itself, and once.
                if checked.get(&moment.file.path) != Some(&moment) {
                    states += moment.check_all(quick_or_soak(false, true));
                    checked.insert(moment.file.path.clone(), moment);
                }
            }
        }
    }
    assert!(
        trace.failures > 5 && trace.sure.len() > 20,
        "the trace is worth its while"
    );
    proved(
        "A2",
        &format!("{moments} moments of a short trace, {states} states of the disk"),
    );
}

fn any_step(random: &mut Random) -> Step {
    let writer = below(random, WRITERS.len());
    match random.below(40) {
        0 | 1 => Step::Sync(writer),
        2 => Step::Finish(writer),
        3 => Step::Fill(writer),
        4 | 5 => Step::Restart(writer),
        6 => Step::Break(Faults {
            fails_syncs: random.below(3) == 0,
            fails_folder_syncs: random.below(3) == 0,
            room: (random.below(2) == 0).then(|| below(random, 9000)),
        }),
        7..=10 => Step::Break(HEALTHY),
        11..=14 => Step::Reopen(writer),
        15..=18 => Step::Append {
            writer,
            events: 1 + below(random, 8),
            text_bytes: below(random, 300),
        },
        _ => Step::Append {
            writer,
            events: 1,
            text_bytes: [10, 20, 150, 150, 1000, 5000][below(random, 6)],
        },
    }
}

#[test]
#[ignore = "100,000 states of the disk: `just guarantees` runs it"]
fn power_loss_in_a_long_trace_costs_nothing_that_was_synced() {
    const THREADS: u64 = 2;
    let states = quick_or_soak(100_000, 2_000_000) / THREADS;
    let (count, steps, sure) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| scope.spawn(move || check_long_traces(&mut Random::new(seed), states)))
            .collect();
        let counts = threads.into_iter().map(|it| it.join().expect("it holds"));
        counts.fold((0, 0, 0), |all, one| {
            (all.0 + one.0, all.1 + one.1, all.2 + one.2)
        })
    });
    proved(
        "A2",
        &format!("{count} random states in {steps} steps, {sure} synced events"),
    );
}

/// Checks so many states, and returns how many, in how many steps, and the events that were sure.
fn check_long_traces(random: &mut Random, states: u64) -> (u64, u64, usize) {
    let (mut count, mut steps, mut sure) = (0, 0, 0);
    while count < states {
        let mut trace = Trace::new();
        for _ in 0..120 {
            trace.take(any_step(random));
            steps += 1;
            let moments = Moment::all(trace.storage.files_at_risk(), &trace.sure);
            // Of a file that was synced nothing can be lost.
            let moments = moments.iter().filter(|it| it.file.shown != it.file.on_disk);
            for moment in moments {
                for state in 0..50 {
                    moment.check_any(random, state == 0);
                    count += 1;
                }
            }
        }
        sure += trace.sure.len();
    }
    (count, steps, sure)
}
