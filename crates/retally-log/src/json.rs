use crate::format::DEPTH_MAX;
use crate::number::Number;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A free JSON object, its keys sorted.
pub type Object = BTreeMap<String, Json>;

/// Free JSON of which nothing is known: keys sorted, numbers as they stood.
///
/// Two texts of one value that differ only in white space and in the order of keys are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it stood.
    Number(Number<'static>),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Self>),
    /// An object without repeated keys.
    Object(Object),
}

impl Json {
    /// Parses one JSON text.
    ///
    /// # Errors
    /// The text is not JSON, nests deeper than [`DEPTH_MAX`], repeats a key in one object, or
    /// holds a string that is not Unicode (a lone surrogate).
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        Self::parse_nested(text.trim_matches([' ', '\t', '\n', '\r']), DEPTH_MAX)
    }

    fn parse_nested(text: &str, depth_left: usize) -> Result<Self, serde_json::Error> {
        let nested_depth = || {
            depth_left
                .checked_sub(1)
                .ok_or_else(|| serde_json::Error::custom(format!("deeper than {DEPTH_MAX} levels")))
        };
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let depth = nested_depth()?;
                let members: Members<'_> = serde_json::from_str(text)?;
                let mut object = Object::new();
                for (key, value) in members.0 {
                    object.insert(key.into_owned(), Self::parse_nested(value, depth)?);
                }
                Self::Object(object)
            }
            Some(b'[') => {
                let depth = nested_depth()?;
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let parse = |item: &RawValue| Self::parse_nested(item.get(), depth);
                Self::Array(items.into_iter().map(parse).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(text)?),
            Some(b'n') => serde_json::from_str::<()>(text).map(|()| Self::Null)?,
            _ => {
                let _: &RawValue = serde_json::from_str(text)?;
                let number = Number::new(text.to_owned());
                Self::Number(number.ok_or_else(|| serde_json::Error::custom("not a number"))?)
            }
        })
    }
}

/// Numbers are written as they stood, which needs `serde_json` as the serializer. Where the form is
/// binary, the JSON text is written.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            let text = serde_json::to_string(self).map_err(serde::ser::Error::custom)?;
            return serializer.serialize_str(&text);
        }
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(object) => serializer.collect_map(object),
        }
    }
}

/// Read in its binary form.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<str>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The members of one object in their order, each value as it stands; no key twice.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a str)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members: Vec<(Cow<'de, str>, &'de str)> = Vec::with_capacity(16);
        while let Some(Key(key)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            members.push((key, value.get()));
        }
        match repeated_key(&members) {
            Some(key) => Err(A::Error::custom(format_args!("{REPEATED_KEY} `{key}`"))),
            None => Ok(Members(members)),
        }
    }
}

/// How the message of a repeated key begins.
const REPEATED_KEY: &str = "the same key twice:";

/// Returns a key that stands twice. Few keys are compared pairwise, many are sorted, so that a
/// line of 100,000 keys costs no more than its length asks for.
pub(crate) fn repeated_key<'m, V>(members: &'m [(Cow<'_, str>, V)]) -> Option<&'m str> {
    if members.len() <= 32 {
        return members.iter().enumerate().find_map(|(at, (key, _))| {
            let seen = members[..at].iter().any(|(earlier, _)| earlier == key);
            seen.then_some(&**key)
        });
    }
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}

/// A key that borrows from the input where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

/// Returns whether the brackets of a JSON text nest at most [`DEPTH_MAX`] deep.
///
/// Looked at on the bytes, before any parser: some parsers recurse, others take a million levels.
pub(crate) fn is_depth_sound(bytes: &[u8]) -> bool {
    if memchr::memchr2_iter(b'{', b'[', bytes)
        .nth(DEPTH_MAX)
        .is_none()
    {
        return true;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let actual = match Json::parse(input) {
            Ok(json) => serde_json::to_string(&json).expect("json is writable"),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(actual, expected, "{input}");
    }

    #[test]
    fn keys_are_sorted_and_numbers_stay_as_they_stood() {
        check(
            r#" {"b":1.50,"a":[1e400, -0, {"d":null,"c":true}]} "#,
            r#"{"a":[1e400,-0,{"c":true,"d":null}],"b":1.50}"#,
        );
        check("12345678901234567890123", "12345678901234567890123");
        check(r#""a\u00e4\n""#, "\"aä\\n\"");
    }

    #[test]
    fn a_repeated_key_is_an_error_at_any_level() {
        check(
            r#"{"a":{"b":1,"b":2}}"#,
            "error: the same key twice: `b` at line 1 column 13",
        );
        let many: Vec<String> = (0..100).map(|n| format!("\"k{}\":0", n % 99)).collect();
        assert!(Json::parse(&format!("{{{}}}", many.join(","))).is_err());
    }

    #[test]
    fn what_is_not_json_is_an_error() {
        for text in [
            "",
            "{",
            "[1,]",
            "nul",
            "01",
            "\"\\ud800\"",
            "{\"a\":1}x",
            "\u{a0}1",
            "NaN",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sixty_four_levels_are_read_and_sixty_five_are_not() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(&nested(64)).is_ok());
        assert!(Json::parse(&nested(65)).is_err());
        assert!(is_depth_sound(nested(64).as_bytes()));
        assert!(!is_depth_sound(nested(65).as_bytes()));
        let in_string = format!("\"{}\\\"{}\"", "[".repeat(80), "{".repeat(80));
        assert!(is_depth_sound(in_string.as_bytes()));
        assert!(is_depth_sound("[]".repeat(200).as_bytes()));
    }
}
