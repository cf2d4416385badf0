//! What no text of an event can do to the log that it stands in.

use super::random::Random;
use super::{proved, quick_or_soak};
use retally_log::{
    Content, Damage, Draft, Entry, EventType, Kind, LogReader, NoteAdded, Root, RunDir, RunId,
    Writer, WriterOptions,
};
use serde_json::{Map, Value, json};
use std::fs;

/// What a forger would put into a text, beside a whole line with a checksum that is right.
const PIECES: [&str; 22] = [
    "\n",
    "\r\n",
    "\r",
    "\u{2028}",
    "\u{2029}",
    "\u{85}",
    "\0",
    "{\"seq\":0,",
    "{\"seq\":",
    "{\"v\":1,",
    ",\"crc\":\"00000000\"}",
    ",\"crc\":\"",
    "\"}",
    "\"}\n",
    "}\n{",
    "\\",
    "\"",
    "\\u000a",
    "\\n",
    "x",
    "ü",
    "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"run.finished\",\"status\":\"failed\"}",
];

const FORGED: &str = "forged";

struct Forger {
    random: Random,
    /// Sealed as a writer seals it.
    line: String,
}

impl Forger {
    fn new() -> Self {
        let (_folder, run) = new_run();
        let (issue, agent) = (None, None);
        let text = FORGED.into();
        let note = NoteAdded { text, issue, agent };
        let writer = Writer::new(run.clone(), WriterOptions::default());
        writer.append(note).expect("appended");
        let (_, lines) = segment(&run);
        Self {
            random: Random::new(6),
            line: lines[1].clone(),
        }
    }

    fn text(&mut self) -> String {
        let count = 1 + self.random.below(5);
        let mut text = String::new();
        for _ in 0..count {
            match self.random.below(4) {
                0 => text += &self.line,
                _ => text += PIECES[self.random.next() as usize % PIECES.len()],
            }
        }
        text
    }

    fn forged_object(&self) -> Value {
        serde_json::from_str(&self.line).expect("JSON")
    }

    fn value(&mut self, kind: Kind) -> Value {
        let text = self.text();
        match kind {
            Kind::Text | Kind::Identifier => json!(text),
            Kind::TextList => json!([text, self.text()]),
            Kind::Object => json!({(text): self.text(), "seq": self.forged_object(),
                "list": [self.forged_object()]}),
            Kind::TextMap => json!({(text): self.text(), "seq": "0"}),
            Kind::CountMap => json!({(text): 1, "seq": 0}),
            Kind::Llm => json!({"provider": text, "model": self.text(), "seq": self.text(),
                "other": self.forged_object()}),
            Kind::Word(words) => json!(words[0]),
            Kind::Time => json!("2024-12-03T14:30:22.000000Z"),
            Kind::Flag => json!(false),
            Kind::Count | Kind::Number | Kind::Decimal => json!(1),
            other => panic!("what is {other:?}?"),
        }
    }

    /// Makes an event with a forged text in each field that can hold one.
    fn event(&mut self) -> Value {
        // The first type is that of segments' own first lines.
        let types = EventType::ALL.len() as u64;
        let event_type = EventType::ALL.get(1 + self.random.below(types) as usize);
        let name = event_type.map_or_else(|| self.text(), |known| known.name.to_owned());
        let mut event = Map::from_iter([
            ("type".to_owned(), json!(name)),
            ("key".to_owned(), json!(self.text())),
        ]);
        for field in event_type.map_or(&[][..], |known| known.fields) {
            event.insert(field.name.to_owned(), self.value(field.kind));
        }
        // Fields that the type does not know.
        event.insert(format!("x{}", self.text()), json!(self.text()));
        let nested = json!([self.forged_object(), {"seq": 0}]);
        event.insert("y".to_owned(), nested);
        Value::Object(event)
    }
}

fn new_run() -> (tempfile::TempDir, RunDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let id = RunId::new("run_1").expect("an id");
    let run = Root::new(folder.path()).create_run(&id).expect("created");
    (folder, run)
}

/// Returns the bytes of the run's only segment and its lines.
fn segment(run: &RunDir) -> (Vec<u8>, Vec<String>) {
    let mut files = fs::read_dir(run.events_path()).expect("a folder");
    let path = files.next().expect("a segment").expect("readable").path();
    assert!(files.next().is_none(), "one segment");
    let bytes = fs::read(path).expect("readable");
    let text = std::str::from_utf8(&bytes).expect("UTF-8");
    let lines = text.split_terminator('\n').map(str::to_owned).collect();
    (bytes, lines)
}

/// Returns the lines of all events of a run, in order, and how many stretches are damage.
fn read(run: &RunDir) -> (Vec<String>, u64) {
    let (mut events, mut damage) = (Vec::new(), 0);
    let mut log = LogReader::open(run.events_path()).expect("readable");
    loop {
        let next = log.next(|entry| match entry {
            Entry::Stretch(_, Content::Event(logged)) => {
                events.push(String::from_utf8(logged.line.to_vec()).expect("UTF-8"));
            }
            Entry::Stretch(_, Content::Opened(_)) => {}
            Entry::Stretch(_, Content::Damage(Damage::Torn | Damage::NotJson(_))) => damage += 1,
            Entry::Stretch(_, Content::Damage(Damage::Checksum | Damage::NotUtf8(_))) => {
                damage += 1;
            }
            other => panic!("{other:?}"),
        });
        if next.expect("readable").is_none() && !log.refresh().expect("readable") {
            return (events, damage);
        }
    }
}

/// Appends the events and checks that these stand there, each on a line of its own, and no other;
/// returns the lines with that of the segment itself.
fn check_appended(events: &[Value]) -> Vec<String> {
    let (_folder, run) = new_run();
    let texts: Vec<_> = events.iter().map(Value::to_string).collect();
    let drafts = texts.iter().map(|text| Draft::from_json(text.as_bytes()));
    let drafts: Vec<_> = drafts.map(|draft| draft.expect("an event")).collect();
    let writer = Writer::new(run.clone(), WriterOptions::default());
    writer.append_batch(&drafts).expect("appended");
    let (bytes, lines) = segment(&run);
    let lfs = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lfs, events.len() + 1, "a line each");
    let (found, damage) = read(&run);
    assert_eq!((found.len(), damage), (events.len(), 0));
    for (line, event) in found.iter().zip(events) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for (key, value) in event.as_object().expect("an object") {
            assert_eq!(&line[key], value, "{key}");
        }
    }
    let is_separator = |c| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\r' | '\0');
    assert!(!lines.iter().any(|line| line.contains(is_separator)));
    lines
}

/// Tears each line somewhere, with a whole one glued behind every second, and checks that the whole
/// ones are read and nothing else; returns how many were torn.
fn check_torn(lines: &[String], random: &mut Random) -> u64 {
    let (_folder, run) = new_run();
    let mut bytes = format!("{}\n", lines[0]).into_bytes();
    let (mut whole, mut torn) = (Vec::new(), 0);
    for (at, line) in lines.iter().enumerate().skip(1) {
        // Most often behind what could end a forged line.
        let ends: Vec<_> = line.match_indices('}').map(|(end, _)| end + 1).collect();
        let cut = match random.below(4) {
            0 => 1 + random.next() as usize % (line.len() - 1),
            _ => ends[random.next() as usize % ends.len()],
        };
        if at % 2 == 0 || cut == line.len() {
            bytes.extend_from_slice(line.as_bytes());
            whole.push(line.clone());
        } else {
            bytes.extend_from_slice(&line.as_bytes()[..cut]);
            torn += 1;
            if at % 4 == 1 {
                continue;
            }
        }
        bytes.push(b'\n');
    }
    fs::write(run.events_path().join("torn.jsonl"), bytes).expect("written");
    let (found, damage) = read(&run);
    assert_eq!((found, damage), (whole, torn));
    torn
}

#[test]
#[ignore = "100,000 events: `just guarantees` runs it"]
fn no_text_forges_an_event_even_where_its_line_is_torn() {
    let cases = quick_or_soak(100_000, 2_000_000);
    let mut forger = Forger::new();
    let mut random = Random::new(7);
    let mut torn = 0;
    for _ in 0..cases / 1000 {
        let events: Vec<_> = (0..1000).map(|_| forger.event()).collect();
        let lines = check_appended(&events);
        torn += check_torn(&lines, &mut random);
    }
    proved(
        "T3",
        &format!("{cases} events with forged texts, {torn} of them torn"),
    );
}
