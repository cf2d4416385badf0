//! How an event becomes a line: its keys in the order of the format, sealed by a checksum.

use crate::envelope::{Draft, ExtraFields};
use crate::event::{Event, EventType, Misfit};
use crate::field::{FieldValue, Kind};
use crate::format::{COUNT_MAX, DEPTH_MAX, ISSUE_ALIASES, LINE_BYTES_MAX, RESERVED_KEYS};
use crate::json::{Json, is_depth_sound, repeated_key};
use crate::line::{LINE_START, SEAL_PREFIX, SEAL_SUFFIX, checksum_digits};
use crate::redacted_keys::redact_keys;
use crate::redactor::Redactor;
use crate::timestamp::Timestamp;
use crate::words::special_byte;
use std::borrow::Cow;
use std::collections::BTreeMap;

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

/// Fields whose texts are names: events are paired and told apart by them.
const NAMES: [&str; 2] = ["agent", "span"];

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
    let mut write = |limit| {
        let result = write_line(out, seq, ts, draft, rules.redactor, limit);
        if result.is_err() {
            out.truncate(start);
        }
        result
    };
    let mut result = write(usize::MAX);
    for limit in CUT_LADDER {
        let is_too_long = matches!(result, Err(EncodeError::TooLong { .. }));
        if !(is_too_long && rules.cuts_long_texts) {
            break;
        }
        result = write(limit);
    }
    result
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
        text_bytes_max,
        ..LineWriter::new(out, redactor)
    };
    line.raw("{");
    line.required("seq", &seq);
    line.required("ts", &ts);
    line.known_key("type");
    line.name(draft.event.type_name());
    if let Some(key) = &draft.key {
        line.known_key("key");
        line.name(key);
    }
    draft.event.write_fields(&mut line);
    line.extra_fields(&draft.event, &draft.extra)?;
    let LineWriter {
        is_nested, misfit, ..
    } = line;
    if let Some(misfit) = misfit {
        return Err(misfit.into());
    }
    seal(out, start, is_nested)
}

/// Ends the line that begins at `start` with its checksum and LF.
pub(crate) fn seal(out: &mut Vec<u8>, start: usize, is_nested: bool) -> Result<(), EncodeError> {
    let digits = checksum_digits(&out[start..]);
    out.extend_from_slice(SEAL_PREFIX);
    out.extend_from_slice(&digits);
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
    /// Whether the text that is written is a name.
    is_name: bool,
    /// The first thing that a reader would not take.
    misfit: Option<Misfit>,
}

impl<'w> LineWriter<'w> {
    /// Makes one that cuts nothing.
    pub(crate) fn new(out: &'w mut Vec<u8>, redactor: Option<&'w dyn Redactor>) -> Self {
        Self {
            out,
            redactor,
            text_bytes_max: usize::MAX,
            is_first: true,
            is_nested: false,
            is_name: false,
            misfit: None,
        }
    }

    /// Inlined, as [`optional`](Self::optional) is, so that each key is copied as the constant that
    /// it is.
    #[inline(always)]
    pub(crate) fn required<'a, T: FieldValue<'a>>(&mut self, key: &'static str, value: &T) {
        self.known_key(key);
        self.is_name = NAMES.contains(&key);
        value.write(self);
        self.is_name = false;
    }

    #[inline(always)]
    pub(crate) fn optional<'a, T: FieldValue<'a>>(&mut self, key: &'static str, value: Option<&T>) {
        if let Some(value) = value {
            self.required(key, value);
        }
    }

    /// Notes that a reader would not take the line.
    pub(crate) fn refuse(&mut self, misfit: Misfit) {
        self.misfit.get_or_insert(misfit);
    }

    /// Writes a key of the format, which needs no escapes.
    #[inline(always)]
    fn known_key(&mut self, key: &'static str) {
        debug_assert!(key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_')));
        let start: &[u8] = if self.is_first { b"\"" } else { b",\"" };
        self.is_first = false;
        self.out.reserve(key.len() + 4);
        self.out.extend_from_slice(start);
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Writes a key that came from outside.
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

    pub(crate) fn time(&mut self, time: Timestamp) {
        self.out.push(b'"');
        self.out.extend_from_slice(&time.text());
        self.out.push(b'"');
    }

    pub(crate) fn count(&mut self, value: u64) {
        if value > COUNT_MAX {
            self.refuse(Misfit::wrong("count", &value.to_string(), Kind::Count));
        }
        self.raw(itoa::Buffer::new().format(value));
    }

    /// Writes a string that came from outside: redacted, where a redactor is set.
    pub(crate) fn text(&mut self, text: &str) {
        let redacted = match self.redactor {
            Some(redactor) if self.is_name => redactor.redact_name(text),
            Some(redactor) => redactor.redact(text),
            None => Cow::Borrowed(text),
        };
        self.shortened(&redacted);
    }

    /// Writes the string of an object's member.
    pub(crate) fn member_text(&mut self, key: &str, text: &str) {
        let redacted = match self.redactor {
            Some(redactor) => redactor.redact_member(key, text),
            None => Cow::Borrowed(text),
        };
        self.shortened(&redacted);
    }

    /// Writes a string, cut where it is too long.
    fn shortened(&mut self, text: &str) {
        if text.len() <= self.text_bytes_max {
            return self.text_as_is(text);
        }
        let kept = &text[..text.floor_char_boundary(self.text_bytes_max)];
        self.text_as_is(&format!("{kept}… [{} bytes cut]", text.len() - kept.len()));
    }

    /// Writes a string from outside that tells things apart: it is never cut.
    pub(crate) fn name(&mut self, name: &str) {
        let redacted = match self.redactor {
            Some(redactor) => redactor.redact_name(name),
            None => Cow::Borrowed(name),
        };
        self.text_as_is(&redacted);
    }

    /// Writes a string that is part of the format.
    pub(crate) fn text_as_is(&mut self, text: &str) {
        if text.is_ascii() && special_byte(text.as_bytes()).is_none() {
            self.out.push(b'"');
            self.raw(text);
            self.out.push(b'"');
            return;
        }
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

    /// Writes an object whose keys came from outside. `write` gets each of them as it was.
    pub(crate) fn object<K: AsRef<str>, V>(
        &mut self,
        map: &BTreeMap<K, V>,
        write: impl Fn(&mut Self, &str, &V),
    ) {
        self.nested(|line| line.members(map, |_| false, write));
    }

    /// Writes members whose keys came from outside. None of the keys becomes one for which
    /// `is_taken`.
    pub(crate) fn members<K: AsRef<str>, V>(
        &mut self,
        map: &BTreeMap<K, V>,
        is_taken: impl Fn(&str) -> bool,
        write: impl Fn(&mut Self, &str, &V),
    ) {
        let keys = map.keys().map(AsRef::as_ref);
        let redacted = self
            .redactor
            .and_then(|redactor| redact_keys(redactor, keys, is_taken));
        for (at, (key, value)) in map.iter().enumerate() {
            let key = key.as_ref();
            self.key(redacted.as_ref().map_or(key, |redacted| &redacted[at]));
            write(self, key, value);
        }
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

    /// Writes free JSON that stands under a key.
    pub(crate) fn json(&mut self, key: &str, json: &Json) {
        self.is_nested = true;
        match json {
            Json::Null => self.raw("null"),
            Json::Bool(value) => value.write(self),
            Json::Number(number) => self.raw(number.as_str()),
            Json::Text(text) => self.member_text(key, text),
            Json::Array(items) => self.array(items, |line, item| line.json(key, item)),
            Json::Object(object) => self.object(object, Self::json),
        }
    }

    fn extra_fields(&mut self, event: &Event<'_>, extra: &ExtraFields<'_>) -> Result<(), Misfit> {
        if extra.0.is_empty() {
            return Ok(());
        }
        if let Some(key) = repeated_key(&extra.0) {
            return Err(Misfit::Taken(key.to_owned()));
        }
        let event_type = EventType::find(event.type_name());
        let names_issue = event.issue().is_some() || extra.0.iter().any(|(key, _)| key == "issue");
        let is_field = |key: &str| {
            RESERVED_KEYS.contains(&key)
                || event_type.is_some_and(|known| known.field(key).is_some())
                || (!names_issue && ISSUE_ALIASES.contains(&key))
        };
        if let Some((key, _)) = extra.0.iter().find(|(key, _)| is_field(key)) {
            return Err(Misfit::Taken(key.to_string()));
        }
        let keys = extra.0.iter().map(|(key, _)| &**key);
        let redacted = self
            .redactor
            .and_then(|redactor| redact_keys(redactor, keys, is_field));
        for (at, (key, raw)) in extra.0.iter().enumerate() {
            let json = Json::parse(raw)
                .map_err(|_| Misfit::wrong_for("extra", raw, Cow::Borrowed("JSON")))?;
            self.key(redacted.as_ref().map_or(key, |redacted| &redacted[at]));
            self.json(key, &json);
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
