//! What is found out of eight bytes at once: where a string ends, and what digits amount to.

/// 1 in each byte.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each byte.
const HIGH: u64 = ONES << 7;

/// More digits than this may be more than a count can be.
const COUNT_DIGITS_MAX: usize = 15;

/// Returns the place of the first byte that ends a string or must not stand in it as it is:
/// a quotation mark, a backslash, a control character.
///
/// Inlined as far as most strings reach, which are names.
#[inline(always)]
pub(crate) fn special_byte(bytes: &[u8]) -> Option<usize> {
    let Some((near, far)) = bytes.split_first_chunk::<16>() else {
        return far_special_byte(bytes, 0);
    };
    let (words, _) = near.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let found = special_bytes(*word);
        if found != 0 {
            return Some(8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    far_special_byte(far, near.len())
}

/// Does that for bytes of which the first is the one at `start`.
fn far_special_byte(bytes: &[u8], start: usize) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let found = special_bytes(*word);
        if found != 0 {
            return Some(start + 8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    Some(start + bytes.len() - rest.len() + rest.iter().position(is_special)?)
}

/// Returns a word in which the highest bit is set of the first byte that is looked for, and of none
/// before it.
///
/// A byte less the one that is looked for borrows from its highest bit if it is 0, and a higher
/// byte is misled only by a lower one that was found. What is looked for has no such bit itself.
#[inline(always)]
fn special_bytes(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * u64::from(b' '));
    (quote | backslash | control) & !word & HIGH
}

/// Returns whether there is a backslash; of short texts, without a call.
#[inline]
pub(crate) fn has_backslash(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    if words.len() > 4 {
        return memchr::memchr(b'\\', bytes).is_some();
    }
    let is_in = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\\'));
        word.wrapping_sub(ONES) & !word & HIGH != 0
    };
    words.iter().any(is_in) || rest.contains(&b'\\')
}

/// Returns what the digits at the start of `bytes` amount to, and how many there are: 0 as well
/// where there are more than a count can have.
#[inline(always)]
pub(crate) fn leading_digits(bytes: &[u8]) -> (u64, usize) {
    if let Some(word) = bytes.first_chunk() {
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'0'));
        let others = (((word & !HIGH) + (ONES * 0x76)) | word) & HIGH;
        if others != 0 {
            let bits = others.trailing_zeros() & !7;
            // Zeros take the place of digits in front, and push out what stands behind.
            let digits = (word << 8) << (56 - bits);
            return (eight_digits(digits), bits as usize / 8);
        }
    }
    many_leading_digits(bytes)
}

/// Does the work of [`leading_digits`] digit by digit.
fn many_leading_digits(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (length, byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_digit() {
            return (value, length);
        }
        if length == COUNT_DIGITS_MAX {
            return (0, 0);
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    (value, bytes.len())
}

/// Returns what the digits amount to whose values stand in the bytes of a word.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Property: bytes are found as one by one.
        #[test]
        fn a_special_byte_is_the_first_of_its_kind(
            bytes in prop::collection::vec(prop_oneof![8 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\'), 30 => b'a'..=b'z'], 0..40),
        ) {
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
            prop_assert_eq!(special_byte(&bytes), bytes.iter().position(is_special));
            prop_assert_eq!(has_backslash(&bytes), bytes.contains(&b'\\'));
        }

        /// Property: digits amount to what the standard library reads.
        #[test]
        fn leading_digits_are_read_up_to_the_first_other_byte(
            digits in "[0-9]{0,18}",
            behind in prop::collection::vec(any::<u8>(), 0..10),
        ) {
            let bytes = [digits.as_bytes(), &behind].concat();
            let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let text = std::str::from_utf8(&bytes[..length]).expect("digits");
            let expected = match length {
                ..=COUNT_DIGITS_MAX => (text.parse().unwrap_or(0), length),
                _ => (0, 0),
            };
            prop_assert_eq!(leading_digits(&bytes), expected);
        }
    }
}
