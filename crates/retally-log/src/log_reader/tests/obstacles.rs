//! What stands in the way of reading, and goes away, costs nothing.

use super::*;
use crate::source::{FileSource, Source};

#[test]
fn what_can_be_read_is_not_forgotten_for_what_cannot() {
    let events = Events::new();
    events.write("0.jsonl", &foreign(1, "zero"));
    let mut log = events.open();
    assert_eq!(events.read(&mut log).len(), 1);
    let packed = zstd::encode_all(foreign(2, "packed").as_bytes(), 0).expect("compressed");
    fs::write(events.0.path().join("a.jsonl.zst"), packed).expect("written");
    let newer = "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"segment.opened\",\"format\":9}\n";
    events.write("b.jsonl", newer);
    assert!(log.refresh().is_err());
    assert!(log.refresh().is_err());
    fs::remove_file(events.0.path().join("b.jsonl")).expect("removed");
    assert_eq!(events.read(&mut log), ["a packed"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_error_of_the_system_is_no_damage_of_a_compressed_file() {
    // Reading it at its beginning fails with EIO.
    let mut source = FileSource::new("/proc/self/mem".into(), true, 100);
    assert!(source.read_at(0, &mut [0; 100]).is_err());
    assert_eq!(source.take_fault(), None);
}

#[test]
fn a_line_that_is_too_long_is_not_blank_for_its_end() {
    let events = Events::new();
    let long = format!("{}{}\n", foreign(1, "lost").trim_end(), " ".repeat(3 << 20));
    events.write("a.jsonl", &long);
    let found = events.read(&mut events.open());
    assert!(found.len() == 1 && found[0].contains("damage"), "{found:?}");
}

#[test]
fn damage_near_the_end_of_a_copied_segment_is_looked_at_again() {
    let events = Events::new();
    let text = format!("{}{}{}", header("s", 5), line(1, 10), line(2, 20));
    let third = line(3, 30);
    events.write("a.jsonl", &text);
    events.write("b.jsonl", &format!("{text}{}", third.replace('@', "\0")));
    let mut log = events.open();
    assert!(
        events
            .read(&mut log)
            .iter()
            .any(|found| found.contains("damage"))
    );
    events.write("b.jsonl", &format!("{text}{third}"));
    assert_eq!(
        events.read(&mut log).last().map(String::as_str),
        Some("s 3@30")
    );
}

#[test]
fn a_folder_of_segments_that_is_a_link_is_not_followed() {
    let events = Events::new();
    events.write("a.jsonl", &foreign(1, "elsewhere"));
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("events");
    std::os::unix::fs::symlink(events.0.path(), &link).expect("linked");
    let mut log = LogReader::open(link).expect("no folder is an empty log");
    assert_eq!(log.next(describe).expect("readable"), None);
}
