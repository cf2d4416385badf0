//! Reads the members of an object in which nothing is nested or escaped, in two thirds of the time
//! that serde_json takes: most lines of foreign writers are such objects.
//!
//! An object is read whole here or not at all; what is not, serde_json reads. Whatever is read here
//! it would read the same.

use crate::event::RawMembers;
use crate::words::special_byte;
use std::borrow::Cow;

/// Returns the members of an object in their order, repeated keys included, each value as it
/// stands; `None` where the text is no such object.
pub(crate) fn members(json: &str) -> Option<RawMembers<'_>> {
    let mut text = Text { json, at: 0 };
    let mut members = RawMembers::with_capacity(16);
    text.pass_space();
    text.pass(b'{')?;
    text.pass_space();
    if text.pass(b'}').is_none() {
        loop {
            let key = text.string()?;
            text.pass_space();
            text.pass(b':')?;
            text.pass_space();
            let value = text.value()?;
            members.push((Cow::Borrowed(&key[1..key.len() - 1]), value));
            text.pass_space();
            if text.pass(b'}').is_some() {
                break;
            }
            text.pass(b',')?;
            text.pass_space();
        }
    }
    text.pass_space();
    (text.at == json.len()).then_some(members)
}

/// A text that is read from its beginning on. Each method passes over what it is asked for, or
/// returns `None` where something else stands there.
struct Text<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn pass(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn pass_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Returns a string without escapes, its quotation marks included.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.pass(b'"')?;
        self.at += special_byte(&self.json.as_bytes()[self.at..])?;
        self.pass(b'"')?;
        Some(&self.json[start..self.at])
    }

    /// Returns a value in which nothing is nested.
    fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'"' => return self.string(),
            b't' => self.pass_word("true")?,
            b'f' => self.pass_word("false")?,
            b'n' => self.pass_word("null")?,
            _ => self.pass_number()?,
        }
        Some(&self.json[start..self.at])
    }

    fn pass_word(&mut self, word: &str) -> Option<()> {
        let rest = &self.json.as_bytes()[self.at..];
        rest.starts_with(word.as_bytes())
            .then(|| self.at += word.len())
    }

    fn pass_number(&mut self) -> Option<()> {
        _ = self.pass(b'-');
        if self.pass(b'0').is_none() {
            self.pass_digits()?;
        }
        if self.pass(b'.').is_some() {
            self.pass_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.pass_digits()?;
        }
        Some(())
    }

    /// Passes over at least one digit.
    fn pass_digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Members;
    use proptest::prelude::*;

    /// Pieces of objects, most in the places where they belong.
    fn piece() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{",
            "}",
            ",",
            ":",
            " ",
            "\t\r\n",
            "\"",
            "\"a\"",
            "\"ä b\"",
            "\"\\n\"",
            "\"\u{1}\"",
            "true",
            "false",
            "null",
            "nul",
            "0",
            "-0",
            "01",
            "1.",
            "-",
            "1.5e+3",
            "1e400",
            "2E-7",
            ".5",
            "+1",
            "[1]",
            "{}",
            "NaN",
            "\u{a0}",
            "é",
        ]);
        token.prop_map(str::to_owned)
    }

    fn member() -> impl Strategy<Value = String> {
        let space = prop::sample::select(vec!["", " ", "\n\t"]);
        (r#""[a-c é]{0,9}""#, space, piece())
            .prop_map(|(key, space, value)| format!("{space}{key}{space}:{space}{value}{space}"))
    }

    fn check(json: &str) -> bool {
        let expected = serde_json::from_str::<Members<'_>>(json);
        let repeats = |members: &RawMembers<'_>| crate::json::repeated_key(members).is_some();
        match (members(json).filter(|it| !repeats(it)), expected) {
            (Some(found), Ok(expected)) => assert_eq!(found, expected.0, "{json}"),
            (Some(found), Err(error)) => panic!("{json}: {found:?}, but {error}"),
            (None, _) => return false,
        }
        true
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_read_is_what_serde_json_reads(
            members in prop::collection::vec(member(), 0..5),
            cut in any::<prop::sample::Index>(),
            noise in prop::collection::vec(piece(), 0..8),
        ) {
            let whole = format!("{{{}}}", members.join(","));
            check(&whole);
            check(&noise.concat());
            let cut = whole.floor_char_boundary(cut.index(whole.len()));
            check(&whole[..cut]);
            check(&format!("{}{}{}", &whole[..cut], noise.concat(), &whole[cut..]));
        }
    }

    #[test]
    fn flat_objects_are_read_here() {
        for json in [
            "{}",
            " { } ",
            r#"{"a":1}"#,
            r#"{ "ts": "2024-12-03T14:30:22+00:00", "ä":-1.5e3, "b" :true,"c":null }"#,
        ] {
            assert!(check(json), "{json}");
        }
    }
}
