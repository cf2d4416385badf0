//! What names cannot do, whoever chose them.

use super::hostile;
use super::random::Random;
use super::terminal::{Input, run_on_terminal};
use super::{proved, quick_or_soak};
use retally_log::{Draft, Root, RunId, RunStatus, Timestamp, Writer, WriterOptions, file_stem};
use retally_reduce::{PriceBook, RunFiles, RunFold};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// A folder with a root deep in it, so that it shows where a name leads out of the root.
struct World {
    folder: tempfile::TempDir,
    commands: u64,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let world = Self {
            folder,
            commands: 0,
        };
        for path in ["home", "elsewhere", "a/b/work/logs", "inputs"] {
            fs::create_dir_all(world.path(path)).expect("created");
        }
        fs::write(world.path("elsewhere/events"), "not ours").expect("written");
        world
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn root(&self) -> PathBuf {
        self.path("a/b/work/logs/runs")
    }

    fn names(&self) -> Vec<String> {
        let elsewhere = self.path("elsewhere");
        hostile::names(
            elsewhere
                .to_str()
                .expect("a temporary folder's name is UTF-8"),
        )
    }

    fn command(&self, words: &[&OsStr]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retally"));
        command
            .current_dir(self.path("a/b/work"))
            .env_clear()
            .env("HOME", self.path("home"))
            .env("NO_COLOR", "1")
            .env("RETALLY_NOW", "2024-12-03T14:30:22Z")
            .args(words);
        command
    }

    /// Runs a command on a terminal, checks how it ends and that the terminal is not acted on, and
    /// returns its exit code and what it showed.
    fn run(&mut self, words: &[&str]) -> (i32, String) {
        let words: Vec<_> = words.iter().map(OsStr::new).collect();
        self.run_with(&words, Stdio::null())
    }

    /// Runs a command on a whole screen, and checks that none but its own controls reach it.
    fn run_on_screen(&mut self, words: &[&str], keys: &'static str) {
        self.commands += 1;
        let words: Vec<_> = words.iter().map(OsStr::new).collect();
        let (status, shown) = run_on_terminal(self.command(&words), Input::Keys(keys));
        assert!(status.success(), "{words:?}: {status}: {shown}");
        // It places and colours its text with these two, and begins and ends with others like them.
        let is_own = |rest: &str| {
            let end = rest.find(|c: char| c.is_ascii_alphabetic());
            rest.starts_with('[') && end.is_some_and(|end| end < 20)
        };
        for (at, shown) in shown.split('\u{1b}').enumerate() {
            assert!(at == 0 || is_own(shown), "{shown:?}");
            assert!(!shown.contains(|c| is_active(c) && c != '\r'), "{shown:?}");
        }
        assert!(
            shown.contains("\\u{"),
            "nothing hostile was shown: {shown:?}"
        );
    }

    fn run_with(&mut self, words: &[&OsStr], input: Stdio) -> (i32, String) {
        self.commands += 1;
        let (status, shown) = run_on_terminal(self.command(words), Input::From(input));
        let code = status.code().unwrap_or(-1);
        let shortly = || -> String { format!("{words:?}").chars().take(300).collect() };
        assert!((0..=3).contains(&code), "{}: {status}", shortly());
        if let Some(at) = shown.find(is_active) {
            let near = shown[at..].chars().take(50);
            panic!("{}: {:?}", shortly(), near.collect::<String>());
        }
        (code, shown)
    }

    /// Returns all that stands in the folder but not in the root or in the user's cache: its kind
    /// and its bytes, by its path.
    fn outside(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let own = [self.root(), self.path("home/.cache/retally")];
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("readable") {
                let path = entry.expect("readable").path();
                if own.contains(&path) {
                    continue;
                }
                let kind = path.symlink_metadata().expect("there").file_type();
                let bytes = match kind.is_file() {
                    true => fs::read(&path).expect("readable"),
                    false => format!("{kind:?}").into_bytes(),
                };
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path, bytes);
            }
        }
        found
    }
}

/// Returns whether a terminal acts on a character, or turns or hides the text around it.
fn is_active(shown: char) -> bool {
    (shown.is_control() && shown != '\n')
        || matches!(shown, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(shown, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(shown, '\u{e0000}'..='\u{e007f}')
}

/// Checks that a root holds runs and nothing else, each with its segments and report files and
/// nothing else, and returns the issues that the report files are of.
fn check_root(root: &Path) -> BTreeSet<String> {
    let mut issues = BTreeSet::new();
    for (id, folder) in entries(root) {
        assert!(RunId::new(id.as_str()).is_ok(), "{id:?} is a run");
        for (name, path) in entries(&folder) {
            match name.as_str() {
                "events" => {
                    let is_segment = |(name, path): &(String, PathBuf)| {
                        let stem = name.strip_suffix(".jsonl");
                        path.is_file() && stem.is_some_and(uuid_like)
                    };
                    assert!(entries(&path).iter().all(is_segment), "{}", path.display());
                }
                "issues" => {
                    for (name, path) in entries(&path) {
                        issues.insert(check_issue_file(&name, &path));
                    }
                }
                _ => {
                    let is_report =
                        [format!("{id}_metadata.json"), format!("{id}_final.json")].contains(&name);
                    assert!(is_report && path.is_file(), "{}", path.display());
                }
            }
        }
    }
    issues
}

/// Returns the entries of a folder, none of which is a link.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| {
        let entry = entry.expect("readable");
        assert!(!entry.file_type().expect("known").is_symlink());
        let name = entry.file_name().into_string().expect("a name of ours");
        (name, entry.path())
    });
    entries.collect()
}

fn uuid_like(stem: &str) -> bool {
    stem.len() == 36
        && stem
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn check_issue_file(name: &str, path: &Path) -> String {
    let stem = name
        .strip_suffix("_metrics.json")
        .or(name.strip_suffix("_report.json"))
        .and_then(|name| name.strip_prefix("issue_"))
        .unwrap_or_else(|| panic!("{name} is a report"));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte);
    assert!(stem.bytes().all(is_plain) && name.len() < 144, "{name}");
    let report = fs::read_to_string(path).expect("a file");
    let id = report.lines().nth(1).expect("JSON of many lines");
    let id = id.strip_prefix("  \"issue_id\": ").expect("the first key");
    let id = id.strip_suffix(',').expect("not the last key");
    let id = match id.starts_with('"') {
        true => serde_json::from_str(id).expect("JSON"),
        false => id.to_owned(),
    };
    assert_eq!(stem, file_stem(&id), "the file of {id:?}");
    id
}

/// Returns events in whose every name a hostile one stands.
fn lines_of(name: &str) -> String {
    let events = [
        json!({"type": "issue.started", "issue": name, "title": name}),
        json!({"type": "agent.started", "issue": name, "agent": name, "span": name}),
        json!({"type": "pipeline.recorded", "issue": name, "pipeline_id": name, "name": name,
            "status": "failed", "ref": name, "commit_sha": name, "failed_jobs": [name], "url": name}),
        json!({"type": "debug.started", "issue": name, "agent": name, "error_type": name,
            "error_message": name}),
        json!({"type": "llm.called", "issue": name, "agent": name, "provider": name, "model": name}),
        json!({"type": "tool.called", "issue": name, "agent": name, "tool": name}),
        json!({"type": "error.recorded", "issue": name, "error_type": name, "message": name,
            "severity": name}),
        json!({"type": "note.added", "text": name, "key": name}),
        json!({"type": "x.y", "issue": name, "y": {(name): [name]}}),
        json!({"type": "agent.finished", "issue": name, "agent": name, "span": name,
            "success": false, "error": name}),
        json!({"type": "issue.finished", "issue": name, "status": "failed"}),
    ];
    events.map(|event| format!("{event}\n")).concat()
}

#[test]
#[ignore = "4,000 commands: `just guarantees` runs it"]
fn no_name_leads_a_command_out_of_the_root_or_acts_on_a_terminal() {
    let mut world = World::new();
    let names = world.names();
    assert!(names.len() >= 200);
    // All of them in one run, whose files and output then hold them all.
    let input = world.path("inputs/all.jsonl");
    fs::write(
        &input,
        names.iter().map(|name| lines_of(name)).collect::<String>(),
    )
    .expect("written");
    let files = input_files(&world, &names);
    let (code, shown) = world.run(&["start", "--project", "1", "--model", "\u{1b}[31m"]);
    assert_eq!(code, 0, "{shown}");
    let run = shown.trim_end().to_owned();
    fs::create_dir_all(world.path("home/.cache")).expect("created");
    let before = world.outside();
    let input = fs::File::open(input).expect("the input").into();
    world.run_with(&["append", &run].map(OsStr::new), input);
    check_output(&mut world, &run);
    // A run of its own, as each command reads all that the others appended.
    let (_, shown) = world.run(&["start", "--project", "words"]);
    let run = shown.trim_end().to_owned();
    for (name, file) in names.iter().zip(&files) {
        check_words(&mut world, &run, name, file);
    }
    for bytes in [&b"\xff"[..], b"../\xc3", b"\xed\xa0\x80", b"x\x80\x9b31m"] {
        for command in ["start", "append", "tail", "report", "rebuild", "import"] {
            let words = [OsStr::new(command), OsStr::from_bytes(bytes)];
            assert_eq!(world.run_with(&words, Stdio::null()).0, 2, "{words:?}");
        }
    }
    let (code, shown) = world.run(&["rebuild"]);
    assert_eq!(code, 0, "{shown}");
    let (code, shown) = world.run(&["check"]);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(
        world.outside(),
        before,
        "something was changed outside of the root"
    );
    let issues = check_root(&world.root());
    let is_there = |name: &&String| issues.contains(*name) || name.is_empty();
    let missing: Vec<_> = names.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "no report file: {missing:?}");
    let counts = format!("{} names, {} commands", names.len(), world.commands);
    proved("T1", &counts);
}

/// Makes a file to import for each name, named for it where a file can be.
fn input_files(world: &World, names: &[String]) -> Vec<PathBuf> {
    let is_name = |name: &str| {
        let is_folder = matches!(name, "" | "." | "..");
        !is_folder && name.len() <= 255 && !name.contains(['/', '\0'])
    };
    let write = |(at, name): (usize, &String)| {
        let file_name = if is_name(name) {
            name.clone()
        } else {
            format!("{at}.jsonl")
        };
        let path = world.path("inputs").join(file_name);
        let line = json!({"ts": "2024-12-03T14:30:22Z", "type": "issue.started", "issue": name});
        fs::write(&path, format!("{line}\n")).expect("written");
        path
    };
    names.iter().enumerate().map(write).collect()
}

/// Prints all that can be said of a run whose every name is hostile.
fn check_output(world: &mut World, run: &str) {
    for words in [
        &["tail", run, "-n", "all"][..],
        &["tail", run, "-n", "all", "--format", "jsonl"],
        &["tail", "-n", "all"],
        &["report", run],
        &["report", run, "--format", "md"],
        &["report", run, "--format", "csv"],
        &["report", run, "--format", "json"],
        &["report", run, "--format", "jsonl"],
        &["replay", run, "--format", "jsonl"],
        &["runs"],
        &["runs", "--format", "csv"],
        &["rebuild", run, "--dry-run", "-q"],
        &["watch", "--once", run],
        &["check", run],
        &["check", run, "--format", "csv"],
    ] {
        let (code, shown) = world.run(words);
        assert!(code <= 1, "{words:?}: {code}\n{shown}");
    }
}

/// Hands a name over wherever a command takes one.
fn check_words(world: &mut World, run: &str, name: &str, file: &Path) {
    let file = file.to_str().expect("UTF-8");
    if name.contains('\0') {
        // No command line holds it; lines of stdin and files do.
        return;
    }
    let is_option = name.starts_with('-');
    let (code, shown) = world.run(&["start", &format!("--project={name}"), "--mode", "x"]);
    assert_eq!(
        code,
        if name.is_empty() { 2 } else { 0 },
        "start {name:?}: {shown}"
    );
    let issue = format!("issue={name}");
    let fields = [&*issue, &format!("agent={name}"), &format!("{name}={name}")];
    world.run(&[&["append", run, "agent.started"], &fields[..]].concat());
    world.run(&["append", run, "issue.started", &issue]);
    world.run(&["append", run, name, &issue]);
    world.run(&["append", name, "issue.started", "issue=1"]);
    let named = |world: &mut World, words: &[&str]| {
        let (code, shown) = world.run(words);
        // A run of this name was started or imported, or there is none.
        let is_known = RunId::new(name).is_ok() || "run_".starts_with(name) || is_option;
        assert!(code >= 2 || is_known, "{words:?}: {code}\n{shown}");
    };
    named(world, &["finish", name]);
    named(world, &["tail", name]);
    named(world, &["replay", "--format", "jsonl", name]);
    named(world, &["report", name]);
    named(world, &["rebuild", "--dry-run", "-q", name]);
    named(world, &["check", "-q", name]);
    named(world, &["watch", "--once", "-q", name]);
    named(world, &["import", "jsonl", file, &format!("--run={name}")]);
    world.run(&[
        "tail",
        run,
        &format!("--issue={name}"),
        &format!("--agent={name}"),
    ]);
    world.run(&["tail", run, &format!("--type={name}")]);
    let (code, shown) = world.run(&["report", run, &format!("--issue={name}")]);
    // An empty one is refused: most often it is a variable that is not set.
    assert_eq!(code == 0, !name.is_empty(), "{name:?}: {shown}");
    world.run(&["report", run, "--issue", name, "--format", "json"]);
    world.run(&["report", run, &format!("--as-of={name}")]);
    world.run(&["import", "jsonl", file]);
    world.run(&["import", name, file]);
}

#[test]
fn no_name_leads_the_libraries_out_of_the_root() {
    let world = World::new();
    let names = world.names();
    let before = world.outside();
    let root = Root::new(world.root());
    let mut calls = 0;
    let id = RunId::new("run_1").expect("an id");
    let run = root.create_run(&id).expect("created");
    let writer = Writer::new(run, WriterOptions::default());
    append_all(&writer, "first");
    for name in &names {
        calls += 5;
        let found = root.find(name).map(|run| run.id().clone());
        let is_meant = name.is_empty() || name == "latest";
        assert_eq!(found.ok(), is_meant.then(|| id.clone()), "{name:?}");
        let made = [
            RunId::new(name.as_str()).ok(),
            name.parse().ok(),
            Some(RunId::for_project(Timestamp::MIN, name)),
            Some(RunId::for_import("jsonl", name)),
            Some(RunId::for_import("jsonl", name).numbered(u64::MAX)),
        ];
        for id in made.into_iter().flatten() {
            let path = root.run(&id).path().to_owned();
            assert_eq!(path.parent(), Some(&*world.root()), "{name:?}");
            assert!(!id.as_str().starts_with(['.', '-']), "{name:?}");
        }
        check_stem(name);
        append_all(&writer, name);
    }
    writer.finish(RunStatus::Completed).expect("appended");
    let prices = Arc::new(PriceBook::built_in());
    let mut fold = RunFold::open(&world.root(), &id, prices).expect("opened");
    fold.catch_up().expect("folded");
    let files = RunFiles::open(&world.root(), &id).expect("opened");
    let changes = files.lock().expect("locked").write(fold.state());
    assert!(changes.expect("written").len() >= names.len());
    assert_eq!(
        world.outside(),
        before,
        "something was changed outside of the root"
    );
    let wanted: BTreeSet<String> = names.into_iter().chain(["first".to_owned()]).collect();
    assert_eq!(check_root(&world.root()), wanted);
    proved(
        "T1",
        &format!("{} names, {calls} calls of the libraries", wanted.len()),
    );
}

fn append_all(writer: &Writer, name: &str) {
    let lines = lines_of(name);
    let drafts = lines.lines().map(|line| Draft::from_json(line.as_bytes()));
    let drafts: Vec<_> = drafts.map(|draft| draft.expect("an event")).collect();
    writer.append_batch(&drafts).expect("appended");
}

fn check_stem(text: &str) -> String {
    let stem = file_stem(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte);
    assert!(
        (1..=113).contains(&stem.len()) && stem.bytes().all(is_plain),
        "{text:?}: {stem}"
    );
    assert!(!stem.bytes().all(|byte| byte == b'.'), "{text:?}: {stem}");
    stem
}

#[test]
#[ignore = "1,000,000 names: `just guarantees` runs it"]
fn different_issues_have_different_files() {
    const IDS: usize = 1_000_000;
    let rounds = quick_or_soak(1, 10);
    let mut random = Random::new(4);
    for _ in 0..rounds {
        check_stems(IDS, &mut random);
    }
    let counts = format!(
        "{} random issues, no two of {IDS} with one file",
        rounds * IDS
    );
    proved("T1", &counts);
}

fn check_stems(ids: usize, random: &mut Random) {
    let mut stems = HashSet::with_capacity(ids);
    let mut seen = HashSet::with_capacity(ids);
    while seen.len() < ids {
        let id = random_id(random);
        if seen.insert(id.clone()) {
            let stem = check_stem(&id);
            assert!(stems.insert(stem), "{id:?} has the file of another");
        }
    }
}

/// Makes an id that may have much in common with others: a long beginning, or what it is escaped
/// to.
fn random_id(random: &mut Random) -> String {
    const ALPHABETS: [&[char]; 4] = [
        &['a', 'b', '0', '1', '-', '.'],
        &['%', '2', 'F', '/', '-'],
        &['ü', '\u{308}', 'u', '/', ' '],
        &['a', 'A', '\0', '\n', '🎉'],
    ];
    let alphabet = ALPHABETS[random.next() as usize % ALPHABETS.len()];
    let prefix = ["", "a/", "../", "%2F", "", "feature/issue-"][random.next() as usize % 6];
    let fill = match random.below(4) {
        0 => "x".repeat(random.next() as usize % 90),
        1 => "/".repeat(random.next() as usize % 40),
        _ => String::new(),
    };
    let length = 1 + random.below(24);
    let end: String = (0..length)
        .map(|_| alphabet[random.next() as usize % alphabet.len()])
        .collect();
    let id = format!("{prefix}{fill}{end}");
    match random.below(8) {
        // What another id's file is called is an id too.
        0 => file_stem(&id),
        _ => id,
    }
}

#[test]
#[ignore = "250 commands: `just guarantees` runs it"]
fn no_character_of_a_log_acts_on_a_terminal() {
    let mut world = World::new();
    let (_, shown) = world.run(&["start", "--project", "1", "--mode", "x"]);
    let run = shown.trim_end();
    let active = ('\0'..='\u{e007f}').filter(|shown| is_active(*shown) || *shown == '\n');
    let names: Vec<_> = active.map(|active| format!("a{active}b")).collect();
    let input = world.path("inputs/all.jsonl");
    let lines: String = names.iter().map(|name| lines_of(name)).collect();
    // The last is the one that the screen shows.
    fs::write(&input, lines + &lines_of("\u{1b}[31m\u{9b}31m\u{202e}")).expect("written");
    let input = fs::File::open(input).expect("the input").into();
    world.run_with(&["append", run].map(OsStr::new), input);
    check_output(&mut world, run);
    for name in names.iter().filter(|name| !name.contains('\0')) {
        let (code, shown) = world.run(&["report", run, "--issue", name]);
        assert_eq!(code, 0, "{shown}");
    }
    world.run_on_screen(&["replay", run, "--speed", "max"], "\u{1b}[Fq");
    let counts = format!("{} characters, {} commands", names.len(), world.commands);
    proved("T9", &counts);
}
