//! A reader that goes on where another stood yields what that one would have.

use super::*;

impl Events {
    /// Reads to the end and returns what was found and where reading stands.
    fn read_marks(&self, log: &mut LogReader) -> (Vec<String>, Option<Vec<Mark>>) {
        let found = self.read(log);
        let marks = log.marks().expect("the log is readable");
        let text = serde_json::to_string(&marks).expect("marks are plain data");
        assert_eq!(
            marks,
            serde_json::from_str(&text).expect("they are read back")
        );
        (found, marks)
    }

    fn resume(&self, marks: &[Mark]) -> Option<LogReader> {
        LogReader::resume(self.0.path(), marks).expect("the log opens")
    }
}

/// Two segments whose lines interleave, with damage, a blank line, and a torn end.
fn contents() -> [String; 2] {
    let damaged = line(2, 30).replace("@", "#");
    let second = format!(
        "{}{}\nnot json\n{}",
        header("bee", 15),
        line(1, 25),
        line(2, 45)
    );
    [
        format!("{}{}{damaged}{}", line(0, 10), line(1, 20), line(3, 40)),
        format!("{second}torn"),
    ]
}

#[test]
fn reading_goes_on_wherever_it_stopped() {
    let [first, second] = contents();
    let whole = Events::new();
    whole.write("a.jsonl", &first);
    whole.write("b.jsonl", &second);
    let mut expected = whole.read(&mut whole.open());
    expected.sort();
    for cut in 0..=first.len().max(second.len()) {
        let events = Events::new();
        let (at_first, at_second) = (cut.min(first.len()), cut.min(second.len()));
        events.write("a.jsonl", &first[..at_first]);
        events.write("b.jsonl", &second[..at_second]);
        let (mut found, marks) = events.read_marks(&mut events.open());
        events.append("a.jsonl", &first[at_first..]);
        events.append("b.jsonl", &second[at_second..]);
        let mut log = events
            .resume(&marks.expect("plain files"))
            .expect("nothing was changed");
        found.extend(events.read(&mut log));
        found.sort();
        assert_eq!(found, expected, "cut {cut}");
    }
}

#[test]
fn positions_and_seals_go_on() {
    let events = Events::new();
    events.write("a.jsonl", &format!("{}{}", line(0, 50), line(1, 10)));
    let (_, marks) = events.read_marks(&mut events.open());
    let unsealed = "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"run.scored\",\"success\":true}\n";
    events.append(
        "a.jsonl",
        &format!("{}{unsealed}{}", line(2, 20), line(1, 60)),
    );
    let mut log = events
        .resume(&marks.expect("a plain file"))
        .expect("it fits");
    let position = |entry: Entry<'_>| match entry {
        Entry::Stretch(_, Content::Event(event)) => Some(event.position.clone()),
        _ => None,
    };
    let position = log
        .next(position)
        .expect("readable")
        .flatten()
        .expect("an event");
    let second = Timestamp::from_micros_saturating(50_000_000);
    assert_eq!((position.time, position.index), (second, 2));
    let rest = events.read(&mut log);
    assert!(rest[0].contains("damage"), "{rest:?}");
    assert_eq!(rest[1], "rewound", "a seq that goes back");
}

#[test]
fn marks_that_do_not_fit_are_not_used() {
    let check = |change: &dyn Fn(&Events)| {
        let events = Events::new();
        let [first, second] = contents();
        events.write("a.jsonl", &first);
        events.write("b.jsonl", &second);
        let (_, marks) = events.read_marks(&mut events.open());
        let marks = marks.expect("plain files");
        assert!(events.resume(&marks).is_some());
        change(&events);
        events.resume(&marks).is_none()
    };
    let path = |events: &Events, name: &str| events.0.path().join(name);
    let cut = |events: &Events, bytes: u64| {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(path(events, "a.jsonl"));
        file.and_then(|file| file.set_len(bytes)).expect("cut");
    };
    let [first, second] = contents();
    assert!(check(
        &|events| fs::remove_file(path(events, "a.jsonl")).expect("removed")
    ));
    assert!(check(&|events| cut(events, 100)));
    assert!(check(&|events| {
        cut(events, 100);
        events.append("a.jsonl", &line(9, 9).repeat(9));
    }));
    assert!(check(
        &|events| events.write("a.jsonl", &first.replace("3@40", "3@41"))
    ));
    assert!(check(
        &|events| events.write("b.jsonl", &second.replace("bee", "fly"))
    ));
    assert!(check(&|events| events.write("c.jsonl", &second)), "a copy");
    assert!(
        !check(&|events| events.write("c.jsonl", &line(0, 1))),
        "a new segment"
    );
    assert!(!check(&|events| events.append("b.jsonl", "\n")));
}

#[test]
fn there_are_no_marks_in_the_middle_of_a_reading_or_where_lines_were_sorted() {
    let events = Events::new();
    events.write("a.jsonl", &format!("{}{}", line(0, 10), line(1, 20)));
    let mut log = events.open();
    assert_eq!(log.marks().expect("readable"), None);
    log.next(|_| ()).expect("readable");
    assert_eq!(log.marks().expect("readable"), None);
    events.write("copy.jsonl", &format!("{}{}", header("a", 5), line(1, 20)));
    events.write("a.jsonl", &format!("{}{}", header("a", 5), line(1, 20)));
    assert_eq!(events.read_marks(&mut events.open()).1, None);
}

#[test]
fn there_are_no_marks_of_a_log_that_was_read_from_its_middle() {
    let events = Events::new();
    events.write("a.jsonl", &format!("{}{}", line(0, 10), line(1, 20)));
    let mut log = LogReader::open_from(events.0.path(), |_, _| 1 << 20).expect("the log opens");
    assert_eq!(events.read_marks(&mut log), (Vec::new(), None));
    log.rewind().expect("readable");
    assert!(events.read_marks(&mut log).1.is_some());
}

#[test]
fn there_is_no_going_on_where_a_file_was_written_anew_while_it_was_read() {
    let long = "x".repeat(5000);
    let mut lines: Vec<String> = (1..60).map(|second| foreign(second, &long)).collect();
    lines[0] = foreign(1, "one");
    let events = Events::new();
    events.write("a.jsonl", &lines.concat());
    let mut log = events.open();
    assert!(log.next(describe).expect("readable").is_some());
    events.rewrite_in_place("a.jsonl", &lines.concat().replacen("one", "ONE", 1));
    while log.next(describe).expect("readable").is_some() {}
    let marks = log.marks().expect("readable").expect("a plain file");
    assert!(events.resume(&marks).is_none());
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_rests_holds_no_file_open() {
    let events = Events::new();
    for name in ["a.jsonl", "b.jsonl", "c.jsonl"] {
        events.write(name, &[line(0, 10), line(1, 20)].concat());
    }
    // Damage near the end, which is looked at again.
    events.append("a.jsonl", "damage\n");
    let (_, marks) = events.read_marks(&mut events.open());
    let mut log = events
        .resume(&marks.expect("plain files"))
        .expect("nothing was changed");
    let open_files = || {
        let handles = fs::read_dir("/proc/self/fd").expect("listed").flatten();
        let paths = handles.filter_map(|handle| fs::read_link(handle.path()).ok());
        paths
            .filter(|path| path.starts_with(events.0.path()))
            .count()
    };
    assert_eq!(open_files(), 0);
    assert!(!log.refresh().expect("readable"));
    assert_eq!(
        log.marks().expect("readable").map(|marks| marks.len()),
        Some(3)
    );
    assert_eq!(open_files(), 0);
}
