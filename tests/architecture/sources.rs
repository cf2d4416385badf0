//! What library sources may not hold: each rule is a list of words that occur in no shipped line.
//!
//! Shipped is what is left without comments and without items and modules under `#[cfg(test)]`.

use std::fs;
use std::iter::Enumerate;
use std::path::{Path, PathBuf};
use std::str::Lines;

use super::{metadata, source_folders};

/// Prints, or reads the environment: the command does that, and hands over what it got.
const OUTSIDE: &[&str] = &[
    "print!(",
    "println!(",
    "dbg!(",
    "io::stdout",
    "io::stderr",
    "env::var",
];

/// Takes the fold's result from something else than its events, or rounds it.
const INEXACT: &[&str] = &[
    "f32",
    "f64",
    "HashMap",
    "HashSet",
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "Local::now",
];

#[test]
fn library_crates_print_nothing_and_read_no_environment_variables() {
    check(|name| name != "retally", OUTSIDE);
}

#[test]
fn the_reducer_holds_no_float_and_no_unordered_map_and_reads_no_clock() {
    check(|name| name == "retally-reduce", INEXACT);
}

#[test]
fn rules_pass_over_comments_and_test_code() {
    let source = r#"
/// println!("in an example");
fn shipped() {} // println! in a remark

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "test")]
const SAMPLES: &[&str] = &[
    "println!()",
];

#[cfg(test)]
use std::collections::HashMap;

    #[cfg(test)]
    fn helper(
        n: usize,
    ) -> usize {
        println!("{n}");
        {
            n
        }
    }

fn shipped_too() {}

#[cfg(test)]
mod tests {
    fn f() {}
}
fn last() {}
"#;
    let shipped: Vec<_> = shipped_lines(source)
        .into_iter()
        .filter(|(_, line)| !line.is_empty())
        .collect();
    assert_eq!(
        shipped,
        [
            (3, "fn shipped() {}"),
            (24, "fn shipped_too() {}"),
            (30, "fn last() {}")
        ]
    );
}

#[test]
fn a_module_under_cfg_test_is_found_beside_its_parent() {
    let source = "mod shipped;\n#[cfg(test)]\nmod tests;\n";
    assert_eq!(
        test_modules(Path::new("src/lib.rs"), source),
        [Path::new("src/tests")]
    );
    assert_eq!(
        test_modules(Path::new("src/line.rs"), source),
        [Path::new("src/line/tests")]
    );
}

/// Fails with each line that holds one of `banned`, in the crates that `is_meant` picks by name.
fn check(is_meant: fn(&str) -> bool, banned: &[&str]) {
    let metadata = metadata(&["--no-deps"]);
    let folders = source_folders(&metadata);
    let sources: Vec<_> = folders
        .into_iter()
        .filter(|(name, folder)| is_meant(name) && folder.is_dir())
        .flat_map(|(_, folder)| shipped_sources(&folder))
        .collect();
    assert!(
        !sources.is_empty(),
        "no source found: the rule would hold for nothing"
    );
    let found: Vec<_> = sources
        .iter()
        .flat_map(|(path, source)| violations(path, source, banned))
        .collect();
    assert!(found.is_empty(), "not allowed here:\n{}", found.join("\n"));
}

/// Returns `file:line: word` for each banned word in a shipped line.
fn violations(path: &Path, source: &str, banned: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in shipped_lines(source) {
        let words = banned.iter().filter(|word| line.contains(**word));
        found.extend(words.map(|word| format!("{}:{number}: `{word}`", path.display())));
    }
    found
}

/// Returns path and text of the sources below `folder` that are no test modules.
fn shipped_sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    read_sources(folder, &mut sources);
    let tests: Vec<_> = sources
        .iter()
        .flat_map(|(path, source)| test_modules(path, source))
        .collect();
    let is_test = |path: &Path| {
        tests
            .iter()
            .any(|module| path.with_extension("").starts_with(module))
    };
    sources.retain(|(path, _)| !is_test(path));
    sources
}

fn read_sources(folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a source folder is readable") {
        let path = entry.expect("a source folder is readable").path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source is readable");
            sources.push((path, source));
        }
    }
}

/// Returns the paths, without extension, of the modules that `source` declares under `#[cfg(test)]`.
fn test_modules(path: &Path, source: &str) -> Vec<PathBuf> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let is_root = matches!(stem, Some("lib" | "main" | "mod"));
    let folder = if is_root {
        path.with_file_name("")
    } else {
        path.with_extension("")
    };
    let mut lines = source.lines().enumerate();
    let mut modules = Vec::new();
    while let Some((_, line)) = lines.next() {
        if is_test_attribute(line) {
            let name = skip_item(&mut lines).trim().strip_prefix("mod ");
            modules.extend(
                name.and_then(|name| name.strip_suffix(';'))
                    .map(|name| folder.join(name)),
            );
        }
    }
    modules
}

/// Returns the shipped lines, numbered from 1, without comments.
fn shipped_lines(source: &str) -> Vec<(usize, &str)> {
    let mut lines = source.lines().enumerate();
    let mut shipped = Vec::new();
    while let Some((index, line)) = lines.next() {
        if is_test_attribute(line) {
            skip_item(&mut lines);
        } else if !line.trim_start().starts_with("//") {
            let code = line.split_once(" // ").map_or(line, |(code, _)| code);
            shipped.push((index + 1, code));
        }
    }
    shipped
}

fn is_test_attribute(line: &str) -> bool {
    line.trim() == "#[cfg(test)]"
}

/// Takes the lines of one item and returns its first, after its attributes.
///
/// rustfmt puts the bracket that ends an item at the indentation of its first line.
fn skip_item<'s>(lines: &mut Enumerate<Lines<'s>>) -> &'s str {
    let first = lines
        .map(|(_, line)| line)
        .find(|line| !line.trim_start().starts_with("#["));
    let first = first.unwrap_or_default();
    if !first.ends_with([';', '}']) {
        let indentation = &first[..first.len() - first.trim_start().len()];
        let is_end = |line: &str| {
            let rest = line.strip_prefix(indentation).unwrap_or_default();
            rest.starts_with(['}', ']', ')']) && !rest.ends_with('{')
        };
        lines.find(|(_, line)| is_end(line));
    }
    first
}
