//! What reads a log: the line reader with its salvage, the fold, and a fold's checkpoint.

use crate::corpus::{files, fuzz};
use retally_log::{Audit, Content, Entry, LogReader, Root, RunDir, RunId};
use retally_reduce::{PriceBook, RunFold};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

fn new_run() -> (tempfile::TempDir, RunDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let id = RunId::new("run_1").expect("an id");
    let run = Root::new(folder.path()).create_run(&id).expect("created");
    (folder, run)
}

/// Writes a file in the place of another; one that is cut and written to is slow on ext4.
fn write_anew(path: &Path, bytes: &[u8]) {
    _ = fs::remove_file(path);
    fs::write(path, bytes).expect("written");
}

/// What was read of a log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// The lines of events, in order.
    events: Vec<Vec<u8>>,
    /// Those for which a checksum vouches.
    sealed: BTreeSet<Vec<u8>>,
    bytes: u64,
}

impl Found {
    fn read_on(&mut self, log: &mut LogReader) {
        loop {
            let next = log.next(|entry| match entry {
                Entry::Rewound => *self = Self::default(),
                Entry::Stretch(place, content) => {
                    self.bytes += place.length;
                    if let Content::Event(logged) = content {
                        self.events.push(logged.line.to_vec());
                        if logged.is_checked {
                            self.sealed.insert(logged.line.to_vec());
                        }
                    }
                }
            });
            if next.expect("readable").is_none() && !log.refresh().expect("readable") {
                return;
            }
        }
    }
}

#[test]
fn lines() {
    let good = files(".jsonl");
    let (_folder, run) = new_run();
    let path = run.events_path().join("s.jsonl");
    // Whole lines of the good files, and those that are glued to another in one of them.
    let mut all: BTreeSet<Vec<u8>> = BTreeSet::new();
    for file in &good {
        all.extend(file.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        write_anew(&path, file);
        let mut found = Found::default();
        if let Ok(mut log) = LogReader::open(run.events_path()) {
            found.read_on(&mut log);
        }
        all.extend(found.sealed);
    }
    fuzz("lines", &good, |bytes| {
        // In two pieces, as a file grows, and then as a whole.
        let half = bytes.len() / 2;
        write_anew(&path, &bytes[..half]);
        let Ok(mut log) = LogReader::open(run.events_path()) else {
            // The format of a later version, as an edit may state.
            return;
        };
        let mut grown = Found::default();
        grown.read_on(&mut log);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .expect("there");
        file.write_all(&bytes[half..]).expect("written");
        if log.refresh().is_err() {
            return;
        }
        grown.read_on(&mut log);
        let mut log = LogReader::open(run.events_path()).expect("as before");
        let mut whole = Found::default();
        whole.read_on(&mut log);
        assert_eq!(grown.events, whole.events);
        let pending: u64 = log.pending().map(|unread| unread.bytes).sum();
        assert_eq!(
            whole.bytes + pending,
            bytes.len() as u64,
            "bytes are accounted for"
        );
        let forged: Vec<_> = whole
            .sealed
            .iter()
            .filter(|line| !all.contains(*line))
            .collect();
        assert!(forged.is_empty(), "{forged:?}");
        assert!(Audit::of(run.events_path()).is_ok());
    });
}

fn fold(root: &Path) -> Option<RunFold> {
    let id = RunId::new("run_1").expect("an id");
    let mut fold = RunFold::open(root, &id, Arc::new(PriceBook::built_in())).ok()?;
    fold.catch_up().ok()?;
    Some(fold)
}

#[test]
fn folds() {
    let (folder, run) = new_run();
    let path = run.events_path().join("s.jsonl");
    fuzz("folds", &files(".jsonl"), |bytes| {
        write_anew(&path, bytes);
        if let Some(fold) = fold(folder.path()) {
            let state = fold.state();
            _ = retally_reduce::to_json_bytes(&state.run_report());
            for issue in state.issue_ids() {
                _ = state.issue_report(issue);
            }
        }
    });
}

#[test]
fn checkpoints() {
    const MAGIC_BYTES: usize = 8;
    let (folder, run) = new_run();
    let good = files(".jsonl");
    let log = good.iter().max_by_key(|file| file.len()).expect("some");
    fs::write(run.events_path().join("s.jsonl"), log).expect("written");
    let mut whole = fold(folder.path()).expect("folded");
    let checkpoint = whole
        .checkpoint()
        .expect("readable")
        .expect("it is at rest");
    let id = RunId::new("run_1").expect("an id");
    let resume = |bytes: &[u8]| {
        let prices = Arc::new(PriceBook::built_in());
        RunFold::resume(folder.path(), &id, prices, bytes.to_vec()).expect("readable")
    };
    let metadata = |fold: &RunFold| retally_reduce::to_json_bytes(&fold.state().metadata());
    let wanted = metadata(&whole);
    fuzz("checkpoints", std::slice::from_ref(&checkpoint), |bytes| {
        if let Some(mut fold) = resume(bytes) {
            fold.catch_up().expect("readable");
            assert_eq!(metadata(&fold), wanted);
        }
        // Under a checksum that is right, as no accident leaves it, nothing is known but that it
        // is read without harm.
        let Some(body) = bytes.get(MAGIC_BYTES + 4..) else {
            return;
        };
        let crc = crc32c::crc32c(body).to_le_bytes();
        let forged = [&checkpoint[..MAGIC_BYTES], &crc, body].concat();
        _ = resume(&forged);
    });
}
