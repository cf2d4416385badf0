use crate::support::Sandbox;
use std::fs;
use std::path::PathBuf;

/// Two runs, of which the first has ended.
fn two_runs() -> Sandbox {
    let sandbox = Sandbox::new();
    for run in ["a", "b"] {
        let mut command = sandbox.command();
        command.env("RETALLY_RUN_ID", run);
        sandbox.run_in(&mut command, &["start", "--project", "p"], "");
        sandbox.run(&["append", run, "issue.started", "issue=1"]);
    }
    sandbox.run(&["finish", "a"]);
    sandbox
}

fn list(sandbox: &Sandbox) -> String {
    sandbox.run(&["runs", "--format", "csv"])
}

/// Returns the file in which the listing is kept.
fn index(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path(".cache/retally/listings");
    let mut files = fs::read_dir(folder).expect("a listing was kept");
    files.next().expect("its file").expect("readable").path()
}

#[test]
fn a_listing_is_the_same_from_the_cache_as_from_the_logs() {
    let sandbox = two_runs();
    let first = list(&sandbox);
    let kept = fs::read(index(&sandbox)).expect("readable");
    assert_eq!(list(&sandbox), first);
    for cut in [0, 7, 12, kept.len() / 2, kept.len() - 1] {
        fs::write(index(&sandbox), &kept[..cut]).expect("written");
        assert_eq!(list(&sandbox), first, "cut to {cut}");
    }
    for at in (0..kept.len()).step_by(3) {
        let mut harmed = kept.clone();
        harmed[at] ^= 4;
        fs::write(index(&sandbox), &harmed).expect("written");
        assert_eq!(list(&sandbox), first, "byte {at}");
    }
    let cache = sandbox.path(".cache");
    fs::remove_dir_all(&cache).expect("removed");
    fs::write(&cache, "no folder").expect("written");
    assert_eq!(list(&sandbox), first);
}

#[test]
fn a_run_that_changed_is_listed_as_it_is() {
    let sandbox = two_runs();
    let first = list(&sandbox);
    sandbox.run(&["append", "a", "issue.started", "issue=2"]);
    let second = list(&sandbox);
    assert_ne!(first, second);
    fs::remove_dir_all(sandbox.path(".cache")).expect("removed");
    assert_eq!(list(&sandbox), second);
    fs::rename(sandbox.path("logs/runs/a"), sandbox.path("logs/runs/c")).expect("renamed");
    let renamed = list(&sandbox);
    assert!(
        renamed.contains("\nc,") && !renamed.contains("\na,"),
        "{renamed}"
    );
}
