use crate::civil_date;
use crate::words::leading_digits;
use chrono::DateTime;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A moment in UTC, in whole microseconds since 1970.
///
/// Its text is RFC 3339 with six decimals and `Z`, which is how retally writes it. Only the years
/// 0000 to 9999 can be written, so only they exist.
///
/// ```
/// use retally_log::Timestamp;
///
/// let time: Timestamp = "2024-12-03T15:30:22.5+01:00".parse()?;
/// assert_eq!(time.to_string(), "2024-12-03T14:30:22.500000Z");
/// # Ok::<(), retally_log::TimestampError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// The date and time stand, but not where on earth: the moment is not known.
    #[error("a time without a zone (end it with `Z` or an offset such as `+01:00`)")]
    NoZone,
    /// Not RFC 3339, or not in the years 0000 to 9999.
    #[error("not an RFC 3339 time of the years 0000 to 9999")]
    Malformed,
}

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Writes a number below 100 as two digits; inlined, for `at` is known then.
#[inline(always)]
fn write_pair(buffer: &mut [u8; 27], at: usize, number: u32) {
    buffer[at] = b'0' + (number / 10).to_le_bytes()[0];
    buffer[at + 1] = b'0' + (number % 10).to_le_bytes()[0];
}

impl Timestamp {
    /// The first moment of the year 0000.
    pub const MIN: Self = Self(-62_167_219_200 * MICROS_PER_SECOND);
    /// The last microsecond of the year 9999.
    pub const MAX: Self = Self(253_402_300_800 * MICROS_PER_SECOND - 1);

    /// Returns the moment this many microseconds after 1970 began, brought into the years 0000 to
    /// 9999.
    pub fn from_micros_saturating(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Returns the microseconds since 1970 began.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the moment `micros` later, at most the end of the year 9999.
    pub fn saturating_add_micros(self, micros: i64) -> Self {
        Self::from_micros_saturating(self.0.saturating_add(micros))
    }

    /// Returns the moment as chrono's type.
    pub fn to_datetime(self) -> DateTime<chrono::Utc> {
        DateTime::from_timestamp_micros(self.0).expect("chrono holds the years 0000 to 9999")
    }

    /// Returns the bytes of its text, which are digits and separators.
    #[inline]
    pub(crate) fn text(self) -> [u8; 27] {
        let (year, month, day) = civil_date::date(self.0.div_euclid(MICROS_PER_DAY));
        let micros = self.0.rem_euclid(MICROS_PER_DAY);
        let second = u32::try_from(micros / MICROS_PER_SECOND).unwrap_or(0);
        let micros = u32::try_from(micros % MICROS_PER_SECOND).unwrap_or(0);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        write_pair(&mut text, 0, year / 100);
        write_pair(&mut text, 2, year % 100);
        write_pair(&mut text, 5, month);
        write_pair(&mut text, 8, day);
        write_pair(&mut text, 11, second / 3600);
        write_pair(&mut text, 14, second / 60 % 60);
        write_pair(&mut text, 17, second % 60);
        write_pair(&mut text, 20, micros / 10_000);
        write_pair(&mut text, 22, micros / 100 % 100);
        write_pair(&mut text, 24, micros % 100);
        text
    }

    /// Parses the form in which it is written, or returns `None`.
    ///
    /// Eight bytes are looked at in one word: a digit differs from `0` by its value, and nothing
    /// else by at most 9.
    pub(crate) fn parse_canonical(text: &[u8; 27]) -> Option<Self> {
        let date = Digits::of(text, 0, b"0000-00-");
        let time = Digits::of(text, 8, b"00T00:00");
        let second = Digits::of(text, 16, b":00.0000");
        let fraction = Digits::of(text, 19, b".000000Z");
        let others = date.others | time.others | second.others | fraction.others;
        (others == 0).then_some(())?;
        let year = date.pair(0) * 100 + date.pair(2);
        let day = days(year, date.pair(5), time.pair(0))?;
        let seconds = seconds(day, time.pair(3), time.pair(6), second.pair(1))?;
        let micros = (fraction.pair(1) * 100 + fraction.pair(3)) * 100 + fraction.pair(5);
        Self::in_range(seconds * MICROS_PER_SECOND + micros)
    }

    /// Parses RFC 3339 with any offset. Digits past the microsecond are cut; a leap second
    /// (`:60`) is the first second of the next minute.
    ///
    /// # Errors
    /// The text has no zone, is not RFC 3339, or is not in the years 0000 to 9999 in UTC.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        Self::parse_usual(text.as_bytes()).map_or_else(|| Self::parse_any(text.as_bytes()), Ok)
    }

    /// Parses the form in which it is written, with any zone behind it; `None` of any other.
    fn parse_usual(bytes: &[u8]) -> Option<Self> {
        let (local, zone) = bytes.split_first_chunk::<26>()?;
        let mut text = [b'Z'; 27];
        text[..26].copy_from_slice(local);
        let local = Self::parse_canonical(&text)?;
        Self::in_range(local.0 - parse_offset(zone)? * MICROS_PER_SECOND)
    }

    fn parse_any(bytes: &[u8]) -> Result<Self, TimestampError> {
        let (seconds, rest) = parse_seconds(bytes).ok_or(TimestampError::Malformed)?;
        let (micros, rest) = parse_fraction(rest).ok_or(TimestampError::Malformed)?;
        if rest.is_empty() {
            return Err(TimestampError::NoZone);
        }
        let offset_seconds = parse_offset(rest).ok_or(TimestampError::Malformed)?;
        let total = (seconds - offset_seconds) * MICROS_PER_SECOND + micros;
        Self::in_range(total).ok_or(TimestampError::Malformed)
    }

    fn in_range(micros: i64) -> Option<Self> {
        let is_in_range = (Self::MIN.0..=Self::MAX.0).contains(&micros);
        is_in_range.then_some(Self(micros))
    }
}

/// Written as its text, or where the form is binary as microseconds.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => serializer.serialize_i64(self.0),
        }
    }
}

/// Read in the same two forms.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Cow::<str>::deserialize(deserializer)?;
            return Self::parse(&text).map_err(D::Error::custom);
        }
        i64::deserialize(deserializer).map(Self::from_micros_saturating)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::parse(text)
    }
}

impl From<DateTime<chrono::Utc>> for Timestamp {
    fn from(time: DateTime<chrono::Utc>) -> Self {
        Self::from_micros_saturating(time.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SS` and returns the seconds since 1970 and what follows.
fn parse_seconds(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<19>()?;
    let date = Digits::of(head, 0, b"0000-00-");
    let time = Digits::of(head, 11, b"00:00:00");
    let is_formed = date.others | time.others == 0 && matches!(head[10], b'T' | b't' | b' ');
    is_formed.then_some(())?;
    let year = date.pair(0) * 100 + date.pair(2);
    let day = days(year, date.pair(5), digits(&head[8..10])?)?;
    let seconds = seconds(day, time.pair(0), time.pair(3), time.pair(6))?;
    Some((seconds, rest))
}

/// Returns how many days after 1970 began a date is, or `None` where there is no such date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let [year, month, day] = [year, month, day].map(|number| u32::try_from(number).ok());
    civil_date::days(year?, month?, day?)
}

/// Returns the seconds of a day and a time of day.
fn seconds(day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((day * 24 + hour) * 60 + minute) * 60 + second)
}

/// Reads an optional fraction of a second and returns its microseconds and what follows.
fn parse_fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = bytes.strip_prefix(b".") else {
        return Some((0, bytes));
    };
    let (micros, length) = leading_digits(rest);
    if let 1..=6 = length {
        let scale = 10_i64.pow(u32::try_from(6 - length).ok()?);
        return Some((i64::try_from(micros).ok()? * scale, &rest[length..]));
    }
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some((digits(rest.get(..6)?)?, &rest[length..]))
}

/// Reads `Z` or `±HH:MM` to the end of the text and returns it in seconds.
fn parse_offset(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = digits(&[*h1, *h2])?;
            let minutes = digits(&[*m1, *m2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// Eight bytes of which some have to be digits.
struct Digits {
    /// Of each byte and the one behind it, what they amount to as two digits.
    pairs: u64,
    /// Not 0 where a byte is not as it has to be.
    others: u64,
}

impl Digits {
    /// Reads the bytes from `at` on, which have to be as in `form`, where any digit may stand for
    /// `0`.
    #[inline(always)]
    fn of<const BYTES: usize>(text: &[u8; BYTES], at: usize, form: &[u8; 8]) -> Self {
        const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&text[at..at + 8]);
        let digits = u64::from_le_bytes(bytes) ^ u64::from_le_bytes(*form);
        // What has to be added to the greatest value that may stand to come to 0x7f.
        let to_high = u64::from_le_bytes(form.map(|byte| if byte == b'0' { 0x76 } else { 0x7f }));
        Self {
            pairs: digits.wrapping_mul(10).wrapping_add(digits >> 8),
            others: (((digits & LOW) + to_high) | digits) & !LOW,
        }
    }

    #[inline(always)]
    fn pair(&self, at: usize) -> i64 {
        i64::from(self.pairs.to_le_bytes()[at])
    }
}

/// Returns the value of at most 18 decimal digits.
fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |value: i64, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &str, expected: &str) {
        let actual = match Timestamp::parse(input) {
            Ok(time) => time.to_string(),
            Err(TimestampError::NoZone) => "no zone".to_owned(),
            Err(TimestampError::Malformed) => "malformed".to_owned(),
        };
        assert_eq!(actual, expected, "{input}");
    }

    #[test]
    fn any_rfc_3339_time_becomes_utc_microseconds() {
        check("2024-12-03T14:30:22.123456Z", "2024-12-03T14:30:22.123456Z");
        check("2024-12-03T14:30:22Z", "2024-12-03T14:30:22.000000Z");
        check("2024-12-03t14:30:22.1z", "2024-12-03T14:30:22.100000Z");
        check("2024-12-03 14:30:22+00:00", "2024-12-03T14:30:22.000000Z");
        check("2024-12-03T01:00:00+02:30", "2024-12-02T22:30:00.000000Z");
        check("2024-12-03T23:00:00-02:00", "2024-12-04T01:00:00.000000Z");
        check("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z");
        check("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z");
        check("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_form_in_which_times_are_written_is_read_as_any_form_is(
            micros in Timestamp::MIN.0..=Timestamp::MAX.0,
            changes in prop::collection::vec((0..27_usize, prop_oneof![any::<u8>(), b'0'..=b':']), 0..3),
        ) {
            let time = Timestamp(micros);
            let mut text = <[u8; 27]>::try_from(time.to_string().as_bytes()).expect("27 bytes");
            prop_assert_eq!(Timestamp::parse_canonical(&text), Some(time));
            prop_assert_eq!(Timestamp::parse_usual(&text), Some(time));
            for (at, byte) in changes {
                text[at] = byte;
            }
            if let Some(time) = Timestamp::parse_canonical(&text) {
                let text = std::str::from_utf8(&text).expect("digits and separators");
                prop_assert_eq!(Timestamp::parse_any(text.as_bytes()), Ok(time));
            }
        }

        #[test]
        fn the_usual_form_with_any_zone_is_read_as_any_form_is(
            micros in Timestamp::MIN.0..=Timestamp::MAX.0,
            zone in prop::sample::select(vec!["Z", "z", "+00:00", "-02:30", "+23:59", "", "7Z", "+24:00", " "]),
            changes in prop::collection::vec((0..26_usize, prop_oneof![any::<u8>(), b'0'..=b':']), 0..2),
        ) {
            let mut text = Timestamp(micros).to_string().into_bytes();
            text.truncate(26);
            text.extend(zone.bytes());
            for (at, byte) in changes {
                text[at] = byte;
            }
            if let Some(time) = Timestamp::parse_usual(&text) {
                prop_assert_eq!(Timestamp::parse_any(&text), Ok(time));
            }
        }
    }

    #[test]
    fn digits_past_the_microsecond_are_cut_and_never_rounded() {
        check(
            "2024-12-03T14:30:22.123456999Z",
            "2024-12-03T14:30:22.123456Z",
        );
        check(
            "2024-12-31T23:59:59.99999999999999999999Z",
            "2024-12-31T23:59:59.999999Z",
        );
    }

    #[test]
    fn a_leap_second_is_the_first_second_of_the_next_minute() {
        check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z");
        check("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000Z");
    }

    #[test]
    fn a_time_without_a_zone_is_told_apart_from_nonsense() {
        check("2024-12-03T14:30:22", "no zone");
        check("2024-12-03T14:30:22.5", "no zone");
        for text in [
            "",
            "2024",
            "2024-12-03",
            "2024-13-03T14:30:22Z",
            "2024-02-30T14:30:22Z",
            "2024-12-03T24:30:22Z",
            "2024-12-03T14:60:22Z",
            "2024-12-03T14:30:61Z",
            "2024-12-03T14:30:22.Z",
            "2024-12-03T14:30:22+1:00",
            "2024-12-03T14:30:22+24:00",
            "2024-12-03T14:30:22Zx",
            "2024-12-03T14:30:2٢Z",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
            "+024-12-03T14:30:22Z",
        ] {
            check(text, "malformed");
        }
    }
}
