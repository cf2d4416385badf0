use crate::words::leading_digits;
use chrono::{DateTime, Datelike, Timelike};
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

/// What [`days`] has to take off for 1970-01-01 to be 0.
const DAYS_TO_1970: i64 = 719_625;

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

    /// Writes its text into `buffer`.
    pub(crate) fn write_to(self, buffer: &mut [u8; 27]) -> &str {
        let time = self.to_datetime();
        let micros = u32::try_from(self.0.rem_euclid(MICROS_PER_SECOND)).unwrap_or(0);
        let year = u32::try_from(time.year()).unwrap_or(0);
        *buffer = *b"0000-00-00T00:00:00.000000Z";
        for (at, number) in [
            (0, year / 100),
            (2, year % 100),
            (5, time.month()),
            (8, time.day()),
            (11, time.hour()),
            (14, time.minute()),
            (17, time.second()),
            (20, micros / 10_000),
            (22, micros / 100 % 100),
            (24, micros % 100),
        ] {
            for (digit, byte) in [number / 10, number % 10]
                .into_iter()
                .zip(&mut buffer[at..])
            {
                *byte += digit.to_le_bytes()[0];
            }
        }
        std::str::from_utf8(buffer).expect("digits and separators are ASCII")
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
        let total = seconds * MICROS_PER_SECOND + micros;
        // A leap second may be the first second of a year that is none.
        (total <= Self::MAX.0).then_some(Self(total))
    }

    /// Parses RFC 3339 with any offset. Digits past the microsecond are cut; a leap second
    /// (`:60`) is the first second of the next minute.
    ///
    /// # Errors
    /// The text has no zone, is not RFC 3339, or is not in the years 0000 to 9999 in UTC.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let bytes = text.as_bytes();
        let (seconds, rest) = parse_seconds(bytes).ok_or(TimestampError::Malformed)?;
        let (micros, rest) = parse_fraction(rest).ok_or(TimestampError::Malformed)?;
        if rest.is_empty() {
            return Err(TimestampError::NoZone);
        }
        let offset_seconds = parse_offset(rest).ok_or(TimestampError::Malformed)?;
        let total = (seconds - offset_seconds) * MICROS_PER_SECOND + micros;
        if (Self::MIN.0..=Self::MAX.0).contains(&total) {
            Ok(Self(total))
        } else {
            Err(TimestampError::Malformed)
        }
    }
}

/// Written as its text, or where the form is binary as microseconds.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(self.write_to(&mut [0; 27])),
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
        f.write_str(self.write_to(&mut [0; 27]))
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

/// Returns how many days after 1970-01-01 a day of the years 0 to 9999 is, or `None` where there is
/// no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    /// Of a year that is none of a leap, by the month from 0 on: how many days are before it.
    const BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    let month = usize::try_from(month - 1).ok()?;
    let (before, behind) = (BEFORE.get(month)?, BEFORE.get(month + 1)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let leap_day = i64::from(is_leap && month == 1);
    if !(1..=behind - before + leap_day).contains(&day) {
        return None;
    }
    // Years have 365 days, and those before this one as many more as leap days.
    let years = year + 399;
    let leaps = years / 4 - years / 100 + years / 400;
    let this_leap = i64::from(is_leap && month > 1);
    Some(year * 365 + leaps + before + this_leap + day - DAYS_TO_1970)
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
    use chrono::NaiveDate;
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
            for (at, byte) in changes {
                text[at] = byte;
            }
            if let Some(time) = Timestamp::parse_canonical(&text) {
                let text = std::str::from_utf8(&text).expect("digits and separators");
                prop_assert_eq!(Timestamp::parse(text), Ok(time));
            }
        }
    }

    #[test]
    fn the_days_of_all_years_are_those_of_chrono() {
        for year in 0..=9999 {
            for (month, day) in
                (0..=13).flat_map(|month| [0, 1, 28, 29, 30, 31, 32].map(|day| (month, day)))
            {
                let date = u32::try_from(month).ok().zip(u32::try_from(day).ok());
                let date = date.and_then(|(month, day)| NaiveDate::from_ymd_opt(year, month, day));
                let expected = date.map(|date| i64::from(date.num_days_from_ce()) - 719_163);
                assert_eq!(
                    days(year.into(), month, day),
                    expected,
                    "{year}-{month}-{day}"
                );
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
