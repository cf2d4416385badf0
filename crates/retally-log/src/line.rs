//! One line of a segment: how it is written, sealed, checked and read.

use crate::envelope::{Draft, Envelope, ExtraFields};
use crate::event::{Event, EventType, Misfit, RawMembers};
use crate::field::{FieldValue, Kind, count, text};
use crate::format::{COUNT_MAX, DEPTH_MAX, ISSUE_ALIASES, LINE_BYTES_MAX, RESERVED_KEYS};
use crate::json::{Json, Members, is_depth_sound};
use crate::redactor::Redactor;
use crate::timestamp::{Timestamp, TimestampError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;

/// What stands between the sealed bytes of a line and its checksum.
const SEAL_PREFIX: &[u8] = b",\"crc\":\"";
/// What ends a sealed line.
const SEAL_SUFFIX: &[u8] = b"\"}";
const CRC_DIGITS: usize = 8;
const SEAL_BYTES: usize = SEAL_PREFIX.len() + CRC_DIGITS + SEAL_SUFFIX.len();

/// How each line of ours begins; salvage looks for it, so it stands nowhere else in a line.
pub(crate) const LINE_START: &[u8] = b"{\"seq\":";

/// Why a line cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The line is longer than [`LINE_BYTES_MAX`](crate::LINE_BYTES_MAX).
    #[error("longer than 1 MiB")]
    TooLong,
    /// The line nests deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The checksum is not that of the bytes.
    #[error("checksum does not match")]
    Checksum,
    /// There is a `crc`, but not as the last key in eight lower-case hex digits.
    #[error("`crc` is not eight lower-case hex digits at the end of the line")]
    MalformedChecksum,
    /// The line has no checksum, though earlier lines of the segment have one.
    #[error("no checksum, in a segment whose lines have one")]
    Unsealed,
    /// The bytes are not UTF-8.
    #[error("not UTF-8 from byte {0} of the line on")]
    NotUtf8(usize),
    /// The line is not one JSON object, for the reason given.
    #[error("not a JSON object: {0}")]
    NotJson(String),
    /// Another line of the segment bears the same `seq` and other bytes.
    #[error("conflict: another line of the segment bears seq {0} and other bytes")]
    Conflict(u64),
    /// The compressed bytes end or break here, for the reason given.
    #[error("the compressed bytes cannot be read on: {0}")]
    Compression(String),
    /// The line ends before its JSON does: a write was cut short.
    #[error("torn: the write of this line was cut short")]
    Torn,
}

/// A line whose bytes can be trusted.
#[derive(Debug)]
pub(crate) struct SoundLine<'a> {
    pub(crate) seq: Option<u64>,
    /// `None` where the line states no valid time.
    pub(crate) ts: Option<Timestamp>,
    /// Whether the line bears a checksum, which then is right.
    pub(crate) is_sealed: bool,
    pub(crate) content: Result<Envelope<'a>, Misfit>,
}

/// Reads a line, its LF not included.
pub(crate) fn parse_line(line: &[u8]) -> Result<SoundLine<'_>, Damage> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Damage::TooLong);
    }
    let is_sealed = match checksums(line) {
        Some((stated, actual)) if stated == actual => true,
        Some(_) => return Err(Damage::Checksum),
        None => false,
    };
    if !is_depth_sound(line) {
        return Err(Damage::TooDeep);
    }
    let json = std::str::from_utf8(line).map_err(|error| Damage::NotUtf8(error.valid_up_to()))?;
    let mut members = serde_json::from_str::<Members<'_>>(json)
        .map_err(not_json)?
        .0;
    if is_sealed {
        members.pop();
    }
    if members.iter().any(|(key, _)| key == "crc") {
        return Err(Damage::MalformedChecksum);
    }
    check_nested(&members)?;
    Ok(read_members(members, is_sealed))
}

/// Why a JSON text is not an event to append.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// The text is not one JSON object that a log could hold.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The object is not an event of its type.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// Reads an event to append; `seq` and `crc` are dropped, `ts` may be missing.
pub(crate) fn parse_draft(text: &[u8]) -> Result<Draft<'_>, DraftError> {
    if !is_depth_sound(text) {
        return Err(Damage::TooDeep.into());
    }
    let json = std::str::from_utf8(text).map_err(|error| Damage::NotUtf8(error.valid_up_to()))?;
    let mut members = serde_json::from_str::<Members<'_>>(json)
        .map_err(not_json)?
        .0;
    check_nested(&members)?;
    take(&mut members, "seq");
    take(&mut members, "crc");
    let ts = take(&mut members, "ts").map(read_ts).transpose()?;
    let payload = read_payload(members)?;
    Ok(Draft {
        ts,
        key: payload.key,
        event: payload.event,
        extra: payload.extra,
    })
}

fn not_json(error: serde_json::Error) -> Damage {
    if error.is_eof() {
        return Damage::Torn;
    }
    Damage::NotJson(error.to_string())
}

/// Repeated keys are damage at any level, not only on the line's own.
fn check_nested(members: &RawMembers<'_>) -> Result<(), Damage> {
    for (_, raw) in members {
        let is_nested = raw.starts_with(['{', '[']) && raw.contains('{');
        if is_nested && let Err(error) = Json::parse(raw) {
            return Err(Damage::NotJson(error.to_string()));
        }
    }
    Ok(())
}

fn read_members(mut members: RawMembers<'_>, is_sealed: bool) -> SoundLine<'_> {
    let raw_seq = take(&mut members, "seq");
    let seq = raw_seq.and_then(count);
    let ts = match take(&mut members, "ts") {
        Some(raw) => read_ts(raw),
        None => Err(Misfit::missing("ts", Kind::Time)),
    };
    let content = |ts: Result<Timestamp, Misfit>| {
        let ts = ts?;
        if let (Some(raw), None) = (raw_seq, seq) {
            return Err(Misfit::wrong("seq", raw, Kind::Count));
        }
        let Payload { key, event, extra } = read_payload(members)?;
        Ok(Envelope {
            seq,
            ts,
            key,
            event,
            extra,
        })
    };
    SoundLine {
        seq,
        ts: ts.as_ref().ok().copied(),
        is_sealed,
        content: content(ts),
    }
}

/// What a line says beside its place.
struct Payload<'a> {
    key: Option<Cow<'a, str>>,
    event: Event<'a>,
    extra: ExtraFields<'a>,
}

fn read_payload(mut members: RawMembers<'_>) -> Result<Payload<'_>, Misfit> {
    rename_issue(&mut members);
    let type_name = take_text(&mut members, "type")?;
    let type_name = type_name.ok_or_else(|| Misfit::missing("type", Kind::Text))?;
    let key = take_text(&mut members, "key")?;
    let event = Event::from_members(type_name, &mut members)?;
    Ok(Payload {
        key,
        event,
        extra: ExtraFields(own_values(members)),
    })
}

fn own_values(members: RawMembers<'_>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    members
        .into_iter()
        .map(|(key, raw)| (key, Cow::Borrowed(raw)))
        .collect()
}

/// Gives the first of the names of an issue its usual one; `null` is absent.
fn rename_issue(members: &mut RawMembers<'_>) {
    members.retain(|(key, raw)| key != "issue" || *raw != "null");
    if members.iter().any(|(key, _)| key == "issue") {
        return;
    }
    for alias in ISSUE_ALIASES {
        let mut stated = members.iter_mut().filter(|(_, raw)| *raw != "null");
        if let Some((key, _)) = stated.find(|(key, _)| key == alias) {
            *key = Cow::Borrowed("issue");
            return;
        }
    }
}

/// Takes a member out; `null` is absent.
fn take<'a>(members: &mut RawMembers<'a>, name: &str) -> Option<&'a str> {
    let at = members.iter().position(|(key, _)| key == name)?;
    Some(members.remove(at).1).filter(|raw| *raw != "null")
}

fn take_text<'a>(
    members: &mut RawMembers<'a>,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, Misfit> {
    let Some(raw) = take(members, name) else {
        return Ok(None);
    };
    text(raw)
        .map(Some)
        .ok_or_else(|| Misfit::wrong(name, raw, Kind::Text))
}

fn read_ts(raw: &str) -> Result<Timestamp, Misfit> {
    let wrong = |want| Misfit::wrong_for("ts", raw, want);
    let text = text(raw).ok_or_else(|| wrong(Kind::Time.expectation()))?;
    Timestamp::parse(&text).map_err(|error| match error {
        TimestampError::NoZone => wrong(Cow::Borrowed("a time with a zone: `Z` or an offset")),
        TimestampError::Malformed => wrong(Kind::Time.expectation()),
    })
}

/// Returns the checksum that a line states and the one that its bytes have, or `None` where it
/// does not end as a sealed line does.
fn checksums(line: &[u8]) -> Option<(u32, u32)> {
    let (body, seal) = line.split_at(line.len().checked_sub(SEAL_BYTES)?);
    let digits = seal.strip_prefix(SEAL_PREFIX)?.strip_suffix(SEAL_SUFFIX)?;
    let mut stated = 0;
    for digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        stated = stated << 4 | u32::from(value);
    }
    Some((stated, crc32c::crc32c(body)))
}

/// Returns whether the line ends in a checksum that is right.
pub(crate) fn is_sealed(line: &[u8]) -> bool {
    checksums(line).is_some_and(|(stated, actual)| stated == actual)
}

/// Returns where a whole line of ours begins that stands glued behind a torn one.
///
/// The last place that looks like a start decides: a line of ours holds those bytes at its start
/// only, so an earlier start belongs to a line that was torn.
pub(crate) fn salvage(line: &[u8]) -> Option<usize> {
    let start = memchr::memmem::rfind(line, LINE_START)?;
    (start > 0 && is_sealed(&line[start..])).then_some(start)
}

/// Why an event does not become a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The line would be longer than [`LINE_BYTES_MAX`](crate::LINE_BYTES_MAX).
    #[error(
        "the event is {bytes} bytes long on its line, {LINE_BYTES_MAX} are allowed (shorten its texts)"
    )]
    TooLong {
        /// How long the line would be.
        bytes: usize,
    },
    /// The line would nest deeper than readers accept.
    #[error("the event is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A reader would call the line a misfit.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// What is done to the texts of an event before they reach a line.
#[derive(Clone, Copy, Default)]
pub(crate) struct TextRules<'r> {
    pub(crate) redactor: Option<&'r dyn Redactor>,
    /// Whether long texts are cut, with a mark, where the line would be too long.
    pub(crate) cuts_long_texts: bool,
}

/// The lengths in bytes to which texts are cut, one after the other, until the line fits.
const CUT_LADDER: [usize; 4] = [256 << 10, 32 << 10, 4 << 10, 256];

/// Appends the sealed line of an event to `out`, its LF included.
///
/// # Errors
/// Readers would not take the line; `out` is left as it was.
pub(crate) fn encode_line(
    out: &mut Vec<u8>,
    seq: u64,
    ts: Timestamp,
    draft: &Draft<'_>,
    rules: TextRules<'_>,
) -> Result<(), EncodeError> {
    let start = out.len();
    let mut limits = std::iter::once(usize::MAX).chain(CUT_LADDER);
    loop {
        let limit = limits.next();
        let result = write_line(out, seq, ts, draft, rules.redactor, limit.unwrap_or(0));
        let Err(error) = result else { return Ok(()) };
        out.truncate(start);
        let can_cut = rules.cuts_long_texts && limit != CUT_LADDER.last().copied();
        if !can_cut || !matches!(error, EncodeError::TooLong { .. }) {
            return Err(error);
        }
    }
}

fn write_line(
    out: &mut Vec<u8>,
    seq: u64,
    ts: Timestamp,
    draft: &Draft<'_>,
    redactor: Option<&dyn Redactor>,
    text_bytes_max: usize,
) -> Result<(), EncodeError> {
    let start = out.len();
    let mut line = LineWriter {
        out,
        redactor,
        text_bytes_max,
        is_first: true,
        is_nested: false,
        misfit: None,
    };
    line.raw("{");
    line.required("seq", &seq);
    line.required("ts", &ts);
    line.key("type");
    line.text_as_is(draft.event.type_name());
    line.optional("key", draft.key.as_ref());
    draft.event.write_fields(&mut line);
    line.extra_fields(&draft.event, &draft.extra)?;
    let LineWriter {
        is_nested, misfit, ..
    } = line;
    if let Some(misfit) = misfit {
        return Err(misfit.into());
    }
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(SEAL_PREFIX);
    write!(out, "{crc:08x}").expect("a Vec takes every write");
    out.extend_from_slice(SEAL_SUFFIX);
    let bytes = out.len() - start;
    if bytes > LINE_BYTES_MAX {
        return Err(EncodeError::TooLong { bytes });
    }
    if is_nested && !is_depth_sound(&out[start..]) {
        return Err(EncodeError::TooDeep);
    }
    out.push(b'\n');
    Ok(())
}

/// Writes the JSON of one line.
pub(crate) struct LineWriter<'w> {
    out: &'w mut Vec<u8>,
    redactor: Option<&'w dyn Redactor>,
    /// Longer texts are cut.
    text_bytes_max: usize,
    /// Whether the next key is the first of its object.
    is_first: bool,
    /// Whether anything was written whose depth is not known.
    is_nested: bool,
    /// The first thing that a reader would not take.
    misfit: Option<Misfit>,
}

impl LineWriter<'_> {
    pub(crate) fn required<'a, T: FieldValue<'a>>(&mut self, key: &'static str, value: &T) {
        self.key(key);
        value.write(self);
    }

    pub(crate) fn optional<'a, T: FieldValue<'a>>(&mut self, key: &'static str, value: Option<&T>) {
        if let Some(value) = value {
            self.required(key, value);
        }
    }

    pub(crate) fn key(&mut self, key: &str) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        self.text_as_is(key);
        self.out.push(b':');
    }

    pub(crate) fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn display(&mut self, value: &dyn std::fmt::Display) {
        write!(self.out, "{value}").expect("a Vec takes every write");
    }

    pub(crate) fn count(&mut self, value: u64) {
        if value > COUNT_MAX && self.misfit.is_none() {
            self.misfit = Some(Misfit::wrong("count", &value.to_string(), Kind::Count));
        }
        self.display(&value);
    }

    /// Writes a string that came from outside: redacted, where a redactor is set.
    pub(crate) fn text(&mut self, text: &str) {
        let redacted = match self.redactor {
            Some(redactor) => redactor.redact(text),
            None => Cow::Borrowed(text),
        };
        if redacted.len() <= self.text_bytes_max {
            return self.text_as_is(&redacted);
        }
        let kept = &redacted[..redacted.floor_char_boundary(self.text_bytes_max)];
        self.text_as_is(&format!(
            "{kept}… [{} bytes cut]",
            redacted.len() - kept.len()
        ));
    }

    /// Writes a string that is part of the format.
    pub(crate) fn text_as_is(&mut self, text: &str) {
        let mut serializer = serde_json::Serializer::with_formatter(&mut *self.out, LineFormatter);
        serde::Serializer::serialize_str(&mut serializer, text).expect("a Vec takes every write");
    }

    pub(crate) fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        self.raw("{");
        let at = self.out.len();
        self.is_first = true;
        self.is_nested = true;
        write(self);
        self.is_first = false;
        if self.out[at..].starts_with(&LINE_START[1..]) {
            self.out.insert(at, b' '); // the bytes of `LINE_START` stand at the start of a line only
        }
        self.raw("}");
    }

    pub(crate) fn object<K: AsRef<str>, V>(
        &mut self,
        map: &BTreeMap<K, V>,
        write: impl Fn(&mut Self, &V),
    ) {
        self.nested(|line| {
            for (key, value) in map {
                line.key(key.as_ref());
                write(line, value);
            }
        });
    }

    pub(crate) fn array<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.raw("[");
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]");
    }

    pub(crate) fn json(&mut self, json: &Json) {
        self.is_nested = true;
        match json {
            Json::Null => self.raw("null"),
            Json::Bool(value) => value.write(self),
            Json::Number(literal) => self.raw(literal),
            Json::Text(text) => self.text(text),
            Json::Array(items) => self.array(items, Self::json),
            Json::Object(object) => self.object(object, Self::json),
        }
    }

    fn extra_fields(&mut self, event: &Event<'_>, extra: &ExtraFields<'_>) -> Result<(), Misfit> {
        let event_type = EventType::find(event.type_name());
        for (at, (key, raw)) in extra.0.iter().enumerate() {
            let is_taken = RESERVED_KEYS.contains(&&**key)
                || event_type.is_some_and(|known| known.field(key).is_some())
                || extra.0[..at].iter().any(|(earlier, _)| earlier == key);
            if is_taken {
                return Err(Misfit::Taken(key.to_string()));
            }
            let json = Json::parse(raw)
                .map_err(|_| Misfit::wrong_for("extra", raw, Cow::Borrowed("JSON")))?;
            self.key(key);
            self.json(&json);
        }
        Ok(())
    }
}

/// Escapes, beyond what JSON asks for, the characters that some languages end a line at.
struct LineFormatter;

impl serde_json::ser::Formatter for LineFormatter {
    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['\u{85}', '\u{2028}', '\u{2029}']) {
            let (plain, found) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut found = found.chars();
            if let Some(separator) = found.next() {
                write!(writer, "\\u{:04x}", u32::from(separator))?;
            }
            rest = found.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AgentFinished, NoteAdded, RunStarted, UnknownEvent};
    use crate::field::Llm;
    use crate::json::Object;
    use crate::number::Number;

    fn encode(draft: &Draft<'_>) -> Result<String, EncodeError> {
        let mut out = Vec::new();
        let ts = Timestamp::from_micros_saturating(1_733_236_222_123_456);
        encode_line(&mut out, 12, ts, draft, TextRules::default())?;
        Ok(String::from_utf8(out).expect("lines are UTF-8"))
    }

    fn note(text: &str) -> Draft<'_> {
        NoteAdded {
            text: text.into(),
            issue: None,
            agent: None,
        }
        .into()
    }

    /// Says in short what a line is read as.
    fn read(line: &str) -> String {
        match parse_line(line.as_bytes()) {
            Err(damage) => format!("damage: {damage}"),
            Ok(SoundLine {
                content: Err(misfit),
                ..
            }) => format!("misfit: {misfit}"),
            Ok(SoundLine {
                content: Ok(envelope),
                is_sealed,
                ..
            }) => format!(
                "{} {}{}",
                envelope.event.type_name(),
                if is_sealed { "sealed" } else { "unsealed" },
                envelope
                    .extra
                    .iter()
                    .map(|(key, raw)| format!(" +{key}={raw}"))
                    .collect::<String>()
            ),
        }
    }

    fn check(line: &str, expected: &str) {
        assert_eq!(read(line), expected, "{line}");
    }

    #[test]
    fn a_line_has_its_keys_in_the_order_of_the_format() {
        let event = AgentFinished {
            issue: 123.into(),
            agent: "testing".into(),
            span: None,
            success: true,
            error: None,
        };
        let line = encode(&event.into()).expect("the event fits");
        assert!(line.starts_with(
            r#"{"seq":12,"ts":"2024-12-03T14:30:22.123456Z","type":"agent.finished","issue":123,"agent":"testing","success":true,"crc":""#
        ), "{line}");
        check(line.trim_end(), "agent.finished sealed");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut draft: Draft<'_> = RunStarted {
            project_id: "168".into(),
            llm: Some(Llm {
                provider: Some("deepseek".into()),
                model: None,
                temperature: Number::new("0.0"),
                other: Object::from([("top_p".to_owned(), Json::Number("1.00".to_owned()))]),
            }),
            mode: Some("a\nb \u{2028} \u{85} ü \u{1f600}".into()),
            specific_issue: Some("PROJ-7".into()),
            config: Some(Object::from([("seq".to_owned(), Json::Null)])),
            tags: None,
        }
        .into();
        draft.key = Some("k".into());
        draft.extra.push(
            "later",
            &Json::parse("{\"seq\":[1,{}]}").expect("it is JSON"),
        );
        let line = encode(&draft).expect("the event fits");
        assert_eq!(
            memchr::memmem::find_iter(line.as_bytes(), LINE_START).count(),
            1,
            "{line}"
        );
        assert!(line.is_char_boundary(line.len()) && !line.contains(['\u{2028}', '\u{85}']));
        let sound = parse_line(line.trim_end().as_bytes()).expect("the line is sound");
        let envelope = sound.content.expect("the line fits its type");
        assert_eq!(envelope.event, draft.event);
        assert_eq!(envelope.key, draft.key);
        let extra: Vec<_> = envelope.extra.iter().collect();
        assert_eq!(extra, [("later", "{ \"seq\":[1,{}]}")]);
    }

    #[test]
    fn every_flipped_bit_of_a_sealed_line_is_damage() {
        let line = encode(&note("3 tests failed")).expect("the event fits");
        let line = line.trim_end().as_bytes();
        for bit in 0..line.len() * 8 {
            let mut flipped = line.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let seems_sound = parse_line(&flipped).is_ok_and(|sound| sound.is_sealed);
            assert!(!seems_sound, "bit {bit}");
            if let Ok(sound) = parse_line(&flipped) {
                // A flip in the frame of the checksum leaves a line without one: an extra field.
                assert!(bit / 8 >= line.len() - SEAL_BYTES, "bit {bit}: {sound:?}");
            }
        }
    }

    #[test]
    fn foreign_lines_are_read_whatever_their_key_order() {
        check(
            r#" {"type":"run.scored","success":true,"ts":"2024-12-03T14:30:22+01:00"} "#,
            "run.scored unsealed",
        );
        check(
            r#"{"ts":"2024-12-03T14:30:22Z","type":"x.y","issue":1,"n":{"a":1}}"#,
            "x.y unsealed +issue=1 +n={\"a\":1}",
        );
        check(
            r#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue_iid":1,"issue_id":2}"#,
            "issue.started unsealed +issue_iid=1",
        );
        check(
            r#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":1,"title":null,"key":null,"seq":null}"#,
            "issue.started unsealed",
        );
    }

    #[test]
    fn a_sound_line_that_breaks_its_types_rules_is_a_misfit() {
        let ts = r#""ts":"2024-12-03T14:30:22Z""#;
        check(
            r#"{"type":"run.scored","success":true}"#,
            "misfit: `ts` is missing (want an RFC 3339 time with a zone)",
        );
        check(
            r#"{"type":"run.scored","success":true,"ts":"2024-12-03T14:30:22"}"#,
            "misfit: `ts` is \"2024-12-03T14:30:22\" (want a time with a zone: `Z` or an offset)",
        );
        check(
            &format!("{{{ts},\"success\":true}}"),
            "misfit: `type` is missing (want a string)",
        );
        check(
            &format!("{{{ts},\"type\":\"run.scored\"}}"),
            "misfit: `success` is missing (want true or false)",
        );
        check(
            &format!("{{{ts},\"type\":\"run.scored\",\"success\":1}}"),
            "misfit: `success` is 1 (want true or false)",
        );
        check(
            &format!("{{{ts},\"type\":\"run.finished\",\"status\":\"done\"}}"),
            "misfit: `status` is \"done\" (want one of completed, failed, stopped)",
        );
        for count in ["-1", "1.0", "1e3", "9007199254740992", "\"1\""] {
            let line =
                format!("{{{ts},\"type\":\"tool.called\",\"tool\":\"x\",\"calls\":{count}}}");
            check(
                &line,
                &format!("misfit: `calls` is {count} (want an integer from 0 to 9007199254740991)"),
            );
        }
    }

    #[test]
    fn what_is_not_one_sound_object_is_damage() {
        check(
            "[]",
            "damage: not a JSON object: invalid type: sequence, expected a JSON object at line 1 column 0",
        );
        check(
            r#"{"a":1"#,
            "damage: torn: the write of this line was cut short",
        );
        check(
            r#"{"a":1,"a":1}"#,
            "damage: not a JSON object: the same key twice: `a` at line 1 column 13",
        );
        check(
            r#"{"a":{"b":1,"b":1}}"#,
            "damage: not a JSON object: the same key twice: `b` at line 1 column 13",
        );
        check(
            &format!("{}1", "[".repeat(100_000)),
            "damage: nested deeper than 64 levels",
        );
        check(
            r#"{"a":1,"crc":"00000000"}"#,
            "damage: checksum does not match",
        );
        check(
            r#"{"a":1,"crc":"ABCDEF00"}"#,
            "damage: `crc` is not eight lower-case hex digits at the end of the line",
        );
        assert_eq!(
            parse_line(b"{\"a\":\"\xff\"}").err(),
            Some(Damage::NotUtf8(6))
        );
    }

    #[test]
    fn a_line_glued_behind_a_torn_one_is_found_at_every_cut() {
        let first = encode(&note("torn {\"seq\":1}")).expect("the event fits");
        let second = encode(&note("whole")).expect("the event fits");
        for cut in 1..first.len() {
            let glued = format!("{}{}", &first[..cut], second.trim_end());
            assert_eq!(salvage(glued.as_bytes()), Some(cut), "{glued}");
        }
        assert_eq!(salvage(second.trim_end().as_bytes()), None);
    }

    #[test]
    fn an_event_that_readers_would_not_take_is_refused() {
        let long = "x".repeat(LINE_BYTES_MAX);
        assert!(matches!(
            encode(&note(&long)),
            Err(EncodeError::TooLong { .. })
        ));
        let mut taken = note("x");
        taken.extra.push("issue", &Json::Null);
        assert_eq!(
            encode(&taken),
            Err(EncodeError::Misfit(Misfit::Taken("issue".to_owned())))
        );
        let mut deep: Draft<'_> = UnknownEvent::new("x.y")
            .map(Event::Unknown)
            .expect("unknown")
            .into();
        deep.extra.0.push((
            "a".into(),
            format!("{}{}", "[".repeat(64), "]".repeat(64)).into(),
        ));
        assert_eq!(encode(&deep), Err(EncodeError::TooDeep));
        let count = crate::event::ToolCalled {
            issue: None,
            agent: None,
            tool: "x".into(),
            success: None,
            duration_ms: None,
            error: None,
            calls: Some(COUNT_MAX + 1),
        };
        assert!(matches!(encode(&count.into()), Err(EncodeError::Misfit(_))));
    }

    #[test]
    fn long_texts_are_cut_with_a_mark_where_that_is_wanted() {
        let long = "ü".repeat(LINE_BYTES_MAX);
        let rules = TextRules {
            cuts_long_texts: true,
            ..TextRules::default()
        };
        let mut out = Vec::new();
        encode_line(&mut out, 0, Timestamp::MIN, &note(&long), rules).expect("it is cut");
        let line = String::from_utf8(out).expect("lines are UTF-8");
        assert!(
            line.contains("ü… [1835008 bytes cut]\""),
            "{}",
            &line[line.len() - 80..]
        );
        check(line.trim_end(), "note.added sealed");
    }

    #[test]
    fn a_draft_needs_neither_seq_nor_time() {
        let parse = |text: &str| match parse_draft(text.as_bytes()) {
            Ok(draft) => format!(
                "{} {:?} {:?}",
                draft.event.type_name(),
                draft.ts.map(|ts| ts.to_string()),
                draft.key
            ),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            parse(r#"{"seq":"x","type":"run.scored","success":true,"crc":"no"}"#),
            "run.scored None None"
        );
        assert_eq!(
            parse(r#"{"type":"run.scored","success":true,"ts":"2024-12-03T14:30:22Z","key":"a"}"#),
            "run.scored Some(\"2024-12-03T14:30:22.000000Z\") Some(\"a\")"
        );
        assert_eq!(
            parse(r#"{"success":true}"#),
            "`type` is missing (want a string)"
        );
    }
}
