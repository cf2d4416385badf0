//! Good files of each kind, from the repository's fixtures.

use bolero::check;
use retally_fuzz::broken;
use std::fs;
use std::panic::RefUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// More than the edits of a script need, for those that are inputs themselves.
const SCRIPT_BYTES_MAX: usize = 256;

/// Longer files take longer to read, and hold no other kinds of lines.
const FILE_BYTES_MAX: usize = 16 << 10;

/// Runs a target on broken files until its time is over.
#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
pub(crate) fn fuzz(target: &str, good: &[Vec<u8>], read: impl Fn(&[u8]) + RefUnwindSafe) {
    let inputs = AtomicU64::new(0);
    let inputs_given = check!(name = target).with_max_len(SCRIPT_BYTES_MAX);
    inputs_given.for_each(|script: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        read(&broken(good, script));
    });
    println!("proved X1: {} inputs for {target}", inputs.into_inner());
}

/// Returns the shorter files of this ending in the fixtures, sorted by path.
pub(crate) fn files(ending: &str) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("fixtures").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_string_lossy().ends_with(ending) => paths.push(path),
                false => {}
            }
        }
    }
    paths.sort();
    let read = |path: &PathBuf| fs::read(path).expect("a fixture");
    let mut files: Vec<_> = paths.iter().map(read).collect();
    files.retain(|file| file.len() <= FILE_BYTES_MAX);
    assert!(!files.is_empty(), "no fixture ends in {ending}");
    files
}
