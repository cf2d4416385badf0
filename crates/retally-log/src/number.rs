use crate::words::leading_digits;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A JSON number, kept as it stood: `0.0` stays `0.0`, and no digit is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number<'a>(Cow<'a, str>);

impl<'a> Number<'a> {
    /// Takes a JSON number literal, or returns `None` where the text is none.
    pub fn new(literal: impl Into<Cow<'a, str>>) -> Option<Self> {
        let literal = literal.into();
        let is_number = literal.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            && !literal.ends_with(|last: char| last.is_ascii_whitespace())
            && serde_json::from_str::<&serde_json::value::RawValue>(&literal).is_ok();
        is_number.then_some(Self(literal))
    }

    /// Returns the literal.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the same number, owning its text.
    pub fn into_owned(self) -> Number<'static> {
        Number(Cow::Owned(self.0.into_owned()))
    }
}

/// Written as it stood; where the form is binary as a string.
impl Serialize for Number<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_str(&self.0);
        }
        let number = RawValue::from_string(self.0.clone().into_owned());
        number.map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Read in its binary form.
impl<'de> Deserialize<'de> for Number<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let literal = String::deserialize(deserializer)?;
        Self::new(literal).ok_or_else(|| D::Error::custom("not a number"))
    }
}

impl TryFrom<f64> for Number<'static> {
    type Error = NumberError;

    /// Takes the shortest literal that reads back as `value`.
    ///
    /// # Errors
    /// `value` is infinite or not a number.
    fn try_from(value: f64) -> Result<Self, NumberError> {
        let number = serde_json::Number::from_f64(value).ok_or(NumberError)?;
        Ok(Self(Cow::Owned(number.to_string())))
    }
}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A value that is no number, or lies outside the range of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number in the range of the type")]
pub struct NumberError;

/// A number from 0 to 1,000,000,000 in steps of 10⁻⁹, exact: money in USD, a percentage.
///
/// Digits past the ninth decimal are rounded half to even.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(u64);

impl Decimal {
    /// The number of steps in one.
    pub const NANOS_PER_UNIT: u64 = 1_000_000_000;
    /// The greatest value, 10⁹.
    pub const MAX: Self = Self(Self::NANOS_PER_UNIT * Self::NANOS_PER_UNIT);

    /// Takes a number of 10⁻⁹ steps, or returns `None` above [`Decimal::MAX`].
    pub fn from_nanos(nanos: u64) -> Option<Self> {
        (nanos <= Self::MAX.0).then_some(Self(nanos))
    }

    /// Returns the number of 10⁻⁹ steps.
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// Takes `whole`.`fraction`, of which the fraction has so many digits, or returns `None` above
    /// [`Decimal::MAX`] and where it has more than nine.
    pub(crate) fn from_parts(whole: u64, fraction: u64, decimals: usize) -> Option<Self> {
        const UNITS: [u64; 10] = [
            1_000_000_000,
            100_000_000,
            10_000_000,
            1_000_000,
            100_000,
            10_000,
            1_000,
            100,
            10,
            1,
        ];
        let fraction = fraction * UNITS.get(decimals)?;
        Self::from_nanos(
            whole
                .checked_mul(Self::NANOS_PER_UNIT)?
                .checked_add(fraction)?,
        )
    }

    /// Parses a JSON number literal, exponent included.
    ///
    /// # Errors
    /// The text is no JSON number, is negative, or is greater than [`Decimal::MAX`].
    pub fn parse(literal: &str) -> Result<Self, NumberError> {
        if let Some(decimal) = Self::parse_plain(literal.as_bytes()) {
            return Ok(decimal);
        }
        Number::new(literal).ok_or(NumberError)?;
        Self::parse_valid(literal).ok_or(NumberError)
    }

    /// Does that for a number of few digits without sign and exponent, as most are.
    fn parse_plain(literal: &[u8]) -> Option<Self> {
        let (whole, length) = leading_digits(literal);
        let is_integer = length == 1 || (length > 1 && literal[0] != b'0');
        is_integer.then_some(())?;
        let [b'.', behind @ ..] = &literal[length..] else {
            return literal[length..]
                .is_empty()
                .then(|| Self::from_parts(whole, 0, 0))?;
        };
        let (fraction, decimals) = leading_digits(behind);
        (decimals > 0 && decimals == behind.len()).then_some(())?;
        Self::from_parts(whole, fraction, decimals)
    }

    /// Does the work of `parse` for a literal that is known to be a JSON number.
    fn parse_valid(literal: &str) -> Option<Self> {
        let (mantissa, exponent) = match literal.find(['e', 'E']) {
            Some(at) => (&literal[..at], parse_exponent(&literal[at + 1..])),
            None => (literal, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_negative = whole.starts_with('-');
        let digits = || {
            whole
                .bytes()
                .chain(fraction.bytes())
                .filter(u8::is_ascii_digit)
        };
        if digits().all(|digit| digit == b'0') {
            return Some(Self(0));
        }
        if is_negative {
            return None;
        }
        // The value is 0.d₁d₂… × 10^point with the digits as they stand.
        let point = i64::try_from(whole.len()).ok()?.saturating_add(exponent);
        let kept = point.saturating_add(9);
        let mut nanos: u64 = 0;
        let (mut first_cut, mut more_cut) = (0, false);
        let mut count = 0;
        for digit in digits() {
            let value = u64::from(digit - b'0');
            if count < kept {
                nanos = nanos.checked_mul(10)?.checked_add(value)?;
            } else if count == kept {
                first_cut = value;
            } else {
                more_cut |= value != 0;
            }
            count += 1;
        }
        if count <= kept && nanos != 0 {
            let missing = u32::try_from(kept - count).ok()?;
            nanos = nanos.checked_mul(10_u64.checked_pow(missing)?)?;
        }
        let round_up = first_cut > 5 || (first_cut == 5 && (more_cut || nanos % 2 == 1));
        Self::from_nanos(nanos + u64::from(round_up))
    }
}

/// Returns the exponent, brought into a range in which it cannot overflow a sum.
fn parse_exponent(text: &str) -> i64 {
    let limit = 1_000_000_000_i64;
    let unsigned = text.trim_start_matches(['+', '-']).trim_start_matches('0');
    let value = if unsigned.is_empty() {
        0
    } else {
        unsigned.parse().unwrap_or(limit).min(limit)
    };
    if text.starts_with('-') { -value } else { value }
}

impl TryFrom<f64> for Decimal {
    type Error = NumberError;

    /// Takes the decimal of the shortest literal that reads back as `value`.
    fn try_from(value: f64) -> Result<Self, NumberError> {
        Self::parse(Number::try_from(value)?.as_str())
    }
}

/// Writes the shortest decimal, without an exponent: `0.0125`, `3`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write_to(&mut [0; DECIMAL_BYTES]))
    }
}

/// The length of the longest text of a decimal: ten digits, a point, nine digits.
pub(crate) const DECIMAL_BYTES: usize = 20;

impl Decimal {
    /// Writes its text into `buffer`, without zeros that say nothing.
    pub(crate) fn write_to(self, buffer: &mut [u8; DECIMAL_BYTES]) -> &str {
        let (whole, mut rest) = (self.0 / Self::NANOS_PER_UNIT, self.0 % Self::NANOS_PER_UNIT);
        let mut digits = itoa::Buffer::new();
        let whole = digits.format(whole).as_bytes();
        buffer[..whole.len()].copy_from_slice(whole);
        let mut length = whole.len();
        if rest > 0 {
            buffer[length] = b'.';
            length += 1;
        }
        let mut unit = Self::NANOS_PER_UNIT / 10;
        while rest > 0 {
            buffer[length] = b'0' + (rest / unit).to_le_bytes()[0];
            length += 1;
            (rest, unit) = (rest % unit, unit / 10);
        }
        std::str::from_utf8(&buffer[..length]).expect("digits and a point are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(literal: &str, expected: &str) {
        let actual = match Decimal::parse(literal) {
            Ok(decimal) => decimal.to_string(),
            Err(NumberError) => "out of range".to_owned(),
        };
        assert_eq!(actual, expected, "{literal}");
    }

    #[test]
    fn a_decimal_reads_every_json_number_exactly() {
        check("0", "0");
        check("-0", "0");
        check("-0.0e5", "0");
        check("1.26719", "1.26719");
        check("12e-3", "0.012");
        check("1.5E+2", "150");
        check("0.000000001", "0.000000001");
        check("1e9", "1000000000");
        check("0.00001e5", "1");
        check("0e999999999999", "0");
        check("1e-999999999999999999999", "0");
        check("123e-10", "0.000000012");
    }

    proptest! {
        /// Property: what is read without a second look is what the general way reads.
        #[test]
        fn a_plain_decimal_is_read_as_any_other(literal in "[0-9]{1,12}(\\.[0-9]{0,12})?x?") {
            if let Some(decimal) = Decimal::parse_plain(literal.as_bytes()) {
                prop_assert!(Number::new(&*literal).is_some());
                prop_assert_eq!(Some(decimal), Decimal::parse_valid(&literal));
            }
        }
    }

    #[test]
    fn digits_past_the_ninth_decimal_are_rounded_half_to_even() {
        check("0.0000000005", "0");
        check("0.0000000015", "0.000000002");
        check("0.0000000025", "0.000000002");
        check("0.00000000250000000000001", "0.000000003");
        check("0.00000000249999999999999", "0.000000002");
        check("5e-10", "0");
        check("6e-10", "0.000000001");
        check("9e-11", "0");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for literal in [
            "-1",
            "1000000000.1",
            "1e10",
            "1e999999999999",
            "",
            "abc",
            "NaN",
            "1 ",
            "\"1\"",
            "01",
        ] {
            check(literal, "out of range");
        }
    }

    #[test]
    fn a_number_keeps_its_literal() {
        assert_eq!(
            Number::new("0.0").map(|n| n.to_string()),
            Some("0.0".to_owned())
        );
        assert_eq!(
            Number::try_from(0.0).map(|n| n.to_string()),
            Ok("0.0".to_owned())
        );
        assert_eq!(Number::try_from(f64::NAN), Err(NumberError));
        assert_eq!(Number::new("[1]"), None);
        assert_eq!(Number::new("1 2"), None);
    }
}
