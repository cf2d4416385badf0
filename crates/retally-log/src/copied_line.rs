//! The lines of a copy of a log: sealed anew, without secrets.

use crate::envelope::Draft;
use crate::event::EventType;
use crate::format::{COMPRESSED_SUFFIX, ISSUE_ALIASES, RESERVED_KEYS};
use crate::json::{Json, Members};
use crate::line_writer::{EncodeError, LineWriter, TextRules, encode_line, seal};
use crate::redacted_keys::redact_keys;
use crate::redactor::Redactor;
use crate::segment_file;
use crate::timestamp::Timestamp;
use crate::{Misfit, Place};
use std::borrow::Cow;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

/// Appends the sealed line of an event to `out`, its LF included, as a writer would write it:
/// without secrets, and cut where it becomes too long.
///
/// For those who copy a log; whoever records events uses a [`Writer`](crate::Writer).
///
/// # Errors
/// Readers would not take the line; `out` is left as it was.
pub fn append_copied_event(
    out: &mut Vec<u8>,
    seq: u64,
    ts: Timestamp,
    draft: &Draft<'_>,
    redactor: &dyn Redactor,
) -> Result<(), EncodeError> {
    let rules = TextRules {
        redactor: Some(redactor),
        cuts_long_texts: true,
    };
    encode_line(out, seq, ts, draft, rules)
}

/// Appends the sealed line of a misfit to `out`, its LF included: `line` without its secrets, and
/// a misfit still. Of what is no Unicode `false` is left.
///
/// # Errors
/// The line is no JSON object, or becomes too long; `out` is left as it was.
pub fn append_copied_misfit(
    out: &mut Vec<u8>,
    seq: u64,
    line: &[u8],
    redactor: &dyn Redactor,
) -> Result<(), EncodeError> {
    let start = out.len();
    let result = write_misfit(out, seq, line, redactor);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn write_misfit(
    out: &mut Vec<u8>,
    seq: u64,
    line: &[u8],
    redactor: &dyn Redactor,
) -> Result<(), EncodeError> {
    let start = out.len();
    let text = String::from_utf8_lossy(line);
    let members = serde_json::from_str::<Members<'_>>(&text);
    let members = members.map_err(|_| {
        let want = Cow::Borrowed("a JSON object");
        Misfit::wrong_for("line", &text, want)
    })?;
    let mut members = members.0;
    members.retain(|(key, _)| key != "seq" && key != "crc");
    let raw_type = members.iter().find(|(key, _)| key == "type");
    let type_name = raw_type.and_then(|(_, raw)| serde_json::from_str::<String>(raw).ok());
    let event_type = type_name.as_deref().and_then(EventType::find);
    let is_name = |key: &str| {
        RESERVED_KEYS.contains(&key)
            || ISSUE_ALIASES.contains(&key)
            || event_type.is_some_and(|known| known.field(key).is_some())
    };
    let own = members
        .iter()
        .map(|(key, _)| &**key)
        .filter(|key| !is_name(key));
    let redacted = redact_keys(redactor, own, is_name);
    let mut redacted = redacted.unwrap_or_default().into_iter();
    let mut line = LineWriter::new(out, Some(redactor));
    line.raw("{");
    line.required("seq", &seq);
    for (key, raw) in &members {
        match is_name(key) {
            true => line.key(key),
            false => line.key(redacted.next().as_deref().unwrap_or(key)),
        }
        let is_of_format = match &**key {
            "ts" => is_time(raw),
            "type" => event_type.is_some(),
            _ => false,
        };
        match Json::parse(raw) {
            _ if is_of_format => line.raw(raw),
            Ok(json) => line.json(key, &json),
            Err(_) => line.raw("false"),
        }
    }
    let is_nested = true;
    seal(out, start, is_nested)
}

fn is_time(raw: &str) -> bool {
    let text = serde_json::from_str::<Cow<'_, str>>(raw);
    text.is_ok_and(|text| Timestamp::parse(&text).is_ok())
}

/// Returns the time that a line states, event or not; `None` where it states no valid one.
pub fn line_time(line: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(line).ok()?;
    let members = serde_json::from_str::<Members<'_>>(text).ok()?;
    let (_, raw) = members.0.into_iter().find(|(key, _)| key == "ts")?;
    let text = serde_json::from_str::<Cow<'_, str>>(raw).ok()?;
    Timestamp::parse(&text).ok()
}

/// Reads the bytes of stretches that a [`LogReader`](crate::LogReader) yielded.
pub struct StretchReader {
    events_dir: PathBuf,
    /// The compressed file that was read last, and how far.
    open: Option<(String, u64, Box<dyn Read>)>,
}

impl StretchReader {
    /// Reads from the segments of a run's `events/` folder.
    pub fn new(events_dir: impl Into<PathBuf>) -> Self {
        Self {
            events_dir: events_dir.into(),
            open: None,
        }
    }

    /// Returns the bytes of a stretch, its LF included. Compressed segments are cheap to read in
    /// order only.
    ///
    /// # Errors
    /// The file cannot be read, or became shorter.
    pub fn read(&mut self, place: &Place<'_>) -> io::Result<Vec<u8>> {
        let length = usize::try_from(place.length).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        let path = self.events_dir.join(place.file);
        if !place.file.ends_with(COMPRESSED_SUFFIX) {
            segment_file::open(&path)?.read_exact_at(&mut bytes, place.offset)?;
            return Ok(bytes);
        }
        let kept = self.open.take();
        let kept = kept.filter(|(file, at, _)| file == place.file && *at <= place.offset);
        let (file, at, mut reader) = match kept {
            Some(kept) => kept,
            None => {
                let decoder = segment_file::decoder(segment_file::open(&path)?)?;
                (place.file.to_owned(), 0, Box::new(decoder) as Box<dyn Read>)
            }
        };
        io::copy(&mut (&mut reader).take(place.offset - at), &mut io::sink())?;
        reader.read_exact(&mut bytes)?;
        self.open = Some((file, place.offset + place.length, reader));
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::parse_line;

    struct Hiding;

    impl Redactor for Hiding {
        fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
            match text.contains("hide") || text == "completed" || text.starts_with("2024") {
                true => Cow::Borrowed("[x]"),
                false => Cow::Borrowed(text),
            }
        }
    }

    fn check(line: &str, expected: &str) {
        let is_misfit = |line: &[u8]| parse_line(line).is_ok_and(|sound| sound.content.is_err());
        assert!(is_misfit(line.as_bytes()), "{line}");
        let mut out = Vec::new();
        append_copied_misfit(&mut out, 7, line.as_bytes(), &Hiding).expect("it fits");
        let copied = String::from_utf8(out).expect("lines are UTF-8");
        let (body, _) = copied.split_once(",\"crc\"").expect("lines are sealed");
        assert_eq!(body, expected);
        assert!(is_misfit(copied.trim_end().as_bytes()), "{copied}");
    }

    #[test]
    fn a_misfit_stays_one_without_its_secrets() {
        check(
            r#"{"seq":3,"ts":"2024-12-03T14:30:22Z","type":"run.scored","success":"hide","hide1":{"hide2":"hide"},"hide3":1}"#,
            r#"{"seq":7,"ts":"2024-12-03T14:30:22Z","type":"run.scored","success":"[x]","[x]":{"[x]":"[x]"},"[x]-2":1"#,
        );
        check(
            r#"{ "type":"note.added", "ts":"hide", "text":"\ud800", "n":1.50 }"#,
            r#"{"seq":7,"type":"note.added","ts":"[x]","text":false,"n":1.50"#,
        );
        check(r#"{"ts":"2024-12-03T14:30:22"}"#, r#"{"seq":7,"ts":"[x]""#);
    }

    #[test]
    fn stretches_are_read_from_plain_and_compressed_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = b"one\ntwo\nthree\n";
        std::fs::write(folder.path().join("a.jsonl"), text).expect("written");
        let packed = zstd::encode_all(&text[..], 1).expect("compressed");
        std::fs::write(folder.path().join("a.jsonl.zst"), packed).expect("written");
        let mut reader = StretchReader::new(folder.path());
        let segment = crate::SegmentId::new("a");
        for file in ["a.jsonl", "a.jsonl.zst"] {
            for (offset, length, expected) in [(4, 4, "two\n"), (8, 6, "three\n"), (0, 4, "one\n")]
            {
                let seq = None;
                let segment = &segment;
                let place = Place {
                    segment,
                    file,
                    offset,
                    length,
                    seq,
                };
                assert_eq!(reader.read(&place).expect("readable"), expected.as_bytes());
            }
        }
    }
}
