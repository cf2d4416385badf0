//! The quantities that reports print, and the one place where numbers are rounded.
//!
//! Each is kept as an exact integer or a ratio of integers, and rounded half to even when it is
//! printed: the shortest decimal, with at least one digit behind the point. No float is involved.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;

/// A length of time, printed in seconds with at most three decimals: `1847.3`, `0.0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds {
    micros: u128,
}

impl Seconds {
    /// Takes a number of microseconds.
    pub fn from_micros(micros: u128) -> Self {
        Self { micros }
    }

    /// Takes a number of milliseconds.
    pub fn from_millis(millis: u128) -> Self {
        Self {
            micros: millis.saturating_mul(1000),
        }
    }

    /// Returns the number of microseconds.
    pub fn as_micros(self) -> u128 {
        self.micros
    }

    fn printed(self) -> Decimal {
        Decimal {
            scaled: round_half_even(self.micros, 1000),
            places: 3,
        }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.printed().fmt(f)
    }
}

/// A share of a whole, printed in percent with at most two decimals: `66.67`, `100.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Percent {
    numerator: u128,
    /// Never 0.
    denominator: u128,
}

impl Percent {
    /// Takes the share `numerator` of `denominator`, or returns `None` where the whole is 0:
    /// nothing was counted.
    pub fn new(numerator: u128, denominator: u128) -> Option<Self> {
        (denominator != 0).then_some(Self {
            numerator,
            denominator,
        })
    }

    /// Returns the part of the whole.
    pub fn numerator(self) -> u128 {
        self.numerator
    }

    /// Returns the whole, which is not 0.
    pub fn denominator(self) -> u128 {
        self.denominator
    }

    fn printed(self) -> Decimal {
        let part = self.numerator.saturating_mul(100 * 100);
        Decimal {
            scaled: round_half_even(part, self.denominator),
            places: 2,
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.printed().fmt(f)
    }
}

/// An amount of money, printed in USD with at most six decimals: `0.0125`, `3.0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd {
    nanos: u128,
}

impl Usd {
    /// Takes a number of nano-dollars (10⁻⁹ USD).
    pub fn from_nanos(nanos: u128) -> Self {
        Self { nanos }
    }

    /// Returns the number of nano-dollars.
    pub fn as_nanos(self) -> u128 {
        self.nanos
    }

    fn printed(self) -> Decimal {
        Decimal {
            scaled: round_half_even(self.nanos, 1000),
            places: 6,
        }
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.printed().fmt(f)
    }
}

macro_rules! serialize_as_printed {
    ($($Quantity:ident($($part:ident),*);)*) => {
        $(
            /// Writes the decimal as it is printed, which needs `serde_json` as the serializer;
            /// where the form is binary, all of it.
            impl Serialize for $Quantity {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    if !serializer.is_human_readable() {
                        return ($(self.$part,)*).serialize(serializer);
                    }
                    self.printed().serialize(serializer)
                }
            }

            /// Read in its binary form.
            impl<'de> Deserialize<'de> for $Quantity {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let ($($part,)*) = Deserialize::deserialize(deserializer)?;
                    Ok(Self { $($part),* })
                }
            }
        )*
    };
}

serialize_as_printed! {
    Seconds(micros);
    Percent(numerator, denominator);
    Usd(nanos);
}

/// Divides and rounds to the nearest integer, a half to the even one. `denominator` is not 0.
pub(crate) fn round_half_even(numerator: u128, denominator: u128) -> u128 {
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    // Compares twice the remainder with the denominator, without doubling what may be large.
    let rest = denominator - remainder;
    let rounds_up = remainder > rest || (remainder == rest && quotient % 2 == 1);
    quotient + u128::from(rounds_up)
}

/// `scaled` / 10^`places`, printed with as few decimals as it needs, but at least one.
#[derive(Clone, Copy)]
struct Decimal {
    scaled: u128,
    /// At most 9.
    places: u32,
}

/// As many as the longest decimal takes: the digits of a `u128`, a point, and a 0 before it.
const DECIMAL_BYTES: usize = 41;

impl Decimal {
    /// Writes its text to the end of `buffer`, from the last digit on.
    fn write(self, buffer: &mut [u8; DECIMAL_BYTES]) -> &str {
        let unit = 10_u128.pow(self.places);
        let (mut whole, rest) = (self.scaled / unit, self.scaled % unit);
        let mut rest = u64::try_from(rest).unwrap_or(0);
        let mut at = buffer.len();
        let mut push = |byte: u8| {
            at -= 1;
            buffer[at] = byte;
        };
        let digit = |number: u64| b'0' + (number % 10).to_le_bytes()[0];
        let mut is_kept = false;
        for place in (0..self.places).rev() {
            is_kept |= rest % 10 != 0 || place == 0;
            if is_kept {
                push(digit(rest));
            }
            rest /= 10;
        }
        push(b'.');
        loop {
            // Most fit into the word of the machine, which divides it many times as fast.
            if let Ok(mut small) = u64::try_from(whole) {
                push(digit(small));
                while small >= 10 {
                    small /= 10;
                    push(digit(small));
                }
                break;
            }
            push(digit(u64::try_from(whole % 10).unwrap_or(0)));
            whole /= 10;
        }
        std::str::from_utf8(&buffer[at..]).expect("digits and a point are ASCII")
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.write(&mut [0; DECIMAL_BYTES]))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = [0; DECIMAL_BYTES];
        let number = serde_json::from_str::<&RawValue>(self.write(&mut buffer));
        number.map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_quantity_is_written_to_json_as_it_is_printed(
            digits in any::<u128>(),
            shift in 0..128_u32,
            denominator in 1..1_000_u128,
        ) {
            let number = digits >> shift;
            let decimal = Decimal { scaled: number, places: 6 };
            let digits = format!("{number:0>7}");
            let (whole, fraction) = digits.split_at(digits.len() - 6);
            let exact = format!("{whole}.{fraction}");
            let expected = exact.trim_end_matches('0');
            let zero = if expected.ends_with('.') { "0" } else { "" };
            prop_assert_eq!(decimal.to_string(), format!("{expected}{zero}"));
            let percent = Percent::new(number % (denominator + 1), denominator).expect("a whole");
            let (seconds, usd) = (Seconds::from_micros(number), Usd::from_nanos(number));
            let written = serde_json::to_string(&(seconds, usd, percent)).expect("numbers");
            prop_assert_eq!(written, format!("[{seconds},{usd},{percent}]"));
        }
    }

    #[test]
    fn seconds_have_three_decimals_rounded_half_to_even() {
        for (micros, expected) in [
            (0, "0.0"),
            (1_847_300_000, "1847.3"),
            (1_000_000, "1.0"),
            (499, "0.0"),
            (500, "0.0"),
            (501, "0.001"),
            (1_500, "0.002"),
            (2_500, "0.002"),
            (2_501, "0.003"),
            (12_345_678, "12.346"),
            (999_999_500, "1000.0"),
        ] {
            assert_eq!(
                Seconds::from_micros(micros).to_string(),
                expected,
                "{micros}"
            );
        }
    }

    #[test]
    fn percent_has_two_decimals_rounded_half_to_even() {
        for (numerator, denominator, expected) in [
            (2, 3, "66.67"),
            (1, 3, "33.33"),
            (1, 1, "100.0"),
            (0, 7, "0.0"),
            (1, 8, "12.5"),
            (1, 20_000, "0.0"),
            (3, 20_000, "0.02"),
            (5, 20_000, "0.02"),
            (7, 20_000, "0.04"),
        ] {
            let percent = Percent::new(numerator, denominator).expect("a whole");
            assert_eq!(percent.to_string(), expected, "{numerator}/{denominator}");
        }
        assert_eq!(Percent::new(0, 0), None);
    }

    #[test]
    fn usd_has_six_decimals_rounded_half_to_even() {
        for (nanos, expected) in [
            (0, "0.0"),
            (12_500_000, "0.0125"),
            (3_000_000_000, "3.0"),
            (500, "0.0"),
            (1_500, "0.000002"),
            (2_500, "0.000002"),
            (u128::from(u64::MAX), "18446744073.709552"),
        ] {
            assert_eq!(Usd::from_nanos(nanos).to_string(), expected, "{nanos}");
        }
    }

    #[test]
    fn the_largest_numbers_are_rounded_too() {
        assert_eq!(round_half_even(u128::MAX, 1), u128::MAX);
        assert_eq!(round_half_even(u128::MAX, u128::MAX), 1);
        assert_eq!(round_half_even(u128::MAX / 2, u128::MAX), 0);
    }

    #[test]
    fn a_quantity_is_a_json_number() {
        let printed = serde_json::to_string(&(Seconds::from_millis(1500), Percent::new(1, 2)));
        assert_eq!(printed.expect("numbers"), "[1.5,50.0]");
    }
}
