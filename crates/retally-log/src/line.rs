//! One line of a segment: how it is checked, read and salvaged.

use crate::canonical_line;
use crate::envelope::{Draft, Envelope, ExtraFields};
use crate::event::{Event, Misfit, RawMembers, shortened};
use crate::field::{Kind, count, text};
use crate::flat_object;
use crate::format::{DEPTH_MAX, ISSUE_ALIASES, LINE_BYTES_MAX};
use crate::json::{Json, Members, is_depth_sound};
use crate::timestamp::{Timestamp, TimestampError};
use std::borrow::Cow;

/// What stands between the sealed bytes of a line and its checksum.
pub(crate) const SEAL_PREFIX: &[u8] = b",\"crc\":\"";
/// What ends a sealed line.
pub(crate) const SEAL_SUFFIX: &[u8] = b"\"}";
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
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SoundLine<'a> {
    pub(crate) seq: Option<u64>,
    /// `None` where the line states no valid time.
    pub(crate) ts: Option<Timestamp>,
    /// Whether the line bears a checksum, which then is right.
    pub(crate) is_sealed: bool,
    pub(crate) content: Result<Envelope<'a>, Misfit>,
}

impl Default for SoundLine<'_> {
    /// Makes a line that says nothing, to be read into.
    #[inline]
    fn default() -> Self {
        Self {
            seq: None,
            ts: None,
            is_sealed: false,
            content: Err(Misfit::Missing {
                field: "type",
                want: Cow::Borrowed("a string"),
            }),
        }
    }
}

/// Reads a line, its LF not included.
pub(crate) fn parse_line(line: &[u8]) -> Result<SoundLine<'_>, Damage> {
    let mut sound = SoundLine::default();
    parse_line_into(line, &mut sound)?;
    Ok(sound)
}

/// Does that into a place that is there already, for a line is some hundred bytes to move. What
/// stands there after an error means nothing.
pub(crate) fn parse_line_into<'a>(line: &'a [u8], sound: &mut SoundLine<'a>) -> Result<(), Damage> {
    let is_sealed = check_seal(line)?;
    if !is_sealed || read_canonical(line, sound).is_none() {
        *sound = parse_json(line, is_sealed)?;
    }
    Ok(())
}

/// Does that for a line of many that were found to be UTF-8 at once.
pub(crate) fn parse_text_into<'a>(line: &'a str, sound: &mut SoundLine<'a>) -> Result<(), Damage> {
    let is_sealed = check_seal(line.as_bytes())?;
    if !is_sealed || canonical_line::read(line, SEAL_BYTES, sound).is_none() {
        *sound = parse_json(line.as_bytes(), is_sealed)?;
    }
    Ok(())
}

/// Returns whether a line bears a checksum, which then is right.
fn check_seal(line: &[u8]) -> Result<bool, Damage> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Damage::TooLong);
    }
    match Seal::of(line) {
        Seal::Right => Ok(true),
        Seal::Wrong => Err(Damage::Checksum),
        Seal::Absent => Ok(false),
    }
}

/// Reads a sealed line in the form in which retally writes it, or returns `None`.
pub(crate) fn read_canonical<'a>(line: &'a [u8], sound: &mut SoundLine<'a>) -> Option<()> {
    canonical_line::read(simdutf8::basic::from_utf8(line).ok()?, SEAL_BYTES, sound)
}

/// Reads any line.
pub(crate) fn parse_json(line: &[u8], is_sealed: bool) -> Result<SoundLine<'_>, Damage> {
    let mut members = parse_members(line)?;
    if is_sealed {
        members.pop();
    }
    if members.iter().any(|(key, _)| key == "crc") {
        return Err(Damage::MalformedChecksum);
    }
    check_nested(&members)?;
    Ok(read_members(members, is_sealed))
}

/// Reads the members of a line's object.
fn parse_members(line: &[u8]) -> Result<RawMembers<'_>, Damage> {
    let flat = simdutf8::basic::from_utf8(line).ok();
    if let Some(members) = flat.and_then(flat_object::members) {
        return Ok(members);
    }
    if !is_depth_sound(line) {
        return Err(Damage::TooDeep);
    }
    let json = std::str::from_utf8(line).map_err(|error| Damage::NotUtf8(error.valid_up_to()))?;
    let members = serde_json::from_str::<Members<'_>>(json);
    Ok(members.map_err(not_json)?.0)
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
    let draft = std::str::from_utf8(text)
        .ok()
        .and_then(canonical_line::read_draft);
    draft.map_or_else(|| parse_json_draft(text), Ok)
}

/// Reads an event to append as JSON, whatever its form.
pub(crate) fn parse_json_draft(text: &[u8]) -> Result<Draft<'_>, DraftError> {
    let mut members = parse_members(text)?;
    check_nested(&members)?;
    members.retain(|(key, _)| key != "crc");
    let head = Head::take(&mut members);
    let ts = head.ts.map(read_ts).transpose()?;
    let payload = read_payload(&head, members)?;
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
    not_json_because(&error.to_string())
}

/// The reason may quote the line.
fn not_json_because(reason: &str) -> Damage {
    Damage::NotJson(shortened(reason, 200))
}

/// Repeated keys are damage at any level, not only on the line's own.
fn check_nested(members: &RawMembers<'_>) -> Result<(), Damage> {
    for (_, raw) in members {
        let is_nested = raw.starts_with(['{', '[']) && raw.contains('{');
        if is_nested && let Err(error) = Json::parse(raw) {
            return Err(not_json_because(&error.to_string()));
        }
    }
    Ok(())
}

fn read_members(mut members: RawMembers<'_>, is_sealed: bool) -> SoundLine<'_> {
    let head = Head::take(&mut members);
    let seq = head.seq.and_then(count);
    let ts = match head.ts {
        Some(raw) => read_ts(raw),
        None => Err(Misfit::missing("ts", Kind::Time)),
    };
    let content = |ts: Result<Timestamp, Misfit>| {
        let ts = ts?;
        if let (Some(raw), None) = (head.seq, seq) {
            return Err(Misfit::wrong("seq", raw, Kind::Count));
        }
        let Payload { key, event, extra } = read_payload(&head, members)?;
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

/// The members that a line of any type may have, as they stand; `null` is absent.
#[derive(Default)]
struct Head<'a> {
    seq: Option<&'a str>,
    ts: Option<&'a str>,
    type_name: Option<&'a str>,
    key: Option<&'a str>,
    has_issue: bool,
}

impl<'a> Head<'a> {
    /// Takes them out, and an issue that is `null`.
    fn take(members: &mut RawMembers<'a>) -> Self {
        let mut head = Self::default();
        members.retain(|(key, raw)| {
            let stated = Some(*raw).filter(|raw| *raw != "null");
            match &**key {
                "seq" => head.seq = stated,
                "ts" => head.ts = stated,
                "type" => head.type_name = stated,
                "key" => head.key = stated,
                "issue" => {
                    head.has_issue = stated.is_some();
                    return head.has_issue;
                }
                _ => return true,
            }
            false
        });
        head
    }
}

/// What a line says beside its place.
struct Payload<'a> {
    key: Option<Cow<'a, str>>,
    event: Event<'a>,
    extra: ExtraFields<'a>,
}

fn read_payload<'a>(head: &Head<'a>, mut members: RawMembers<'a>) -> Result<Payload<'a>, Misfit> {
    if !head.has_issue {
        rename_issue(&mut members);
    }
    let type_name = read_text("type", head.type_name)?;
    let type_name = type_name.ok_or_else(|| Misfit::missing("type", Kind::Text))?;
    let key = read_text("key", head.key)?;
    let event = Event::from_members(type_name, &mut members)?;
    Ok(Payload {
        key,
        event,
        extra: ExtraFields(own_values(members)),
    })
}

fn own_values(members: RawMembers<'_>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    if members.is_empty() {
        return Vec::new();
    }
    members
        .into_iter()
        .map(|(key, raw)| (key, Cow::Borrowed(raw)))
        .collect()
}

/// Gives the first of the other names of an issue its usual one; `null` is absent.
fn rename_issue(members: &mut RawMembers<'_>) {
    for alias in ISSUE_ALIASES {
        let mut stated = members.iter_mut().filter(|(_, raw)| *raw != "null");
        if let Some((key, _)) = stated.find(|(key, _)| key == alias) {
            *key = Cow::Borrowed("issue");
            return;
        }
    }
}

fn read_text<'a>(
    name: &'static str,
    stated: Option<&'a str>,
) -> Result<Option<Cow<'a, str>>, Misfit> {
    let Some(raw) = stated else {
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

/// What the end of a line says of its bytes.
enum Seal {
    /// The line does not end as a sealed line does.
    Absent,
    /// The checksum is that of the bytes.
    Right,
    Wrong,
}

impl Seal {
    fn of(line: &[u8]) -> Self {
        let Some((body, seal)) = line
            .len()
            .checked_sub(SEAL_BYTES)
            .map(|at| line.split_at(at))
        else {
            return Self::Absent;
        };
        let digits = seal
            .strip_prefix(SEAL_PREFIX)
            .and_then(|rest| rest.strip_suffix(SEAL_SUFFIX));
        let Some(digits) = digits else {
            return Self::Absent;
        };
        // To write the digits that it should have is quicker than to read those that it has.
        if digits == checksum_digits(body) {
            return Self::Right;
        }
        match digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        {
            true => Self::Wrong,
            false => Self::Absent,
        }
    }
}

/// Returns the checksum of bytes as it stands on a line.
pub(crate) fn checksum_digits(bytes: &[u8]) -> [u8; CRC_DIGITS] {
    let crc = u64::from(crc32c::crc32c(bytes));
    // One hex digit a byte, the highest first, and all eight made letters or figures at once.
    let halves = ((crc & 0xffff_0000) << 16) | (crc & 0xffff);
    let pairs = ((halves & 0x0000_ff00_0000_ff00) << 8) | (halves & 0x0000_00ff_0000_00ff);
    let digits = ((pairs & 0x00f0_00f0_00f0_00f0) << 4) | (pairs & 0x000f_000f_000f_000f);
    let is_letter = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let to_letter = u64::from(b'a' - b'0' - 10);
    (digits + 0x3030_3030_3030_3030 + is_letter * to_letter).to_be_bytes()
}

/// Returns whether the line ends in a checksum that is right.
pub(crate) fn is_sealed(line: &[u8]) -> bool {
    matches!(Seal::of(line), Seal::Right)
}

/// Returns where a whole line of ours begins that stands glued behind a torn one.
///
/// The last place that looks like a start decides: a line of ours holds those bytes at its start
/// only, so an earlier start belongs to a line that was torn.
pub(crate) fn salvage(bytes: &[u8]) -> Option<usize> {
    let start = memchr::memmem::rfind(bytes, LINE_START)?;
    is_sealed(&bytes[start..]).then_some(start)
}

#[cfg(test)]
mod tests;
