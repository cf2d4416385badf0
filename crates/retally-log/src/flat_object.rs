//! Reads the members of a JSON object that holds no other and no escapes, as lines of foreign
//! writers mostly do, several times as fast as a JSON parser.
//!
//! An object is read whole here or not at all; what is not, [`Members`](crate::json::Members) are
//! read of. Whatever is read here they would be the same.

use crate::event::RawMembers;
use crate::words::{leading_digits, special_byte};
use std::borrow::Cow;

/// Returns the members in their order, each value as it stands, or `None` where the text has to be
/// read as JSON: it is no flat object, has escapes, or the same key twice.
pub(crate) fn members(json: &str) -> Option<RawMembers<'_>> {
    let mut text = Text { rest: json };
    text.pass_space();
    text.pass_byte(b'{')?;
    let mut members = RawMembers::with_capacity(16);
    let mut keys = Keys::default();
    loop {
        text.pass_space();
        let key = text.key()?;
        text.pass_space();
        text.pass_byte(b':')?;
        text.pass_space();
        let value = text.value()?;
        keys.add(key, &members)?;
        members.push((Cow::Borrowed(key), value));
        text.pass_space();
        if text.pass_byte(b',').is_none() {
            break;
        }
    }
    text.pass_byte(b'}')?;
    text.pass_space();
    text.rest.is_empty().then_some(members)
}

/// Which keys there were, one bit for several.
#[derive(Default)]
struct Keys(u64);

impl Keys {
    /// Adds a key, or returns `None` where it is among the members.
    #[inline(always)]
    fn add(&mut self, key: &str, members: &RawMembers<'_>) -> Option<()> {
        // Keys of one length mostly differ in the first letter or in the last.
        let (first, last) = (key.as_bytes().first()?, key.as_bytes().last()?);
        let sum = usize::from(*first) + 7 * usize::from(*last) + 5 * key.len();
        let bit = 1 << (sum % 64);
        if self.0 & bit != 0 && members.iter().any(|(known, _)| known == key) {
            return None;
        }
        self.0 |= bit;
        Some(())
    }
}

/// A JSON text, read from the front. Each method returns `None` where something else stands there.
struct Text<'a> {
    rest: &'a str,
}

impl<'a> Text<'a> {
    /// Returns the next byte, and at the end one that stands nowhere in JSON.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.rest.as_bytes().first().copied().unwrap_or(0)
    }

    /// Passes over so many bytes and returns them.
    #[inline(always)]
    fn pass(&mut self, bytes: usize) -> Option<&'a str> {
        let (passed, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(passed)
    }

    #[inline(always)]
    fn pass_byte(&mut self, byte: u8) -> Option<()> {
        (self.peek() == byte).then_some(())?;
        self.pass(1).map(|_| ())
    }

    #[inline(always)]
    fn pass_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.pass(1);
        }
    }

    /// Reads a string without escapes.
    #[inline(always)]
    fn key(&mut self) -> Option<&'a str> {
        self.pass_byte(b'"')?;
        let key = self.pass(special_byte(self.rest.as_bytes())?)?;
        self.pass_byte(b'"')?;
        Some(key)
    }

    #[inline(always)]
    fn value(&mut self) -> Option<&'a str> {
        match self.peek() {
            b'"' => {
                let inner = &self.rest.as_bytes()[1..];
                let length = special_byte(inner)?;
                (inner[length] == b'"').then_some(())?;
                self.pass(length + 2)
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    #[inline(always)]
    fn word(&mut self, word: &str) -> Option<&'a str> {
        self.rest.starts_with(word).then_some(())?;
        self.pass(word.len())
    }

    /// Reads a number without exponent.
    #[inline(always)]
    fn number(&mut self) -> Option<&'a str> {
        let bytes = self.rest.as_bytes();
        let sign = usize::from(self.peek() == b'-');
        let (_, whole) = leading_digits(bytes.get(sign..)?);
        let is_integer = whole == 1 || (whole > 1 && bytes[sign] != b'0');
        is_integer.then_some(())?;
        let mut length = sign + whole;
        if bytes.get(length) == Some(&b'.') {
            let (_, fraction) = leading_digits(&bytes[length + 1..]);
            (fraction > 0).then_some(())?;
            length += 1 + fraction;
        }
        // What goes on otherwise, as with an exponent, is not what has to stand behind a value.
        self.pass(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Members;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Property: what is read here is what a JSON parser reads.
        #[test]
        fn the_members_of_a_flat_object_are_those_of_its_json(
            parts in prop::collection::vec(prop::sample::select(vec![
                "\"a\":1", "\"b\" : \"text\"", "\"c\":true", "\"d\":null", " \"e\" :\t-0.50", "\"f\":\"ü\"",
                "\"g\":[]", "\"h\":{}", "\"i\":\"\\u0041\"", "\"j\":01", "\"k\":1.", "\"l\":-", "\"m\":1e5",
                "\"n\":.5", "\"o\":\"\u{1f}\"", "\"p\":tru", "\"q\":\"longer than two words of eight\"",
                "\"r\":123456789012345678", "\"s\":12345678.123456789", "\"\":false", "\"a\\nb\":1", "\"z\"", "",
                "\"t\":1 ", "\"u\":truefalse", "\"v\":1x", "\"w\":\"open", "\"aa\":1", "\"ca\":2", "\"b\u{7f}\":0",
            ]), 0..12),
            before in prop::sample::select(vec!["{", "{", "{", " {\n", "", "[", "{,"]),
            behind in prop::sample::select(vec!["}", "}", "}", "}\r", "", "}}", ",}", "} x", "\u{a0}}"]),
        ) {
            let json = format!("{before}{}{behind}", parts.join(","));
            if let Some(members) = members(&json) {
                let expected = serde_json::from_str::<Members<'_>>(&json).map(|members| members.0);
                prop_assert_eq!(Some(members), expected.ok(), "{}", json);
            }
        }
    }

    #[test]
    fn flat_objects_are_read_without_a_json_parser() {
        let line = r#" {"type":"llm.called", "issue" : 101,"cost_usd":0.0468,"ok":true,"note":"ü","n":null} "#;
        assert_eq!(members(line).map(|members| members.len()), Some(6));
        for other in [
            "{}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":[1]}"#,
            r#"{"a":"\n"}"#,
            r#"{"a":1"#,
        ] {
            assert_eq!(members(other), None, "{other}");
        }
    }
}
