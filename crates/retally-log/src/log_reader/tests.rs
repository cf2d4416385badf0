use super::*;
use crate::entry::{Content, Place};
use crate::envelope::Draft;
use crate::event::{NoteAdded, SegmentOpened};
use crate::field::Times;
use crate::format::{LINE_BYTES_MAX, UNSETTLED_BYTES};
use crate::line_writer::{TextRules, encode_line};
use std::fs;

mod accidents;
mod obstacles;
mod replacement;
mod resuming;

/// A run's `events/` folder.
struct Events(tempfile::TempDir);

impl Events {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.0.path().join(name), content).expect("written");
    }

    fn append(&self, name: &str, content: &str) {
        use std::io::Write;
        let path = self.0.path().join(name);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("opened");
        file.write_all(content.as_bytes()).expect("written");
    }

    fn open(&self) -> LogReader {
        LogReader::open(self.0.path()).expect("the log opens")
    }

    /// Reads to the end and says what was found; checks that every byte is accounted for.
    fn read(&self, log: &mut LogReader) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            while let Some(line) = log.next(describe).expect("the log is readable") {
                found.push(line);
            }
            if !log.refresh().expect("the log is readable") {
                return found;
            }
        }
    }

    fn check(&self, expected: &[&str]) {
        assert_eq!(self.read(&mut self.open()), expected);
        self.check_accounts();
    }

    fn check_accounts(&self) {
        let mut log = self.open();
        let mut bytes: BTreeMap<String, u64> = BTreeMap::new();
        let mut add =
            |file: &str, length: u64| *bytes.entry(file.to_owned()).or_default() += length;
        loop {
            while let Some(place) = log
                .next(|entry| match entry {
                    Entry::Stretch(place, _) => Some((place.file.to_owned(), place.length)),
                    Entry::Rewound => None,
                })
                .expect("the log is readable")
            {
                match place {
                    Some((file, length)) => add(&file, length),
                    None => return, // the second pass is checked by the tests that rewind
                }
            }
            if !log.refresh().expect("the log is readable") {
                break;
            }
        }
        for pending in log.pending() {
            add(&pending.file, pending.bytes);
        }
        for (file, bytes) in &bytes {
            let path = self.0.path().join(file);
            if file.ends_with(".jsonl") {
                assert_eq!(fs::metadata(path).expect("listed").len(), *bytes, "{file}");
            }
        }
    }
}

fn describe(entry: Entry<'_>) -> String {
    let Entry::Stretch(place, content) = entry else {
        return "rewound".to_owned();
    };
    let Place {
        segment,
        offset,
        length,
        ..
    } = place;
    match content {
        Content::Event(event) => match &event.envelope.event {
            crate::Event::NoteAdded(note) => format!("{segment} {}", note.text),
            other => format!("{segment} {}", other.type_name()),
        },
        Content::Opened(_) => format!("{segment} opened"),
        Content::Duplicate => format!("{segment} duplicate"),
        Content::Blank => format!("{segment} blank"),
        Content::Misfit(misfit) => format!("{segment} misfit: {misfit}"),
        Content::Damage(damage) => format!("{segment} damage at {offset}+{length}: {damage}"),
    }
}

fn seal(seq: u64, second: i64, draft: &Draft<'_>) -> String {
    let mut out = Vec::new();
    let ts = Timestamp::from_micros_saturating(second * 1_000_000);
    encode_line(&mut out, seq, ts, draft, TextRules::default()).expect("the event fits");
    String::from_utf8(out).expect("lines are UTF-8")
}

/// A sealed line whose note says its `seq` and second.
fn line(seq: u64, second: i64) -> String {
    let text = format!("{seq}@{second}").into();
    seal(
        seq,
        second,
        &NoteAdded {
            text,
            issue: None,
            agent: None,
        }
        .into(),
    )
}

fn header(segment: &str, second: i64) -> String {
    let opened = SegmentOpened {
        format: Some(1),
        run: None,
        segment: Some(segment.into()),
        times: Some(Times::Stamped),
        host: None,
        boot: None,
        inode: None,
        device: None,
        pid: None,
        writer: None,
    };
    seal(0, second, &opened.into())
}

fn foreign(second: i64, text: &str) -> String {
    let ts = Timestamp::from_micros_saturating(second * 1_000_000);
    format!("{{\"type\":\"note.added\",\"ts\":\"{ts}\",\"text\":\"{text}\"}}\n")
}

#[test]
fn segments_are_merged_by_effective_time_then_id_then_file_order() {
    let events = Events::new();
    events.write(
        "b.jsonl",
        &[foreign(1, "b1"), foreign(5, "b5"), foreign(2, "b2")].concat(),
    );
    events.write(
        "a.jsonl",
        &[foreign(3, "a3"), foreign(5, "a5"), foreign(9, "a9")].concat(),
    );
    events.check(&["b b1", "a a3", "a a5", "b b5", "b b2", "a a9"]);
}

#[test]
fn the_id_in_the_first_line_goes_before_the_name_of_the_file() {
    let events = Events::new();
    events.write("z.jsonl", &[header("a", 1), line(1, 1)].concat());
    events.write("y.jsonl", &foreign(1, "y1"));
    events.check(&["a opened", "a 1@1", "y y1"]);
}

#[test]
fn a_copy_of_a_segment_counts_once_and_the_longer_one_adds_its_rest() {
    let events = Events::new();
    let all: Vec<String> = std::iter::once(header("s", 0))
        .chain((1..5).map(|n| line(n, 1)))
        .collect();
    events.write("s.jsonl", &all[..3].concat());
    events.write("s (copy).jsonl", &all.concat());
    let expected = [
        "s opened",
        "s duplicate",
        "s 1@1",
        "s duplicate",
        "s 2@1",
        "s duplicate",
        "s 3@1",
        "s 4@1",
    ];
    events.check(&expected);
}

#[test]
fn where_times_come_from_is_told_by_the_first_copy_whose_first_line_is_sound() {
    for damaged in ["a.jsonl", "s.jsonl", "z.jsonl"] {
        let events = Events::new();
        let whole = [header("s", 0), line(1, 1)].concat();
        for name in ["s.jsonl", "z.jsonl", "a.jsonl"] {
            let content = match name == damaged {
                true => whole.replacen("segment.opened", "segment.openeD", 1),
                false => whole.clone(),
            };
            events.write(name, &content);
        }
        let mut log = events.open();
        let mut seen = Vec::new();
        let take = |entry: Entry<'_>| match entry {
            Entry::Stretch(place, Content::Event(event)) => {
                Some((place.segment.to_string(), event.times))
            }
            _ => None,
        };
        while let Some(event) = log.next(take).expect("readable") {
            seen.extend(event);
        }
        let given = (damaged[..1].to_owned(), Times::Given);
        let stamped = ("s".to_owned(), Times::Stamped);
        let expected = if damaged == "s.jsonl" {
            vec![stamped]
        } else {
            vec![given, stamped]
        };
        assert_eq!(
            BTreeSet::from_iter(seen),
            BTreeSet::from_iter(expected),
            "{damaged}"
        );
    }
}

#[test]
fn a_line_of_the_greatest_length_is_salvaged_whatever_was_visible_when() {
    let torn = "x".repeat(LINE_BYTES_MAX + (64 << 10));
    let note = |bytes: usize| {
        let text = "y".repeat(bytes).into();
        let (issue, agent) = (None, None);
        seal(0, 1, &NoteAdded { text, issue, agent }.into())
    };
    let glued = note(LINE_BYTES_MAX + 1 - note(0).len());
    assert_eq!(glued.len(), LINE_BYTES_MAX + 1);
    let whole = [&*torn, &*glued, &*line(1, 1)].concat();
    for visible in [0, torn.len() + LINE_BYTES_MAX, whole.len()] {
        let events = Events::new();
        events.write("a.jsonl", &whole[..visible]);
        let mut log = events.open();
        let mut found = events.read(&mut log);
        events.append("a.jsonl", &whole[visible..]);
        log.refresh().expect("readable");
        found.extend(events.read(&mut log));
        for text in &mut found {
            text.truncate(20);
        }
        let expected = ["a damage at 0+111411", "a yyyyyyyyyyyyyyyyyy", "a 1@1"];
        assert_eq!(found, expected, "{visible}");
    }
}

#[test]
fn the_same_seq_with_other_bytes_is_a_conflict_and_the_first_by_file_counts() {
    let events = Events::new();
    events.write("a.jsonl", &[header("s", 0), line(1, 1)].concat());
    events.write("b.jsonl", &[header("s", 0), line(1, 2)].concat());
    let conflict =
        "s damage at 161+103: conflict: another line of the segment bears seq 1 and other bytes";
    let found = events.read(&mut events.open());
    assert_eq!(found[..3], ["s opened", "s duplicate", "s 1@1"]);
    assert!(
        found[3].ends_with(conflict.split_once(": ").expect("a reason").1),
        "{}",
        found[3]
    );
    events.check_accounts();
}

#[test]
fn lines_that_stand_out_of_order_in_one_file_are_taken_by_seq() {
    let events = Events::new();
    let lines = [
        header("s", 0),
        line(1, 1),
        line(4, 4),
        line(2, 2),
        line(4, 4),
        line(3, 3),
    ];
    events.write("s.jsonl", &lines.concat());
    let expected = [
        "s opened",
        "s 1@1",
        "s 4@4",
        "rewound",
        "s opened",
        "s 1@1",
        "s 2@2",
        "s 3@3",
        "s 4@4",
        "s duplicate",
    ];
    events.check(&expected);
}

#[test]
fn lines_without_seq_are_events_of_their_own_but_not_in_a_copied_file() {
    let events = Events::new();
    events.write("a.jsonl", &[foreign(1, "x"), foreign(1, "x")].concat());
    events.check(&["a x", "a x"]);
    let same_id =
        "{\"ts\":\"1970-01-01T00:00:00Z\",\"type\":\"segment.opened\",\"segment\":\"a\"}\n";
    events.write(
        "a.jsonl",
        &[same_id, &foreign(1, "x"), &foreign(1, "x")].concat(),
    );
    events.write(
        "b.jsonl",
        &[
            same_id,
            &foreign(1, "x"),
            &foreign(1, "y"),
            &foreign(1, "x"),
            &foreign(1, "x"),
        ]
        .concat(),
    );
    let expected = [
        "a opened",
        "a x",
        "a x",
        "a duplicate",
        "a duplicate",
        "a y",
        "a duplicate",
        "a x",
    ];
    events.check(&expected);
}

#[test]
fn damage_costs_only_the_lines_that_it_touches() {
    let events = Events::new();
    let torn = &line(2, 2)[..40];
    let flipped = line(4, 4).replace("note.added", "note.addee");
    let content = [
        &header("s", 0),
        &line(1, 1),
        torn,
        &line(3, 3),
        &flipped,
        "\n",
        "  \r\n",
        &line(5, 5),
    ];
    events.write("s.jsonl", &content.concat());
    let at = (header("s", 0) + &line(1, 1)).len();
    let next = at + 40 + line(3, 3).len();
    events.check(&[
        "s opened",
        "s 1@1",
        &format!("s damage at {at}+40: torn: the write of this line was cut short"),
        "s 3@3",
        &format!(
            "s damage at {next}+{}: checksum does not match",
            flipped.len()
        ),
        "s blank",
        "s blank",
        "s 5@5",
    ]);
}

#[test]
fn a_line_without_a_checksum_after_one_with_a_checksum_is_damage() {
    let events = Events::new();
    events.write(
        "s.jsonl",
        &[foreign(1, "before"), line(0, 1), foreign(1, "after")].concat(),
    );
    let at = (foreign(1, "before") + &line(0, 1)).len();
    events.check(&[
        "s before",
        "s 0@1",
        &format!(
            "s damage at {at}+{}: no checksum, in a segment whose lines have one",
            foreign(1, "after").len()
        ),
    ]);
}

#[test]
fn a_sound_line_that_fits_no_type_still_moves_the_effective_time() {
    let events = Events::new();
    let misfit = foreign(7, "x").replace("text", "word");
    events.write(
        "a.jsonl",
        &[foreign(1, "a1"), misfit, foreign(2, "a2")].concat(),
    );
    events.write("b.jsonl", &foreign(3, "b3"));
    events.check(&[
        "a a1",
        "b b3",
        "a misfit: `text` is missing (want a string)",
        "a a2",
    ]);
}

#[test]
fn reading_goes_on_where_it_stopped_whatever_the_cut() {
    let lines: Vec<String> = std::iter::once(header("s", 0))
        .chain((1..4).map(|n| line(n, 9 - n as i64)))
        .collect();
    let content = lines.concat();
    for cut in 0..content.len() {
        let events = Events::new();
        events.append("s.jsonl", &content[..cut]);
        let mut log = events.open();
        let mut found = events.read(&mut log);
        let pending: u64 = log.pending().map(|unread| unread.bytes).sum();
        let whole = content[..cut].rfind('\n').map_or(0, |at| at + 1);
        assert_eq!(pending, (cut - whole) as u64, "cut {cut}");
        events.append("s.jsonl", &content[cut..]);
        log.refresh().expect("the log is readable");
        found.extend(events.read(&mut log));
        assert_eq!(found, ["s opened", "s 1@8", "s 2@7", "s 3@6"], "cut {cut}");
    }
}

#[test]
fn what_is_appended_after_a_look_is_yielded_after_the_next_one() {
    let events = Events::new();
    events.append("a.jsonl", &[foreign(1, "a1"), foreign(2, "a2")].concat());
    let mut log = events.open();
    let mut yielded = Vec::new();
    for second in 3.. {
        events.append("a.jsonl", &foreign(second, &format!("a{second}")));
        events.append("b.jsonl", &foreign(second, &format!("b{second}")));
        match log.next(describe).expect("readable") {
            Some(found) => yielded.push(found),
            None => break,
        }
    }
    assert_eq!(yielded, ["a a1", "a a2"]);
    assert_eq!(log.pending().count(), 0);
    assert!(log.refresh().expect("readable"));
    let rest = ["a a3", "b b3", "a a4", "b b4", "a a5", "b b5"];
    assert_eq!(events.read(&mut log), rest);
}

#[test]
fn damage_near_the_end_is_taken_back_when_its_bytes_turn_out_sound() {
    let events = Events::new();
    let lines = [header("s", 0), line(1, 1), line(2, 2)];
    let zeros = format!("{}\n", "\0".repeat(lines[1].len() - 1));
    events.write("s.jsonl", &[&*lines[0], &zeros].concat());
    let mut log = events.open();
    let found = events.read(&mut log);
    assert!(found[1].contains("damage"), "{found:?}");
    assert!(!log.refresh().expect("readable"));
    events.rewrite_in_place("s.jsonl", &lines.concat());
    assert!(log.refresh().expect("readable"));
    assert_eq!(
        events.read(&mut log),
        ["rewound", "s opened", "s 1@1", "s 2@2"]
    );
}

#[test]
fn damage_near_the_end_of_one_segment_does_not_disturb_the_order_of_all() {
    let events = Events::new();
    events.write(
        "a.jsonl",
        &[
            foreign(1, "a1"),
            "{torn\n".to_owned(),
            "[]\n".to_owned(),
            foreign(3, "a3"),
        ]
        .concat(),
    );
    events.write("b.jsonl", &[foreign(2, "b2"), foreign(4, "b4")].concat());
    let found = events.read(&mut events.open());
    let found: Vec<&str> = found
        .iter()
        .map(|line| line.split(" at").next().unwrap_or(line))
        .collect();
    assert_eq!(
        found,
        ["a a1", "a damage", "a damage", "b b2", "a a3", "b b4"]
    );
}

#[test]
fn damage_far_from_the_end_counts_at_once() {
    let events = Events::new();
    let rest: String = (1..100).map(|n| line(n, 1)).collect();
    assert!(rest.len() as u64 > UNSETTLED_BYTES);
    events.write(
        "s.jsonl",
        &[header("s", 0), "nonsense\n".to_owned(), rest].concat(),
    );
    let mut log = events.open();
    log.next(describe).expect("readable");
    let found = log
        .next(describe)
        .expect("readable")
        .expect("there is more");
    assert!(found.contains("damage"), "{found}");
}

#[test]
fn new_segments_are_found_and_positions_tell_where_they_belong() {
    let events = Events::new();
    events.write("a.jsonl", &foreign(5, "a5"));
    let mut log = events.open();
    assert_eq!(events.read(&mut log), ["a a5"]);
    events.write("b.jsonl", &foreign(3, "b3"));
    events.append("a.jsonl", &foreign(6, "a6"));
    assert!(log.refresh().expect("readable"));
    assert_eq!(events.read(&mut log), ["b b3", "a a6"]);
    assert!(!log.refresh().expect("readable"));
}

#[test]
fn a_file_that_was_cut_replaced_or_removed_is_read_anew() {
    let events = Events::new();
    events.write("a.jsonl", &[foreign(1, "one"), foreign(2, "two")].concat());
    events.write("b.jsonl", &foreign(3, "b"));
    let mut log = events.open();
    assert_eq!(events.read(&mut log), ["a one", "a two", "b b"]);
    events.rewrite_in_place("a.jsonl", &foreign(1, "one"));
    assert!(log.refresh().expect("readable"));
    assert_eq!(events.read(&mut log), ["rewound", "a one", "b b"]);
    fs::remove_file(events.0.path().join("b.jsonl")).expect("removed");
    assert!(log.refresh().expect("readable"));
    assert_eq!(events.read(&mut log), ["rewound", "a one"]);
    events.write("c.tmp", &[foreign(1, "new"), foreign(2, "file")].concat());
    fs::rename(
        events.0.path().join("c.tmp"),
        events.0.path().join("a.jsonl"),
    )
    .expect("renamed");
    assert!(log.refresh().expect("readable"));
    assert_eq!(events.read(&mut log), ["rewound", "a new", "a file"]);
}

#[test]
fn a_copy_that_turns_up_later_makes_the_log_be_read_anew() {
    let events = Events::new();
    let lines = [header("s", 0), line(1, 1), line(2, 2)];
    events.write("s.jsonl", &lines[..2].concat());
    let mut log = events.open();
    assert_eq!(events.read(&mut log), ["s opened", "s 1@1"]);
    events.write("t.jsonl", &lines.concat());
    assert!(log.refresh().expect("readable"));
    let expected = [
        "rewound",
        "s opened",
        "s duplicate",
        "s 1@1",
        "s duplicate",
        "s 2@2",
    ];
    assert_eq!(events.read(&mut log), expected);
    events.append("t.jsonl", &line(3, 3));
    assert!(log.refresh().expect("readable"));
    assert_eq!(
        events.read(&mut log).last().map(String::as_str),
        Some("s 3@3")
    );
}

#[test]
fn a_compressed_segment_reads_like_a_plain_one() {
    let events = Events::new();
    let content: String = std::iter::once(header("s", 0))
        .chain((1..200).map(|n| line(n, 1)))
        .collect();
    events.write("s.jsonl", &content);
    let plain = events.read(&mut events.open());
    let compressed = zstd::encode_all(content.as_bytes(), 0).expect("compressed");
    fs::write(events.0.path().join("s.jsonl.zst"), &compressed).expect("written");
    fs::remove_file(events.0.path().join("s.jsonl")).expect("removed");
    assert_eq!(events.read(&mut events.open()), plain);

    fs::write(
        events.0.path().join("s.jsonl.zst"),
        &compressed[..compressed.len() / 2],
    )
    .expect("written");
    let broken = events.read(&mut events.open());
    let (last, rest) = broken.split_last().expect("something is found");
    assert!(
        last.contains("the compressed bytes cannot be read on"),
        "{last}"
    );
    assert_eq!(*rest, plain[..rest.len()]);
}

#[test]
fn a_newer_format_is_an_error_with_the_cure() {
    let events = Events::new();
    events.write(
        "s.jsonl",
        "{\"ts\":\"1970-01-01T00:00:00Z\",\"type\":\"segment.opened\",\"format\":3}\n",
    );
    let error = LogReader::open(events.0.path())
        .err()
        .expect("it is refused")
        .to_string();
    let expected = "has format version 3, this retally reads up to 1 (upgrade retally)";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn links_and_other_files_in_the_folder_are_passed_over() {
    let events = Events::new();
    events.write("a.jsonl", &foreign(1, "a"));
    events.write("notes.txt", &foreign(1, "no"));
    events.write(".hidden.jsonl", &foreign(1, "no"));
    std::os::unix::fs::symlink(
        events.0.path().join("a.jsonl"),
        events.0.path().join("b.jsonl"),
    )
    .expect("linked");
    fs::create_dir(events.0.path().join("c.jsonl")).expect("created");
    events.check(&["a a"]);
}

#[test]
fn more_segments_than_may_be_open_are_merged_all_the_same() {
    let events = Events::new();
    let count = OPEN_SEGMENTS_MAX + 20;
    for n in 0..count {
        events.write(
            &format!("{n:04}.jsonl"),
            &[foreign(1, "first"), foreign(2, "second")].concat(),
        );
    }
    let mut log = events.open();
    let found = events.read(&mut log);
    assert!(log.open.is_empty());
    assert_eq!(found.len(), 2 * count);
    assert!(found[..count].iter().all(|line| line.ends_with("first")));
    assert!(found[count..].is_sorted() && found[..count].is_sorted());
}

impl Events {
    fn rewrite_in_place(&self, name: &str, content: &str) {
        self.write(name, content); // truncates and writes: the inode stays
    }
}

#[test]
fn a_log_can_be_read_from_the_middle_of_its_segments() {
    let events = Events::new();
    let long = line(1, 11);
    events.write("a.jsonl", &format!("{}{long}{}", line(0, 10), line(2, 30)));
    events.write(
        "b.jsonl",
        &format!("{}{}torn", header("bee", 20), line(1, 21)),
    );
    let first = line(0, 10).len() as u64;
    let check = |a: u64, b: u64, expected: &[&str]| {
        let start = |file: &str, _| if file == "a.jsonl" { a } else { b };
        let mut log = LogReader::open_from(events.0.path(), start).expect("the log opens");
        assert_eq!(events.read(&mut log), expected, "{a} {b}");
    };
    let all = ["a 0@10", "a 1@11", "bee opened", "bee 1@21", "a 2@30"];
    check(0, 0, &all);
    check(first - 1, 0, &all);
    check(first, u64::MAX, &["a 1@11", "a 2@30"]);
    check(first + 1, u64::MAX, &["a 1@11", "a 2@30"]);
    check(u64::MAX, 1, &["bee opened", "bee 1@21"]);
    let mut log = LogReader::open_from(events.0.path(), |_, bytes| bytes).expect("the log opens");
    assert_eq!(events.read(&mut log), [""; 0]);
    events.append("b.jsonl", &format!("\n{}", line(3, 40)));
    events.append("c.jsonl", &line(0, 35));
    let torn = format!(
        "bee damage at {}+5: ",
        header("bee", 20).len() + line(1, 21).len()
    );
    let found = events.read(&mut log);
    assert!(found[0].starts_with(&torn), "{found:?}");
    assert_eq!(found[1..], ["c 0@35", "bee 3@40"]);
}

#[test]
fn a_line_without_a_checksum_is_damage_behind_those_that_have_one_wherever_reading_begins() {
    let events = Events::new();
    let unsealed = "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"run.scored\",\"success\":true}\n";
    events.write("a.jsonl", &format!("{}{unsealed}", line(0, 10)));
    let start = line(0, 10).len() as u64;
    let mut log = LogReader::open_from(events.0.path(), |_, _| start).expect("the log opens");
    let found = events.read(&mut log);
    assert!(found.len() == 1 && found[0].contains("damage"), "{found:?}");
}
