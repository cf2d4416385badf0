//! Reads lines in the one form in which retally writes them, several times as fast as any JSON
//! parser: keys in their order, no white space, no escapes.
//!
//! A line is read whole here or not at all; what is not, [`parse_line`](crate::line::parse_line)
//! reads as JSON. Whatever is read here it would read the same.

use crate::envelope::{Draft, Envelope, ExtraFields};
use crate::event::Event;
use crate::field::FieldValue;
use crate::line::SoundLine;
use crate::timestamp::Timestamp;
use std::borrow::Cow;

/// How long a time is that retally writes.
const TIME_BYTES: usize = "2024-12-03T14:30:22.123456Z".len();

/// More digits than this may be more than a count can be.
const COUNT_DIGITS_MAX: usize = 15;

/// Reads what stands in front of the checksum of a sealed line, or returns `None` where that is
/// not in the canonical form, or holds what is read as JSON only.
#[inline]
pub(crate) fn read(body: &str) -> Option<SoundLine<'_>> {
    let mut values = Values::new(body);
    values.skip("{\"seq\":")?;
    let seq = values.count()?;
    values.skip(",\"ts\":\"")?;
    let ts = values.time()?;
    values.skip("\",\"type\":")?;
    let type_name = values.text()?;
    let key = values.optional::<Cow<'_, str>>(",\"key\":")?;
    let event = Event::from_canonical(type_name, &mut values)?;
    values.rest.is_empty().then_some(())?;
    let (seq, extra) = (Some(seq), ExtraFields::default());
    Some(SoundLine {
        seq,
        ts: Some(ts),
        is_sealed: true,
        content: Ok(Envelope {
            seq,
            ts,
            key,
            event,
            extra,
        }),
    })
}

/// Reads an event to append whose keys stand in that order too, without number and checksum, or
/// returns `None` where it has to be read as JSON.
pub(crate) fn read_draft(text: &str) -> Option<Draft<'_>> {
    let mut values = Values::new(text);
    values.skip("{\"type\":")?;
    let type_name = values.text()?;
    let ts = match values.skip(",\"ts\":\"") {
        Some(()) => {
            let ts = values.time()?;
            values.skip("\"")?;
            Some(ts)
        }
        None => None,
    };
    let key = values.optional::<Cow<'_, str>>(",\"key\":")?;
    let event = Event::from_canonical(type_name, &mut values)?;
    (values.rest == b"}").then_some(Draft {
        ts,
        key,
        event,
        extra: ExtraFields::default(),
    })
}

/// The values of a line, read one after the other. Each method returns `None` where something
/// else stands there, or not in its canonical form.
///
/// The short ones are inlined, so that each key is compared as the constant that it is.
pub(crate) struct Values<'a> {
    body: &'a str,
    /// The end of the body that is not read yet.
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    fn new(body: &'a str) -> Self {
        let rest = body.as_bytes();
        Self { body, rest }
    }

    /// Passes over a text that is expected.
    #[inline(always)]
    pub(crate) fn skip(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected.as_bytes())?;
        Some(())
    }

    /// Reads the value behind a key that must be there.
    #[inline(always)]
    pub(crate) fn required<T: FieldValue<'a>>(&mut self, key: &str) -> Option<T> {
        self.skip(key)?;
        T::read(self)
    }

    /// Reads the value behind a key that may be there.
    #[inline(always)]
    pub(crate) fn optional<T: FieldValue<'a>>(&mut self, key: &str) -> Option<Option<T>> {
        match self.skip(key) {
            Some(()) => T::read(self).map(Some),
            None => Some(None),
        }
    }

    /// Reads a string without escapes.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let inner = self.rest.strip_prefix(b"\"")?;
        let length = special_byte(inner)?;
        let start = self.body.len() - inner.len();
        self.rest = inner[length..].strip_prefix(b"\"")?;
        self.body.get(start..start + length)
    }

    /// Reads a time in the form in which it is written.
    fn time(&mut self) -> Option<Timestamp> {
        let (time, rest) = self.rest.split_first_chunk::<TIME_BYTES>()?;
        self.rest = rest;
        Timestamp::parse_canonical(time)
    }

    /// Reads an integer without sign.
    pub(crate) fn count(&mut self) -> Option<u64> {
        let mut value = 0;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = self.rest.get(length) {
            value = value * 10 + u64::from(digit - b'0');
            length += 1;
            if length > COUNT_DIGITS_MAX {
                return None;
            }
        }
        self.pass_integer(length)?;
        Some(value)
    }

    /// Reads the text of an integer without sign, however long.
    pub(crate) fn integer(&mut self) -> Option<&'a str> {
        let start = self.body.len() - self.rest.len();
        let length = self.digits();
        self.pass_integer(length)?;
        self.body.get(start..start + length)
    }

    /// Reads the text of a number without sign and exponent.
    pub(crate) fn decimal(&mut self) -> Option<&'a str> {
        let start = self.body.len() - self.rest.len();
        let whole = self.digits();
        self.pass_integer(whole)?;
        if self.skip(".").is_some() {
            let fraction = self.digits();
            self.rest = &self.rest[fraction..];
            (fraction > 0).then_some(())?;
        }
        self.body.get(start..self.body.len() - self.rest.len())
    }

    /// Reads `true` or `false`.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.skip("true") {
            Some(()) => Some(true),
            None => self.skip("false").map(|()| false),
        }
    }

    /// Returns how many digits stand here.
    fn digits(&self) -> usize {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit());
        digits.count()
    }

    /// Passes over so many digits, if they are an integer in its one form.
    fn pass_integer(&mut self, digits: usize) -> Option<()> {
        let (integer, rest) = self.rest.split_at(digits);
        self.rest = rest;
        matches!(integer, [_] | [b'1'..=b'9', ..]).then_some(())
    }
}

/// Returns the place of the first byte that ends a string or must not stand in it as it is:
/// a quotation mark, a backslash, a control character.
///
/// Eight bytes are looked at in one word: a byte less the one that is looked for borrows from its
/// highest bit if it is 0, and a higher byte is misled only by a lower one that was found.
pub(crate) fn special_byte(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * u64::from(b' ')) & !word;
        let found = (quote | backslash | control) & HIGH;
        if found != 0 {
            let before = bytes.len() - rest.len();
            return Some(before + found.trailing_zeros() as usize / 8);
        }
        rest = behind;
    }
    let at = rest.iter().position(is_special)?;
    Some(bytes.len() - rest.len() + at)
}

#[cfg(test)]
mod tests {
    use crate::event::EventType;
    use crate::field::Kind;
    use crate::line::{parse_json, parse_json_draft, read_canonical};
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// Picks texts by numbers that proptest makes up, and shrinks.
    struct Picks<'p>(std::slice::Iter<'p, Index>);

    impl Picks<'_> {
        fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
            self.0
                .next()
                .map_or(of[0], |index| of[index.index(of.len())])
        }

        /// Returns true once in so many times.
        fn rarely(&mut self, times: usize) -> bool {
            self.0
                .next()
                .is_some_and(|index| index.index(times) == times - 1)
        }

        /// Returns a value for a field, mostly one that it can hold.
        fn value(&mut self, kind: Kind) -> &'static str {
            const TEXTS: &[&str] = &[
                r#""testing""#,
                r#""""#,
                r#""3 tests failed: \"a\"""#,
                "\"ü \u{1f600} \u{85}\"",
                r#""\u0041""#,
                "\"a\tb\"",
                "\"\u{7f}\"",
                r#""{\"seq\":0,""#,
                r#""completed""#,
                r#""stamped""#,
            ];
            const NUMBERS: &[&str] = &[
                "123",
                "0",
                "007",
                "-0",
                "-5",
                "1.50",
                "0.000000001",
                "1.",
                ".5",
                "01.5",
                "1e3",
                "1E-2",
                "9007199254740991",
                "9007199254740992",
                "999999999999999",
                "1000000000.5",
                "18446744073709551616",
            ];
            const OTHERS: &[&str] = &[
                "null",
                "true",
                "false",
                "[]",
                "{}",
                "[\"a\"]",
                "{\"a\":\"b\"}",
                "{\"a\":1}",
                "tru",
                "\"",
                "{\"name\":\"retally\",\"version\":\"1\"}",
                "\"2024-12-03T14:30:22Z\"",
                " 1",
                "1 ",
                "",
            ];
            let fitting = match kind {
                Kind::Text | Kind::Word(_) | Kind::Time => TEXTS,
                Kind::Count | Kind::Number | Kind::Decimal => NUMBERS,
                Kind::Identifier if self.rarely(2) => TEXTS,
                Kind::Identifier => NUMBERS,
                _ => OTHERS,
            };
            match self.rarely(8) {
                true => self.pick(&[TEXTS, NUMBERS, OTHERS].concat()),
                false if kind == Kind::Flag => self.pick(&["true", "false"]),
                false => self.pick(fitting),
            }
        }

        /// Returns the members of a line that is nearly as retally writes it.
        fn members(&mut self) -> Vec<String> {
            let names: Vec<_> = EventType::ALL.iter().map(|event| event.name).collect();
            let name = self.pick(&names);
            let seq = self.pick(&["12", "0", "9007199254740991"]);
            let ts = match self.rarely(6) {
                true => self.pick(TIMES),
                false => "2024-12-03T14:30:22.123456Z",
            };
            let mut members = vec![
                format!(
                    "\"seq\":{}",
                    if self.rarely(9) {
                        self.value(Kind::Count)
                    } else {
                        seq
                    }
                ),
                format!("\"ts\":\"{ts}\""),
                format!(
                    "\"type\":\"{}\"",
                    if self.rarely(30) { "a.b" } else { name }
                ),
            ];
            if self.rarely(4) {
                members.push(format!("\"key\":{}", self.value(Kind::Text)));
            }
            for field in EventType::find(name).expect("it was picked").fields {
                if (field.is_required && !self.rarely(30)) || self.rarely(2) {
                    members.push(format!("\"{}\":{}", field.name, self.value(field.kind)));
                }
            }
            if self.rarely(12) {
                members.push("\"later\":1".to_owned());
            }
            if self.rarely(12) {
                let at = members.len() - 1;
                members.swap(at, at / 2);
            }
            if self.rarely(20) {
                members.push(members[members.len() / 2].clone());
            }
            members
        }

        /// Returns a line that is nearly as retally writes it, with the checksum of its bytes.
        fn line(&mut self) -> String {
            let members = self.members();
            let separator = if self.rarely(30) { ", " } else { "," };
            let body = format!("{{{}", members.join(separator));
            format!(
                "{body},\"crc\":\"{:08x}\"}}",
                crc32c::crc32c(body.as_bytes())
            )
        }

        /// Returns an event that is nearly as it is read without a JSON parser.
        fn draft(&mut self) -> String {
            let mut members = self.members();
            // The type stands first, the number nowhere, the time where it is known.
            members.retain(|member| !member.starts_with("\"seq\"") || self.rarely(9));
            if members.len() > 2 {
                members.swap(0, 1);
            }
            if self.rarely(2) {
                members.retain(|member| !member.starts_with("\"ts\""));
            }
            format!("{{{}}}", members.join(","))
        }
    }

    const TIMES: &[&str] = &[
        "2024-12-03T14:30:22Z",
        "2024-12-03t14:30:22.123456Z",
        "2024-12-03 14:30:22.123456Z",
        "2024-12-03T14:30:22.123456z",
        "2024-02-30T14:30:22.123456Z",
        "2024-12-03T14:30:60.000000Z",
        "9999-12-31T23:59:60.000000Z",
        "0000-01-01T00:00:00.000000Z",
        "2024-12-03T14:30:22.12345+Z",
        "2024-12-03T14:30:2\u{fc}.23456Z",
        "2024-12-03T14:30:22.1234567Z",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_read_in_the_canonical_form_is_what_its_json_says(picks in prop::collection::vec(any::<Index>(), 100)) {
            let line = Picks(picks.iter()).line();
            if let Some(sound) = read_canonical(line.as_bytes()) {
                prop_assert_eq!(Ok(sound), parse_json(line.as_bytes(), true), "{}", line);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_draft_that_is_read_in_the_canonical_form_is_what_its_json_says(picks in prop::collection::vec(any::<Index>(), 100)) {
            let text = Picks(picks.iter()).draft();
            if let Some(draft) = super::read_draft(&text) {
                prop_assert_eq!(Ok(draft), parse_json_draft(text.as_bytes()), "{}", text);
            }
        }
    }

    #[test]
    fn a_draft_without_escapes_is_read_in_the_canonical_form() {
        let text = r#"{"type":"llm.called","ts":"2024-12-03T14:30:22.123456Z","key":"k","issue":123,"agent":"coding","model":"m","input_tokens":5200,"cost_usd":0.0123}"#;
        assert!(super::read_draft(text).is_some());
    }

    #[test]
    fn lines_without_escapes_lists_and_objects_are_read_in_the_canonical_form() {
        for event in EventType::ALL {
            let mut body = format!(
                "{{\"seq\":12,\"ts\":\"2024-12-03T14:30:22.123456Z\",\"type\":\"{}\"",
                event.name
            );
            for field in event.fields {
                let value = match field.kind {
                    Kind::Text => "\"ü\"",
                    Kind::Time => "\"2024-12-03T14:30:22.123456Z\"",
                    Kind::Word(words) => &format!("\"{}\"", words[0]),
                    Kind::Flag => "true",
                    Kind::Identifier if field.name != "issue" => "\"168\"",
                    Kind::Count | Kind::Identifier => "123",
                    Kind::Decimal => "0.046800001",
                    _ => continue,
                };
                body += &format!(",\"{}\":{value}", field.name);
            }
            let line = format!(
                "{body},\"crc\":\"{:08x}\"}}",
                crc32c::crc32c(body.as_bytes())
            );
            assert!(read_canonical(line.as_bytes()).is_some(), "{line}");
        }
    }
}
