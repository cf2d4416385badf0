//! What the workspace is built from: no unsafe code of our own, no data that become code, and no
//! dependency but those whose bytes are pinned.

use super::{list, metadata, text};
use crate::guarantees::proved;
use std::fs;
use std::path::Path;

/// What makes code of data in Python.
const UNSAFE_LOADS: &[&str] = &[
    "import pickle",
    "from pickle",
    "import cPickle",
    "import dill",
    "import marshal",
    "import shelve",
    "yaml.load(",
    "yaml.unsafe_load(",
    " eval(",
    " exec(",
];

/// Folders that hold nothing of ours.
const OTHERS: &[&str] = &["target", ".git", ".venv", "node_modules"];

#[test]
fn every_crate_forbids_unsafe_code() {
    let metadata = metadata(&["--no-deps"]);
    let mut crates = 0;
    for package in list(&metadata["packages"]) {
        for target in list(&package["targets"]) {
            let kinds: Vec<_> = list(&target["kind"]).iter().map(text).collect();
            if kinds
                .iter()
                .any(|kind| kind.contains("lib") || *kind == "bin")
            {
                let source = fs::read_to_string(text(&target["src_path"])).expect("a source");
                let forbids = source.lines().any(|line| line == "#![forbid(unsafe_code)]");
                assert!(forbids, "{} lets unsafe code in", target["src_path"]);
                crates += 1;
            }
        }
    }
    assert!(
        crates >= 5,
        "no crate found: the rule would hold for nothing"
    );
    proved("T17", &format!("{crates} crates without unsafe code"));
}

#[test]
fn every_dependency_is_of_the_registry_and_pinned_by_its_checksum() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = fs::read_to_string(lock).expect("the lock file is committed");
    let mut dependencies = 0;
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.strip_prefix(" = "))
        };
        let name = value("name").expect("a name").trim_matches('"');
        match value("source") {
            None => assert!(name.starts_with("retally"), "{name} is of no registry"),
            Some(source) => {
                assert!(source.starts_with("\"registry+"), "{name} is from {source}");
                assert!(value("checksum").is_some(), "{name} has no checksum");
                dependencies += 1;
            }
        }
    }
    assert!(
        dependencies > 0,
        "no dependency found: the rule would hold for nothing"
    );
    proved("T17", &format!("{dependencies} dependencies pinned"));
}

#[test]
fn no_script_makes_code_of_data() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()];
    let (mut scripts, mut found) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)
            .expect("a folder is readable")
            .flatten()
        {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                folders.extend((!OTHERS.iter().any(|other| name == *other)).then_some(path));
            } else if path.extension().is_some_and(|it| it == "py" || it == "pyi") {
                let script = fs::read_to_string(&path).unwrap_or_default();
                found.extend(unsafe_loads(&script).map(|word| (path.clone(), word)));
                scripts += 1;
            }
        }
    }
    assert_eq!(found, []);
    let sample = "import json\nimport pickle\n# yaml.load(x)\nx = eval(y)\n";
    assert!(unsafe_loads(sample).eq(["import pickle", " eval("]));
    proved("T16", &format!("{scripts} scripts"));
}

fn unsafe_loads(script: &str) -> impl Iterator<Item = &'static str> {
    let lines = script
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| {
        UNSAFE_LOADS
            .iter()
            .filter(|word| line.contains(**word))
            .copied()
    })
}
