//! A writer that is shared with a forked child writes to no segment of its parent.

use retally_log::{NoteAdded, Redactor, Root, RunDir, RunId, SegmentId, Writer, WriterOptions};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

fn new_run(root: &Path) -> RunDir {
    let id = RunId::new("run_20241203_143022_project_168").expect("an id");
    Root::new(root).create_run(&id).expect("created")
}

fn note(text: &str) -> NoteAdded<'_> {
    let (issue, agent) = (None, None);
    let text = text.into();
    NoteAdded { text, issue, agent }
}

/// Runs `work` in a forked child and waits for its end.
#[expect(unsafe_code, reason = "std cannot fork")]
fn in_child(work: impl FnOnce()) {
    // SAFETY: the child only does `work` and ends without unwinding or exit handlers.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "cannot fork");
    if child == 0 {
        let result = catch_unwind(AssertUnwindSafe(work));
        // SAFETY: ending the process has no preconditions.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: `child` is a child of this process, and `status` outlives the call.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((ended, status), (child, 0), "the child failed");
}

/// Returns the texts of the notes in a segment, which holds nothing torn.
fn notes(run: &RunDir, segment: &SegmentId) -> Vec<String> {
    let path = run.events_path().join(format!("{segment}.jsonl"));
    let content = std::fs::read_to_string(path).expect("readable");
    let lines = content.lines().map(serde_json::from_str);
    let lines = lines.map(|line: Result<serde_json::Value, _>| line.expect("whole"));
    lines
        .filter_map(|line| Some(line.get("text")?.as_str()?.to_owned()))
        .collect()
}

/// Returns whether this process has the file of a segment open.
fn is_open(run: &RunDir, segment: &SegmentId) -> bool {
    let path = run.events_path().join(format!("{segment}.jsonl"));
    let path = path.canonicalize().expect("there");
    let files = std::fs::read_dir("/proc/self/fd").expect("Linux");
    let mut targets = files.filter_map(|file| file.ok()?.path().read_link().ok());
    targets.any(|target| target == path)
}

fn segments(run: &RunDir) -> Vec<SegmentId> {
    let lines = run.segment_lines().expect("readable");
    lines.into_keys().collect()
}

#[test]
fn a_forked_child_takes_a_segment_of_its_own_and_the_parent_keeps_its_lock() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = new_run(folder.path());
    let writer = Writer::new(run.clone(), WriterOptions::default());
    let parents = writer.append(note("parent")).expect("appended").segment;
    in_child(|| {
        for text in ["child", "child again"] {
            writer.append(note(text)).expect("appended");
        }
        assert!(!is_open(&run, &parents), "it would outlive the parent");
    });
    assert!(is_open(&run, &parents));
    // Were the parent's lock released, its segment could be taken too; the child's is free.
    let others = [(); 2].map(|()| Writer::new(run.clone(), WriterOptions::default()));
    let others = others.map(|other| {
        let segment = other.append(note("other")).expect("appended").segment;
        assert_ne!(segment, parents);
        (other, segment)
    });
    assert_eq!(
        writer.append(note("parent again")).expect("appended").seq,
        2
    );
    assert_eq!(notes(&run, &parents), ["parent", "parent again"]);
    assert_eq!(notes(&run, &others[0].1), ["child", "child again", "other"]);
    assert_eq!(segments(&run).len(), 3);
}

/// Stays in `redact` for the text "stay" until it is told to go.
struct Staying {
    arrived: Mutex<Sender<()>>,
    go: Mutex<Receiver<()>>,
}

impl Redactor for Staying {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text == "stay" {
            let arrived = self.arrived.lock().expect("not poisoned");
            arrived.send(()).expect("awaited");
            let go = self.go.lock().expect("not poisoned");
            go.recv().expect("told");
        }
        text.into()
    }
}

#[test]
fn a_fork_while_another_thread_appends_does_not_block_the_child() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = new_run(folder.path());
    let (arrived, has_arrived) = channel();
    let (let_go, go) = channel();
    let redactor = Staying {
        arrived: Mutex::new(arrived),
        go: Mutex::new(go),
    };
    let options = WriterOptions {
        redactor: Some(Arc::new(redactor)),
        ..WriterOptions::default()
    };
    let writer = Writer::new(run.clone(), options);
    let parents = writer.append(note("parent")).expect("appended").segment;
    std::thread::scope(|scope| {
        let staying = scope.spawn(|| writer.append(note("stay")).expect("appended"));
        has_arrived.recv().expect("it arrives");
        in_child(|| {
            writer.append(note("child")).expect("appended");
        });
        let_go.send(()).expect("awaited");
        assert_eq!(staying.join().expect("no panic").seq, 2);
    });
    assert_eq!(notes(&run, &parents), ["parent", "stay"]);
    let segments = segments(&run);
    let of_child = segments.iter().find(|segment| **segment != parents);
    assert_eq!(notes(&run, of_child.expect("a second one")), ["child"]);
}
