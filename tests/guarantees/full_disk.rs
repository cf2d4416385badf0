//! Disks that get full, and have room again: small ones, mounted for the test.

use super::proved;
use retally_log::{
    AppendError, Content, Entry, Event, LogReader, NoteAdded, Root, RunDir, RunId, Writer,
    WriterOptions,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk to mount: its file system and its size in KiB.
const DISKS: [(&str, u64); 4] = [
    ("tmpfs", 64),
    ("ext4", 8 << 10),
    ("xfs", 320 << 10),
    ("btrfs", 128 << 10),
];

/// A mounted disk. Dropping it unmounts it.
struct Disk {
    folder: tempfile::TempDir,
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    match Command::new(program).args(words).output() {
        Err(error) => Err(format!("{program}: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

impl Disk {
    /// Makes and mounts one, or says why that cannot be done here.
    fn mount(kind: &str, size_kib: u64) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let disk = Self { folder };
        let at = disk.path().display().to_string();
        std::fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        if kind == "tmpfs" {
            let size = format!("size={size_kib}k");
            run("mount", &["-t", kind, "-o", &size, kind, &at])?;
            return Ok(disk);
        }
        let image = disk.folder.path().join("image");
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(size_kib << 10)
            .map_err(|error| error.to_string())?;
        let image = image.display().to_string();
        run(&format!("mkfs.{kind}"), &["-q", &image])?;
        run("mount", &["-t", kind, "-o", "loop", &image, &at])?;
        Ok(disk)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Where it was never mounted, there is nothing to do.
        _ = run("umount", &[&self.path().display().to_string()]);
    }
}

/// Takes what room is left on the disk, but for some KiB.
fn fill(path: &Path, left_kib: usize) {
    let path = path.join("ballast");
    let mut file = std::fs::File::create(&path).expect("created");
    let block = vec![b'x'; 4096];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    let bytes = file.metadata().expect("facts").len();
    let kept = bytes.saturating_sub((left_kib as u64) << 10);
    file.set_len(kept).expect("made shorter");
    file.sync_all().expect("synced");
}

fn append(writer: &Writer, name: usize, text_bytes: usize) -> Result<(), AppendError> {
    let text = format!("{name} {}", "x".repeat(text_bytes)).into();
    let (issue, agent) = (None, None);
    writer.append(NoteAdded { text, issue, agent }).map(drop)
}

/// Returns how often each note stands, and how many stretches are damage.
fn notes(run: &RunDir) -> (BTreeMap<usize, u64>, u64) {
    let (mut notes, mut damaged) = (BTreeMap::new(), 0);
    let mut log = LogReader::open(run.events_path()).expect("readable");
    let mut visit = |entry: Entry<'_>| match entry {
        Entry::Stretch(_, Content::Event(logged)) => {
            let Event::NoteAdded(note) = &logged.envelope.event else {
                panic!("nobody appended it");
            };
            let name = note.text.split(' ').next().expect("not empty");
            *notes.entry(name.parse().expect("a number")).or_insert(0) += 1;
        }
        Entry::Stretch(_, Content::Damage(_)) => damaged += 1,
        Entry::Stretch(_, Content::Opened(_)) => {}
        other => panic!("{other:?}"),
    };
    while log.next(&mut visit).expect("readable").is_some() {}
    (notes, damaged)
}

/// Checks that no line stands behind a torn one without an LF between them.
fn check_lines(run: &RunDir) {
    for file in std::fs::read_dir(run.events_path()).expect("readable") {
        let bytes = std::fs::read(file.expect("an entry").path()).expect("readable");
        for line in String::from_utf8_lossy(&bytes).lines() {
            assert!(line.matches("{\"seq\":").count() < 2, "{line}");
        }
    }
}

/// Fills the disk by appending, frees room, and appends again; returns how many appends were
/// acknowledged, how many were not, and how many lines are torn.
fn check(disk: &Disk, text_bytes: usize, round: usize) -> (usize, usize, u64) {
    let root = disk.path().join(format!("runs {round}"));
    let id = RunId::new("run_1").expect("an id");
    let run = Root::new(&root).create_run(&id).expect("created");
    let start = || Writer::new(run.clone(), WriterOptions::default());
    let (mut writer, mut acknowledged, mut refused) = (start(), Vec::new(), Vec::new());
    append(&writer, 0, 10).expect("there is room");
    acknowledged.push(0);
    fill(&disk.path(), 8 + round);
    for name in 1..2000 {
        // Small events may still find room where large ones do not.
        let bytes = [text_bytes, 20][name % 2];
        match append(&writer, name, bytes) {
            Ok(()) => acknowledged.push(name),
            Err(_) => refused.push(name),
        }
        if name % 50 == 0 {
            drop(std::mem::replace(&mut writer, start()));
        }
        if refused.len() > 40 {
            break;
        }
    }
    assert!(!refused.is_empty(), "the disk is full");
    std::fs::remove_file(disk.path().join("ballast")).expect("removed");
    // ext4 gives freed room out again once it has committed that it is free.
    let folder = std::fs::File::open(disk.path()).expect("a folder");
    folder.sync_all().expect("committed");
    for name in [10_000, 10_001] {
        append(&writer, name, text_bytes).expect("there is room again");
        acknowledged.push(name);
    }
    check_lines(&run);
    let (notes, torn) = notes(&run);
    for name in &acknowledged {
        assert_eq!(notes.get(name), Some(&1), "event {name}");
    }
    for (name, count) in &notes {
        let is_known = acknowledged.contains(name) || refused.contains(name);
        assert!(is_known && *count == 1, "event {name}: {count}");
    }
    std::fs::remove_dir_all(root).expect("removed");
    (acknowledged.len(), refused.len(), torn)
}

#[test]
#[ignore = "mounts disks: `just guarantees` runs it"]
#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
fn a_full_disk_costs_no_acknowledged_event_and_later_ones_are_whole() {
    for (kind, size_kib) in DISKS {
        let disk = match Disk::mount(kind, size_kib) {
            Ok(disk) => disk,
            Err(reason) => {
                println!("skipped on {kind}: {reason}");
                continue;
            }
        };
        let (mut acknowledged, mut refused, mut torn) = (0, 0, 0);
        for (round, text_bytes) in [100, 700, 3000, 5000, 9000, 12_000].into_iter().enumerate() {
            let counts = check(&disk, text_bytes, round);
            acknowledged += counts.0;
            refused += counts.1;
            torn += counts.2;
        }
        let counts = format!("{kind}: {acknowledged} events, {refused} refused, {torn} torn");
        proved("A4", &counts);
    }
}
