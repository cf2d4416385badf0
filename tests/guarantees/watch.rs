//! What the command promises of watching and of report files, on file systems and trees of all
//! sorts.

use super::random::Random;
use super::{proved, quick_or_soak};
use crate::support::Sandbox;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RUN: &str = "run_20241203_143022_project_168";

/// A process that is killed when this is dropped.
struct Watching(Child);

impl Watching {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command();
        command.args(["watch", "--format", "jsonl"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().expect("the command starts"))
    }

    /// Waits until an update names a file; blocks for ever where none does.
    fn wait_for(&mut self, file: &str) {
        let stdout = self.0.stdout.as_mut().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let found = lines.find(|line| line.as_ref().expect("UTF-8").contains(file));
        assert!(found.is_some(), "the watcher ended");
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status();
        assert!(status.expect("kill starts").success());
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
    }
}

fn check_rebuilt(sandbox: &Sandbox) {
    let rebuilt = sandbox.run(&["rebuild", "--dry-run"]);
    assert!(
        rebuilt.contains("report files would change: 0"),
        "{rebuilt}"
    );
}

fn is_rebuilt(sandbox: &Sandbox) -> bool {
    let mut command = sandbox.command();
    let output = command.args(["rebuild", "--dry-run", "--quiet"]).output();
    output.expect("the command starts").status.success()
}

/// Appends a line of a foreign segment.
fn append(folder: &Path, segment: &str, event: &str) {
    use std::io::Write as _;
    let path = folder.join("events").join(segment);
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    let line = format!("{{\"ts\":\"2024-12-03T15:00:00Z\",\"type\":{event}}}\n");
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("appended");
}

#[test]
#[ignore = "an overflowing queue: `just guarantees` runs it"]
fn what_was_appended_while_the_queue_of_notifications_overflowed_is_in_the_reports() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    let run = sandbox.path(&format!("logs/runs/{RUN}"));
    let mut watching = Watching::start(&sandbox);
    watching.wait_for("_metadata.json");
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events");
    let limit: u32 = limit.map_or(16_384, |text| text.trim().parse().expect("a number"));
    // A watcher that does not run takes nothing from the queue, and equal notifications in a row
    // are one.
    watching.signal("-STOP");
    let note = r#""note.added","text":"t","issue":1"#;
    for _ in 0..limit {
        append(&run, "a.jsonl", note);
        append(&run, "b.jsonl", note);
    }
    append(&run, "c.jsonl", r#""note.added","text":"t","issue":"last""#);
    watching.signal("-CONT");
    watching.wait_for("issue_last_metrics.json");
    let start = Instant::now();
    while !is_rebuilt(&sandbox) {
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(60), "reports are still behind");
    }
    drop(watching);
    let events = 2 * limit;
    proved(
        "W2",
        &format!("{events} appends while a queue of {limit} notifications was full"),
    );
}

#[test]
#[ignore = "1,000 kills: `just guarantees` runs it"]
fn however_often_a_watcher_is_killed_its_reports_become_those_of_a_rebuild() {
    let kills = quick_or_soak(1_000, 10_000);
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    sandbox.run(&["start", "--project", "169"]);
    let run = sandbox.path(&format!("logs/runs/{RUN}"));
    let other = sandbox.path(&format!("logs/runs/{}", RUN.replace("168", "169")));
    let metadata = run.join(format!("{RUN}_metadata.json"));
    let (mut random, mut updates) = (Random::new(11), 0);
    let mut inode = 0;
    for kill in 0..kills {
        let start = Instant::now();
        let mut command = sandbox.command();
        command.args(["watch", "--quiet"]);
        let child = command.spawn().expect("the command starts");
        let watching = Watching(child);
        // Some are killed before they look, some while they write, some while they wait; however
        // busy the machine is, some have written.
        let must_write = kill % 10 == 0;
        let wait_max = if kill % 4 == 0 { 40_000 } else { 8_000 };
        let wait = Duration::from_micros(random.below(wait_max));
        let has_written = || fs::metadata(&metadata).is_ok_and(|facts| facts.ino() != inode);
        while start.elapsed() < wait || (must_write && !has_written()) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "no update in a minute"
            );
            let issue = kill % 7;
            append(
                &run,
                "a.jsonl",
                &format!(r#""tool.called","tool":"t","issue":{issue}"#),
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(watching);
        if let Ok(bytes) = fs::read(&metadata) {
            let whole: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
            whole.expect("a whole report");
            let now = fs::metadata(&metadata).expect("there").ino();
            updates += u64::from(std::mem::replace(&mut inode, now) != now);
        }
        // A run that ended has a checkpoint of its rest, which is void after an append.
        match kill % 20 {
            0 => append(&other, "a.jsonl", r#""run.finished","status":"completed""#),
            10 => append(&other, "a.jsonl", r#""note.added","text":"late""#),
            _ => {}
        }
    }
    assert!(updates > kills / 20, "{updates} updates are few");
    let said = sandbox.run(&["watch", "--once"]);
    assert!(said.contains("runs: 2"), "{said}");
    check_rebuilt(&sandbox);
    proved(
        "W4",
        &format!("{kills} kills, {updates} of them after an update"),
    );
}

#[test]
fn a_log_gives_the_same_bytes_in_each_time_zone_locale_and_folder() {
    let zones = [
        "UTC",
        "Asia/Kathmandu",
        "America/St_Johns",
        "Pacific/Kiritimati",
        "XXX-13:59",
    ];
    let locales = ["C", "de_DE.UTF-8"];
    let mut expected = None;
    let mut cases = 0;
    for zone in zones {
        for locale in locales {
            let sandbox = Sandbox::new();
            let root = sandbox.path("logs/runs");
            let runs = copy_fixtures(&root);
            let home = sandbox.path(&format!("home {cases}"));
            fs::create_dir(&home).expect("created");
            let mut command = sandbox.command();
            command
                .env("TZ", zone)
                .env("LC_ALL", locale)
                .env("LANG", locale);
            command.env("HOME", &home).current_dir(&home);
            command.env("RETALLY_ROOT", &root).env_remove("RETALLY_NOW");
            let said = sandbox.run_in(&mut command, &["rebuild"], "");
            assert!(said.contains(&format!("runs: {runs}")), "{said}");
            let files = sandbox.files("logs/runs");
            let expected = expected.get_or_insert_with(|| files.clone());
            assert!(*expected == files, "{zone} {locale}");
            cases += 1;
        }
    }
    let files = expected.expect("some").len();
    proved(
        "F3",
        &format!(
            "{} time zones, {} locales, {files} files",
            zones.len(),
            locales.len()
        ),
    );
}

/// Copies the logs of all fixtures into a root, and returns how many.
fn copy_fixtures(root: &Path) -> usize {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut runs = 0;
    for scenario in fs::read_dir(fixtures).expect("readable").flatten() {
        let Ok(segments) = fs::read_dir(scenario.path().join("events")) else {
            continue;
        };
        let name = format!("run_{}", scenario.file_name().to_string_lossy());
        let copy = root.join(&name).join("events");
        fs::create_dir_all(&copy).expect("created");
        for segment in segments.flatten() {
            fs::copy(segment.path(), copy.join(segment.file_name())).expect("copied");
        }
        runs += 1;
    }
    runs
}

/// What is to be done with the root's folder for the test of [`reports_stay_where_none_can_be_written`].
const FULL_AND_READ_ONLY: &str = r#"
set -eu
retally=$1
run=run_20241203_143022_project_168
mkdir -p logs
mount -t tmpfs -o size=200k none logs
"$retally" start --project 168 >/dev/null
"$retally" append $run issue.started issue=1
"$retally" rebuild --quiet
keep() { rm -rf "$1"; mkdir "$1"; cp -r logs/runs/$run/issues logs/runs/$run/*.json "$1"; }
same() { keep now; diff -r before now || { echo "reports changed while $1"; exit 1; }; }
refused() { if "$retally" $2 2>said; then echo "no error while $1"; exit 1; fi; same "$1"; }
keep before
"$retally" append $run issue.finished issue=1 status=failed
mount -o remount,ro logs
refused 'read-only' 'rebuild --quiet'
refused 'read-only' 'watch --once --quiet'
mount -o remount,rw logs
head -c 1000000 /dev/zero > logs/fill 2>/dev/null || true
refused 'full' 'rebuild --quiet'
refused 'full' 'watch --once --quiet'
if ls -A logs/runs/$run logs/runs/$run/issues | grep tmp; then echo 'a temporary file is left'; exit 1; fi
rm logs/fill
"$retally" watch --once --quiet
"$retally" rebuild --dry-run --quiet
"#;

#[test]
fn reports_stay_where_none_can_be_written() {
    let sandbox = Sandbox::new();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    let may_mount = command.arg("mount -t tmpfs none /mnt").output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        return proved("F4", "skipped: nothing can be mounted here");
    }
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        FULL_AND_READ_ONLY,
        "sh",
    ]);
    command
        .arg(env!("CARGO_BIN_EXE_retally"))
        .current_dir(sandbox.path(""));
    command
        .env("HOME", sandbox.path(""))
        .env("RETALLY_NOW", "2024-12-03T14:30:22Z");
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    proved(
        "F4",
        "a read-only and a full file system, for rebuild and for watch",
    );
}

/// Fills a root with all that could block or mislead who looks at it.
fn make_hostile(sandbox: &Sandbox) {
    let root = sandbox.path("logs/runs");
    let events = |run: &str| root.join(run).join("events");
    let fifo = |path: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
            .expect("a FIFO");
    };
    for run in ["run_loop", "run_odd", "run_many", "run_deep"] {
        fs::create_dir_all(events(run)).expect("created");
        append(
            &root.join(run),
            "a.jsonl",
            r#""note.added","text":"t","issue":1"#,
        );
    }
    symlink(".", events("run_loop").join("loop.jsonl")).expect("a link");
    symlink("loop", root.join("run_loop/loop")).expect("a link");
    symlink("..", root.join("run_loop/issues")).expect("a link");
    symlink(&root, root.join("run_root")).expect("a link");
    symlink("/proc", root.join("run_proc")).expect("a link");
    fs::create_dir(root.join("run_fd")).expect("created");
    symlink("/proc/self/fd", root.join("run_fd/events")).expect("a link");
    for name in ["fifo.jsonl", "fifo.jsonl.zst"] {
        fifo(&events("run_odd").join(name));
    }
    symlink("/dev/zero", events("run_odd").join("zero.jsonl")).expect("a link");
    symlink("/proc/kmsg", events("run_odd").join("kmsg.jsonl")).expect("a link");
    fs::create_dir(events("run_odd").join("folder.jsonl")).expect("created");
    fs::create_dir(root.join("run_odd/issues")).expect("created");
    fifo(&root.join("run_odd/issues/issue_1_metrics.json"));
    fifo(&root.join("run_fifo"));
    let socket = events("run_odd").join("socket.jsonl");
    std::os::unix::net::UnixListener::bind(socket).expect("a socket");
    for number in 0..20_000 {
        fs::write(events("run_many").join(format!("{number}.txt")), "").expect("written");
    }
    let mut deep = events("run_deep");
    for _ in 0..100 {
        deep.push("run_deep");
        fs::create_dir(&deep).expect("created");
        fs::write(deep.join("b.jsonl"), "{\"type\":\"x\"}\n").expect("written");
    }
}

#[test]
fn a_watcher_neither_blocks_at_nor_follows_what_a_hostile_tree_holds() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let sandbox = Sandbox::new();
    make_hostile(&sandbox);
    let mut command = sandbox.command();
    command.args(["watch", "--once"]).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("it is ours") {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                child.kill().expect("it is ours");
                panic!("it blocks");
            }
            None => std::thread::yield_now(),
        }
    };
    let output = child.wait_with_output().expect("it ended");
    let said = String::from_utf8_lossy(&output.stderr);
    // The link in the place of `issues` is the one thing that keeps reports back.
    assert_eq!(status.code(), Some(3), "{said}");
    assert_eq!(said.matches("error: run").count(), 1, "{said}");
    assert!(
        said.contains("run_loop/issues` is a link or no folder"),
        "{said}"
    );
    assert!(said.contains("runs: 4"), "{said}");
    let root = sandbox.path("logs/runs");
    for run in ["run_odd", "run_many", "run_deep"] {
        let report = root.join(run).join("issues/issue_1_metrics.json");
        assert!(
            fs::symlink_metadata(report).expect("written").is_file(),
            "{run}"
        );
        let report = fs::read_to_string(root.join(format!("{run}/{run}_metadata.json")));
        assert!(
            report.expect("written").contains("\"damaged_lines\": 0"),
            "{run}"
        );
    }
    assert!(!root.join("run_loop/issue_1_metrics.json").exists());
    let mode = fs::metadata(root.join("run_odd/issues/issue_1_metrics.json")).expect("there");
    assert!(mode.permissions().mode() & 0o111 == 0);
    proved(
        "T19",
        "loops, FIFOs, sockets, devices, /proc, 20,000 other files, 100 folders deep",
    );
}
