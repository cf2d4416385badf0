//! Whatever happens to the bytes of a log, no event is made up, and none is read twice.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What may happen to the bytes of a file.
#[derive(Clone, Debug)]
enum Accident {
    Flip { at: usize, bit: u8 },
    Cut { at: usize },
    Zero { at: usize, length: usize },
    Remove { at: usize, length: usize },
    Repeat { at: usize, length: usize },
    Insert { at: usize, bytes: Vec<u8> },
}

fn accident() -> impl Strategy<Value = Accident> {
    let at = 0..4000_usize;
    prop_oneof![
        (at.clone(), 0..8_u8).prop_map(|(at, bit)| Accident::Flip { at, bit }),
        at.clone().prop_map(|at| Accident::Cut { at }),
        (at.clone(), 0..600_usize).prop_map(|(at, length)| Accident::Zero { at, length }),
        (at.clone(), 0..600_usize).prop_map(|(at, length)| Accident::Remove { at, length }),
        (at.clone(), 0..600_usize).prop_map(|(at, length)| Accident::Repeat { at, length }),
        (at, proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(at, bytes)| Accident::Insert { at, bytes }),
    ]
}

fn befall(bytes: &mut Vec<u8>, accident: &Accident) {
    let clamp = |at: usize, length: usize| at.min(length);
    let stretch = |at: usize, length: usize, total: usize| {
        let start = clamp(at, total);
        start..clamp(start + length, total)
    };
    let total = bytes.len();
    match accident {
        Accident::Flip { at, bit } => {
            if let Some(byte) = bytes.get_mut(*at) {
                *byte ^= 1 << bit;
            }
        }
        Accident::Cut { at } => bytes.truncate(*at),
        Accident::Zero { at, length } => bytes[stretch(*at, *length, total)].fill(0),
        Accident::Remove { at, length } => _ = bytes.drain(stretch(*at, *length, total)),
        Accident::Repeat { at, length } => {
            let range = stretch(*at, *length, total);
            let copy = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, copy);
        }
        Accident::Insert {
            at,
            bytes: inserted,
        } => {
            let at = clamp(*at, total);
            bytes.splice(at..at, inserted.iter().copied());
        }
    }
}

/// Reads to the end, ahead in turn with line by line or only so, and tells all of each entry.
fn read_all(events: &Events, is_ahead: bool) -> (Vec<String>, bool) {
    let mut log = events.open();
    let (mut found, mut was_ahead) = (Vec::new(), false);
    loop {
        if is_ahead {
            let taken = found.len() % 50 + 10;
            let mut budget = taken;
            was_ahead |= log.read_ahead(|entry| {
                found.push(format!("{entry:?}"));
                budget -= 1;
                budget > 0
            });
        }
        match log
            .next(|entry| format!("{entry:?}"))
            .expect("the log is readable")
        {
            Some(entry) => found.push(entry),
            None if log.refresh().expect("the log is readable") => {}
            None => return (found, was_ahead),
        }
    }
}

proptest! {
    /// Property: read ahead by several threads or line by line, a log says the same, whatever
    /// happened to its bytes and however its segments take turns.
    #[test]
    fn a_log_that_is_read_ahead_says_what_it_says_line_by_line(
        accidents in proptest::collection::vec(accident(), 0..4),
        seconds in proptest::collection::vec(0..3_i64, 400),
        (is_foreign, turns) in (any::<bool>(), 1..60_usize),
    ) {
        let events = Events::new();
        let first = if is_foreign { String::new() } else { header("s", 0) };
        let (mut bytes, mut other, mut second) = (first.into_bytes(), String::new(), 0);
        for (seq, more) in (1..).zip(&seconds) {
            second += more;
            let next = line(seq, second);
            let next = if is_foreign { format!("{{ {}", &next[1..next.len() - 19]) + "}\n" } else { next };
            match seq as usize / turns % 4 {
                3 => other += &line(seq, second),
                _ => bytes.extend(next.bytes()),
            }
        }
        for accident in &accidents {
            befall(&mut bytes, accident);
        }
        fs::write(events.0.path().join("s.jsonl"), &bytes).expect("written");
        events.write("t.jsonl", &other);
        let (ahead, was_ahead) = read_all(&events, true);
        prop_assert_eq!(ahead, read_all(&events, false).0);
        prop_assert!(was_ahead || !accidents.is_empty());
    }

    /// Property: whatever happens to the bytes of a sealed segment, every event that is read was
    /// written, none is read twice, and every byte is accounted for.
    #[test]
    fn no_accident_makes_a_wrong_event(accidents in proptest::collection::vec(accident(), 1..5)) {
        let mut bytes: Vec<u8> = header("s", 0).into_bytes();
        for seq in 1..30 {
            bytes.extend(line(seq, 1_700_000_000 + seq as i64 % 7).bytes());
        }
        let written: BTreeSet<String> =
            (1..30).map(|seq| format!("{seq}@{}", 1_700_000_000 + seq as i64 % 7)).collect();
        for accident in &accidents {
            befall(&mut bytes, accident);
        }
        let events = Events::new();
        fs::write(events.0.path().join("s.jsonl"), &bytes).expect("written");
        let mut log = events.open();
        let (mut seen, mut accounted) = (BTreeSet::new(), 0);
        loop {
            while log.next(|entry| match entry {
                Entry::Rewound => (seen, accounted) = (BTreeSet::new(), 0),
                Entry::Stretch(place, content) => {
                    accounted += place.length;
                    if let Content::Event(event) = content
                        && let crate::Event::NoteAdded(note) = &event.envelope.event
                        && event.is_checked
                    {
                        assert!(written.contains(&*note.text), "{}", note.text);
                        assert!(seen.insert(note.text.to_string()), "{} came twice", note.text);
                    }
                }
            }).expect("damage is no error").is_some() {}
            if !log.refresh().expect("damage is no error") {
                break;
            }
        }
        let pending: u64 = log.pending().map(|unread| unread.bytes).sum();
        prop_assert_eq!(accounted + pending, bytes.len() as u64);
    }
}
