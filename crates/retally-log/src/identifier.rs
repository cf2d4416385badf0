//! Identifiers that arrive as a string or an integer and whose text is what identifies.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::{Borrow, Cow};
use std::fmt;

macro_rules! identifier {
    ($(#[$doc:meta])* $Name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name<'a>(Cow<'a, str>);

        impl<'a> $Name<'a> {
            /// Takes the text as it is; any text is an identifier.
            pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
                Self(text.into())
            }

            /// Returns the text that identifies.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns the same identifier, owning its text.
            pub fn into_owned(self) -> $Name<'static> {
                $Name(Cow::Owned(self.0.into_owned()))
            }
        }

        impl Borrow<str> for $Name<'_> {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $Name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl<'a> From<&'a str> for $Name<'a> {
            fn from(text: &'a str) -> Self {
                Self(Cow::Borrowed(text))
            }
        }

        impl From<String> for $Name<'_> {
            fn from(text: String) -> Self {
                Self(Cow::Owned(text))
            }
        }

        impl From<u64> for $Name<'_> {
            fn from(number: u64) -> Self {
                Self(Cow::Owned(number.to_string()))
            }
        }
    };
}

identifier! {
    /// The id of an issue: GitLab's `123` or Jira's `PROJ-7`.
    ///
    /// The text is the identity, so `123` and `"123"` are one issue. It is written as a number
    /// where it is a canonical integer, else as a string.
    IssueId
}

identifier! {
    /// The id of a project or a pipeline, given as a string or an integer.
    ///
    /// The text is the identity; it is always written as a string.
    Identifier
}

/// Written as a number where it is a canonical integer, else as a string; where the form is binary
/// always as a string.
impl Serialize for IssueId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() && self.is_canonical_integer() {
            let number = RawValue::from_string(self.0.clone().into_owned());
            return number.map_err(S::Error::custom)?.serialize(serializer);
        }
        serializer.serialize_str(&self.0)
    }
}

/// Read in its binary form.
impl<'de> Deserialize<'de> for IssueId<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl IssueId<'_> {
    /// Returns whether the text is an integer in its one usual form: no sign but `-`, no leading
    /// zero, not `-0`. Such an id is written as a number.
    pub fn is_canonical_integer(&self) -> bool {
        is_canonical_integer(&self.0)
    }
}

pub(crate) fn is_canonical_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_integer_in_its_usual_form_is_canonical() {
        for text in ["0", "7", "123", "-5", "123456789012345678901234567890"] {
            assert!(is_canonical_integer(text), "{text}");
        }
        for text in [
            "", "-", "-0", "007", "+1", "1.0", "1e3", " 1", "1 ", "PROJ-7", "１",
        ] {
            assert!(!is_canonical_integer(text), "{text}");
        }
    }
}
