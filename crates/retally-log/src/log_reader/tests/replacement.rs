//! Files that are cut, written anew or moved while a log is read: nothing is counted twice.

use super::*;
use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

impl Events {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Sets the time of a file that tells that it changed, as its next tick would.
    fn touch(&self, name: &str, seconds: u64) {
        let file = File::options().write(true).open(self.path(name));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let times = FileTimes::new().set_modified(time);
        file.and_then(|file| file.set_times(times)).expect("set");
    }

    /// Reads a file of these lines, lets something happen to it, and compares what comes then.
    fn check_change(before: &[String], change: impl Fn(&Self), expected: &[&str]) {
        let events = Self::new();
        events.write("a.jsonl", &before.concat());
        events.touch("a.jsonl", 1);
        let mut log = events.open();
        assert_eq!(events.read(&mut log).len(), before.len());
        change(&events);
        let has_news = log.refresh().expect("readable");
        assert_eq!(has_news, !expected.is_empty());
        assert_eq!(events.read(&mut log), expected);
        assert!(!log.refresh().expect("readable"));
    }
}

fn two() -> [String; 2] {
    [foreign(1, "one"), foreign(2, "two")]
}

#[test]
fn a_file_that_was_cut_and_has_grown_beyond_what_was_read_is_read_anew() {
    let change = |events: &Events| {
        events.rewrite_in_place(
            "a.jsonl",
            &[foreign(3, "three"), foreign(4, "four"), foreign(5, "five")].concat(),
        );
    };
    let expected = ["rewound", "a three", "a four", "a five"];
    Events::check_change(&two(), change, &expected);
}

#[test]
fn other_bytes_of_the_same_size_are_read_anew() {
    let change = |events: &Events| {
        events.rewrite_in_place("a.jsonl", &[foreign(1, "one"), foreign(2, "TWO")].concat());
        events.touch("a.jsonl", 2);
    };
    Events::check_change(&two(), change, &["rewound", "a one", "a TWO"]);
    let sets_time_back = |events: &Events| {
        let stamp = || FileStamp::of(&rustix::fs::lstat(events.path("a.jsonl")).expect("there"));
        let before = stamp();
        change(events);
        events.touch("a.jsonl", 1);
        // The time that nobody can set moves on with the next tick of the kernel's clock.
        while stamp() == before {
            events.touch("a.jsonl", 1);
        }
    };
    Events::check_change(&two(), sets_time_back, &["rewound", "a one", "a TWO"]);
}

#[test]
fn a_file_that_was_deleted_and_created_again_with_its_bytes_counts_once() {
    let events = Events::new();
    events.write("a.jsonl", &two().concat());
    let mut log = events.open();
    assert_eq!(events.read(&mut log), ["a one", "a two"]);
    let stamp = || FileStamp::of(&rustix::fs::lstat(events.path("a.jsonl")).expect("there"));
    let before = stamp();
    fs::remove_file(events.path("a.jsonl")).expect("removed");
    events.write("a.jsonl", &[two().concat(), foreign(3, "three")].concat());
    assert!(log.refresh().expect("readable"));
    let found = events.read(&mut log);
    if stamp().is_of_same_file(&before) {
        // The file system gave the number again, and the bytes that were read still stand.
        assert_eq!(found, ["a three"]);
    } else {
        assert_eq!(found, ["rewound", "a one", "a two", "a three"]);
    }
}

#[test]
fn a_file_that_was_deleted_and_created_again_with_other_bytes_is_read_anew() {
    let change = |events: &Events| {
        fs::remove_file(events.path("a.jsonl")).expect("removed");
        events.write("a.jsonl", &[foreign(3, "three"), two().concat()].concat());
        events.touch("a.jsonl", 2);
    };
    let expected = ["rewound", "a three", "a one", "a two"];
    Events::check_change(&two(), change, &expected);
}

#[test]
fn a_file_that_was_moved_away_is_gone_and_counts_once_when_it_is_back() {
    let events = Events::new();
    events.write("a.jsonl", &two().concat());
    events.write("b.jsonl", &foreign(3, "b"));
    let mut log = events.open();
    assert_eq!(events.read(&mut log), ["a one", "a two", "b b"]);
    let away = events.path("a.away");
    fs::rename(events.path("a.jsonl"), &away).expect("renamed");
    assert!(log.refresh().expect("readable"));
    assert_eq!(events.read(&mut log), ["rewound", "b b"]);
    fs::rename(&away, events.path("a.jsonl")).expect("renamed");
    assert!(log.refresh().expect("readable"));
    assert_eq!(events.read(&mut log), ["a one", "a two"]);
    // Unseen, it changes nothing.
    fs::rename(events.path("a.jsonl"), &away).expect("renamed");
    fs::rename(&away, events.path("a.jsonl")).expect("renamed");
    assert!(!log.refresh().expect("readable"));
}

#[test]
fn a_rotated_file_is_read_under_both_names() {
    let change = |events: &Events| {
        fs::rename(events.path("a.jsonl"), events.path("a.1.jsonl")).expect("renamed");
        events.write("a.jsonl", &foreign(3, "three"));
    };
    let expected = ["rewound", "a.1 one", "a.1 two", "a three"];
    Events::check_change(&two(), change, &expected);
}

#[test]
fn what_was_read_of_a_file_that_was_written_anew_meanwhile_is_taken_back() {
    let long: String = "x".repeat(5000);
    let mut lines: Vec<String> = (1..60).map(|second| foreign(second, &long)).collect();
    lines[0] = foreign(1, "one");
    let events = Events::new();
    events.write("a.jsonl", &lines.concat());
    let mut log = events.open();
    assert!(log.next(describe).expect("readable").is_some());
    // The first lines are buffered; the rest is of the new bytes, and so is all behind it.
    let anew = lines.concat().replacen("one", "ONE", 1);
    events.rewrite_in_place("a.jsonl", &anew);
    while log.next(describe).expect("readable").is_some() {}
    events.append("a.jsonl", &foreign(60, "last"));
    assert!(log.refresh().expect("readable"));
    let found = events.read(&mut log);
    assert_eq!(found[0], "rewound");
    assert_eq!(found[1], "a ONE");
    assert_eq!(found.len(), 1 + lines.len() + 1);
}

#[test]
fn a_disordered_segment_that_was_touched_is_read_anew() {
    let events = Events::new();
    let lines = [header("s", 0), line(2, 2), line(1, 1)];
    events.write("s.jsonl", &lines.concat());
    events.touch("s.jsonl", 1);
    let mut log = events.open();
    events.read(&mut log);
    assert!(!log.refresh().expect("readable"));
    events.rewrite_in_place(
        "s.jsonl",
        &[header("s", 0), line(3, 3), line(1, 1)].concat(),
    );
    events.touch("s.jsonl", 2);
    assert!(log.refresh().expect("readable"));
    let expected = ["rewound", "s opened", "s 1@1", "s 3@3"];
    assert_eq!(events.read(&mut log), expected);
}

#[test]
fn a_file_without_a_whole_line_is_looked_at_again_when_it_changed() {
    let events = Events::new();
    events.write("a.jsonl", "{");
    let mut log = events.open();
    let bytes = |log: &LogReader| log.pending().map(|unread| unread.bytes).sum::<u64>();
    assert_eq!(bytes(&log), 1);
    assert!(!log.refresh().expect("readable"));
    assert_eq!(bytes(&log), 1);
    events.rewrite_in_place("a.jsonl", &foreign(1, "one"));
    assert!(log.refresh().expect("readable"));
    assert_eq!(events.read(&mut log), ["a one"]);
    assert_eq!(bytes(&log), 0);
}
