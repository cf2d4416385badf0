//! Reads lines in the one form in which retally writes them, several times as fast as any JSON
//! parser: keys in their order, no white space, no escapes.
//!
//! A line is read whole here or not at all; what is not, [`parse_line`](crate::line::parse_line)
//! reads as JSON. Whatever is read here it would read the same.

use crate::envelope::{Draft, Envelope, ExtraFields};
use crate::event::Event;
use crate::field::FieldValue;
use crate::line::SoundLine;
use crate::number::Decimal;
use crate::timestamp::Timestamp;
use crate::words::{leading_digits, special_byte};
use std::borrow::Cow;

/// How long a time is that retally writes.
const TIME_BYTES: usize = "2024-12-03T14:30:22.123456Z".len();

/// Reads what stands in front of the seal of a sealed line, which takes its last `seal_bytes`, into
/// `sound`, or returns `None` where that is not in the canonical form, or holds what is read as
/// JSON only.
#[inline]
pub(crate) fn read<'a>(line: &'a str, seal_bytes: usize, sound: &mut SoundLine<'a>) -> Option<()> {
    let mut values = Values { rest: line };
    values.skip("{\"seq\":")?;
    let seq = values.count()?;
    values.skip(",\"ts\":\"")?;
    let ts = values.time()?;
    values.skip("\",\"type\":")?;
    let type_name = values.text()?;
    let key = values.optional::<Cow<'_, str>>(",\"key\":")?;
    Event::from_canonical(type_name, &mut values, |event, values| {
        (values.rest.len() == seal_bytes).then_some(())?;
        let (seq, extra) = (Some(seq), ExtraFields::default());
        *sound = SoundLine {
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
        };
        Some(())
    })
}

/// Reads an event to append whose keys stand in that order too, without number and checksum, or
/// returns `None` where it has to be read as JSON.
pub(crate) fn read_draft(text: &str) -> Option<Draft<'_>> {
    let mut values = Values { rest: text };
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
    Event::from_canonical(type_name, &mut values, |event, values| {
        (values.rest == "}").then_some(Draft {
            ts,
            key,
            event,
            extra: ExtraFields::default(),
        })
    })
}

/// The values of a line, read one after the other. Each method returns `None` where something
/// else stands there, or not in its canonical form.
///
/// The short ones are inlined, so that each key is compared as the constant that it is.
pub(crate) struct Values<'a> {
    /// What is not read yet.
    rest: &'a str,
}

impl<'a> Values<'a> {
    /// Passes over a text that is expected.
    #[inline(always)]
    pub(crate) fn skip(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
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
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        self.skip("\"")?;
        let text = self.pass(special_byte(self.rest.as_bytes())?)?;
        self.skip("\"")?;
        Some(text)
    }

    /// Reads a time in the form in which it is written.
    fn time(&mut self) -> Option<Timestamp> {
        let time = Timestamp::parse_canonical(self.rest.as_bytes().first_chunk()?)?;
        self.pass(TIME_BYTES)?;
        Some(time)
    }

    /// Reads an integer without sign.
    #[inline(always)]
    pub(crate) fn count(&mut self) -> Option<u64> {
        let (value, digits) = leading_digits(self.rest.as_bytes());
        self.pass_integer(digits)?;
        Some(value)
    }

    /// Reads the text of an integer without sign that is as short as a count.
    #[inline(always)]
    pub(crate) fn integer(&mut self) -> Option<&'a str> {
        let (_, digits) = leading_digits(self.rest.as_bytes());
        self.pass_integer(digits)
    }

    /// Reads a number without sign and exponent that a decimal holds exactly.
    pub(crate) fn decimal(&mut self) -> Option<Decimal> {
        let whole = self.count()?;
        if self.skip(".").is_none() {
            return Decimal::from_parts(whole, 0, 0);
        }
        let (fraction, decimals) = leading_digits(self.rest.as_bytes());
        (decimals > 0).then_some(())?;
        self.pass(decimals)?;
        Decimal::from_parts(whole, fraction, decimals)
    }

    /// Reads `true` or `false`.
    #[inline(always)]
    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.skip("true") {
            Some(()) => Some(true),
            None => self.skip("false").map(|()| false),
        }
    }

    /// Passes over so many digits, if they are an integer in its one form.
    #[inline(always)]
    fn pass_integer(&mut self, digits: usize) -> Option<&'a str> {
        let is_canonical = digits == 1 || !self.rest.starts_with('0');
        (is_canonical && digits > 0).then_some(())?;
        self.pass(digits)
    }

    /// Passes over so many bytes and returns them.
    #[inline(always)]
    fn pass(&mut self, bytes: usize) -> Option<&'a str> {
        let (passed, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::EventType;
    use crate::field::Kind;
    use crate::line::{SoundLine, parse_json, parse_json_draft, read_canonical};
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
                r#""sixteen bytes ü.""#,
                "\"sixteen, and a\u{1f}\"",
                r#""longer than two words \\""#,
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
                "1234567",
                "12345678.12345678",
                "9999999.999999999",
                "0.0000000005",
                "1000000000",
                "1.5x",
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
            let mut sound = SoundLine::default();
            if read_canonical(line.as_bytes(), &mut sound).is_some() {
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
            let mut sound = SoundLine::default();
            assert!(
                read_canonical(line.as_bytes(), &mut sound).is_some(),
                "{line}"
            );
        }
    }
}
