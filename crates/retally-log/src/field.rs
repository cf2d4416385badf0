//! What may stand in a field of an event: how each kind of value is read, checked and written.

use crate::canonical_line::Values;
use crate::event::Misfit;
use crate::format::COUNT_MAX;
use crate::identifier::{Identifier, IssueId, is_canonical_integer};
use crate::json::{Json, Members, Object};
use crate::line_writer::LineWriter;
use crate::number::{DECIMAL_BYTES, Decimal, Number};
use crate::timestamp::Timestamp;
use crate::words::{has_backslash, leading_digits};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The kind of value that a field holds, as a caller who has only text needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A string.
    Text,
    /// A string or an integer; its text is what identifies.
    Identifier,
    /// `true` or `false`.
    Flag,
    /// An integer from 0 to 2⁵³ − 1.
    Count,
    /// Any JSON number, kept as it stands.
    Number,
    /// A number from 0 to 10⁹, exact to nine decimals.
    Decimal,
    /// An RFC 3339 time with a zone.
    Time,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An array of strings.
    TextList,
    /// A free object.
    Object,
    /// An object whose values are strings.
    TextMap,
    /// An object whose values are counts.
    CountMap,
    /// An object of the fields of [`Llm`].
    Llm,
    /// An object of the fields of [`Program`].
    Program,
}

impl Kind {
    /// Returns what is wanted, as it reads behind "want".
    pub fn expectation(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Text => "a string",
            Self::Identifier => "a string or an integer",
            Self::Flag => "true or false",
            Self::Count => "an integer from 0 to 9007199254740991",
            Self::Number => "a number",
            Self::Decimal => "a number from 0 to 1000000000",
            Self::Time => "an RFC 3339 time with a zone",
            Self::Word(words) => return Cow::Owned(format!("one of {}", words.join(", "))),
            Self::TextList => "an array of strings",
            Self::Object => "an object",
            Self::TextMap => "an object of strings",
            Self::CountMap => "an object of integers from 0 to 9007199254740991",
            Self::Llm => {
                "an object with `provider`, `model` (strings) and `temperature` (a number)"
            }
            Self::Program => "an object with `name` and `version` (strings)",
        })
    }
}

/// A value that a field can hold.
pub(crate) trait FieldValue<'a>: Sized {
    const KIND: Kind;

    /// Reads a JSON text that is known to be well-formed, or returns `None` where it is of
    /// another kind.
    fn parse(raw: &'a str) -> Option<Self>;

    /// Reads the value where it stands in the form in which `write` writes it, or returns `None`:
    /// a value that has to be read as JSON always does.
    fn read(_values: &mut Values<'a>) -> Option<Self> {
        None
    }

    fn write(&self, line: &mut LineWriter<'_>);
}

/// Which program wrote a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program<'a> {
    /// Its name, such as `retally`.
    pub name: Cow<'a, str>,
    /// Its version, such as `0.1.0`.
    pub version: Cow<'a, str>,
}

/// The language model that a run is configured with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Llm<'a> {
    /// Who serves it, such as `deepseek`.
    pub provider: Option<Cow<'a, str>>,
    /// Its name at the provider, such as `deepseek-chat`.
    pub model: Option<Cow<'a, str>>,
    /// The sampling temperature, as it was written.
    pub temperature: Option<Number<'a>>,
    /// All other members.
    pub other: Object,
}

macro_rules! words {
    ($(#[$doc:meta])* $Name:ident { $($(#[$variant_doc:meta])* $Variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Name {
            $($(#[$variant_doc])* $Variant,)*
        }

        impl Serialize for $Name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = Cow::<str>::deserialize(deserializer)?;
                Self::from_word(&word).ok_or_else(|| D::Error::custom("not one of the words"))
            }
        }

        impl $Name {
            /// All words, in the order of the format's table.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// Returns the word that stands in the log.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $word,)*
                }
            }

            /// Returns the value of a word, or `None` where the word is none of them.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$Variant),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl<'a> FieldValue<'a> for $Name {
            const KIND: Kind = Kind::Word(Self::WORDS);

            fn parse(raw: &'a str) -> Option<Self> {
                Self::from_word(&text(raw)?)
            }

            #[inline(always)]
    fn read(values: &mut Values<'a>) -> Option<Self> {
                Self::from_word(values.text()?)
            }

            fn write(&self, line: &mut LineWriter<'_>) {
                line.text_as_is(self.as_str());
            }
        }
    };
}

words! {
    /// How a run ended.
    RunStatus {
        /// It did what it was started for.
        Completed = "completed",
        /// It could not.
        Failed = "failed",
        /// Somebody stopped it.
        Stopped = "stopped",
    }
}

words! {
    /// How the work on an issue ended.
    IssueStatus {
        /// The issue is solved.
        Completed = "completed",
        /// It is not.
        Failed = "failed",
        /// It was passed over.
        Skipped = "skipped",
    }
}

words! {
    /// Where the times of a segment come from.
    Times {
        /// From retally's clock, at the append.
        Stamped = "stamped",
        /// From the caller, as imports do.
        Given = "given",
        /// From nowhere: the source has no times. They serve order only.
        None = "none",
    }
}

/// Returns the string of a JSON text, or `None` where it is no string or not Unicode.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !has_backslash(inner.as_bytes()) {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

/// Returns the text of a JSON string or integer.
fn identifier(raw: &str) -> Option<Cow<'_, str>> {
    if raw.starts_with('"') {
        return text(raw);
    }
    let digits = raw.strip_prefix('-').unwrap_or(raw).as_bytes();
    let is_integer = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_integer.then_some(Cow::Borrowed(raw))
}

pub(crate) fn count(raw: &str) -> Option<u64> {
    let (value, digits) = leading_digits(raw.as_bytes());
    if digits == raw.len() && digits > 0 {
        return Some(value); // too short for more than a count can be
    }
    let is_integer = !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit());
    let value = raw.parse().ok().filter(|_| is_integer)?;
    (value <= COUNT_MAX).then_some(value)
}

fn members(raw: &str) -> Option<Members<'_>> {
    raw.starts_with('{')
        .then(|| serde_json::from_str(raw).ok())
        .flatten()
}

fn map<'a, T: FieldValue<'a>>(raw: &'a str) -> Option<BTreeMap<Cow<'a, str>, T>> {
    let members = members(raw)?;
    members
        .0
        .into_iter()
        .map(|(key, value)| Some((key, T::parse(value)?)))
        .collect()
}

impl<'a> FieldValue<'a> for Cow<'a, str> {
    const KIND: Kind = Kind::Text;

    fn parse(raw: &'a str) -> Option<Self> {
        text(raw)
    }

    #[inline(always)]
    fn read(values: &mut Values<'a>) -> Option<Self> {
        values.text().map(Cow::Borrowed)
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.text(self);
    }
}

impl<'a> FieldValue<'a> for IssueId<'a> {
    const KIND: Kind = Kind::Identifier;

    fn parse(raw: &'a str) -> Option<Self> {
        identifier(raw).map(IssueId::new)
    }

    #[inline(always)]
    fn read(values: &mut Values<'a>) -> Option<Self> {
        let text = values.integer().or_else(|| values.text());
        text.map(Self::new)
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        if is_canonical_integer(self.as_str()) {
            line.raw(self.as_str());
        } else {
            line.name(self.as_str());
        }
    }
}

impl<'a> FieldValue<'a> for Identifier<'a> {
    const KIND: Kind = Kind::Identifier;

    fn parse(raw: &'a str) -> Option<Self> {
        identifier(raw).map(Identifier::new)
    }

    #[inline(always)]
    fn read(values: &mut Values<'a>) -> Option<Self> {
        values.text().map(Self::new)
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.name(self.as_str());
    }
}

impl<'a> FieldValue<'a> for bool {
    const KIND: Kind = Kind::Flag;

    fn parse(raw: &'a str) -> Option<Self> {
        match raw {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    #[inline(always)]
    fn read(values: &mut Values<'a>) -> Option<Self> {
        values.flag()
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.raw(if *self { "true" } else { "false" });
    }
}

impl<'a> FieldValue<'a> for u64 {
    const KIND: Kind = Kind::Count;

    fn parse(raw: &'a str) -> Option<Self> {
        count(raw)
    }

    #[inline(always)]
    fn read(values: &mut Values<'a>) -> Option<Self> {
        values.count()
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.count(*self);
    }
}

impl<'a> FieldValue<'a> for Number<'a> {
    const KIND: Kind = Kind::Number;

    fn parse(raw: &'a str) -> Option<Self> {
        Number::new(raw)
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.raw(self.as_str());
    }
}

impl<'a> FieldValue<'a> for Decimal {
    const KIND: Kind = Kind::Decimal;

    fn parse(raw: &'a str) -> Option<Self> {
        Self::parse(raw).ok()
    }

    #[inline(always)]
    fn read(values: &mut Values<'a>) -> Option<Self> {
        values.decimal()
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.raw(self.write_to(&mut [0; DECIMAL_BYTES]));
    }
}

impl<'a> FieldValue<'a> for Timestamp {
    const KIND: Kind = Kind::Time;

    fn parse(raw: &'a str) -> Option<Self> {
        Self::parse(&text(raw)?).ok()
    }

    #[inline(always)]
    fn read(values: &mut Values<'a>) -> Option<Self> {
        Self::parse(values.text()?).ok()
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.time(*self);
    }
}

impl<'a> FieldValue<'a> for Vec<Cow<'a, str>> {
    const KIND: Kind = Kind::TextList;

    fn parse(raw: &'a str) -> Option<Self> {
        if !raw.starts_with('[') {
            return None;
        }
        let items: Vec<&serde_json::value::RawValue> = serde_json::from_str(raw).ok()?;
        items.into_iter().map(|item| text(item.get())).collect()
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.array(self, |line, item| line.text(item));
    }
}

impl<'a> FieldValue<'a> for Object {
    const KIND: Kind = Kind::Object;

    fn parse(raw: &'a str) -> Option<Self> {
        match Json::parse(raw).ok()? {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.object(self, LineWriter::json);
    }
}

impl<'a> FieldValue<'a> for BTreeMap<Cow<'a, str>, Cow<'a, str>> {
    const KIND: Kind = Kind::TextMap;

    fn parse(raw: &'a str) -> Option<Self> {
        map(raw)
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.object(self, |line, key, value| line.member_text(key, value));
    }
}

impl<'a> FieldValue<'a> for BTreeMap<Cow<'a, str>, u64> {
    const KIND: Kind = Kind::CountMap;

    fn parse(raw: &'a str) -> Option<Self> {
        map(raw)
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        // The keys are ids of segments, by which `run.finished` is checked.
        line.nested(|line| {
            for (id, value) in self {
                line.key(id);
                line.count(*value);
            }
        });
    }
}

impl<'a> FieldValue<'a> for Llm<'a> {
    const KIND: Kind = Kind::Llm;

    fn parse(raw: &'a str) -> Option<Self> {
        let mut llm = Self::default();
        for (key, value) in members(raw)?.0 {
            match &*key {
                _ if value == "null" => {}
                "provider" => llm.provider = Some(text(value)?),
                "model" => llm.model = Some(text(value)?),
                "temperature" => llm.temperature = Some(Number::new(value)?),
                _ => {
                    llm.other.insert(key.into_owned(), Json::parse(value).ok()?);
                }
            }
        }
        Some(llm)
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.nested(|line| {
            line.optional("provider", self.provider.as_ref());
            line.optional("model", self.model.as_ref());
            line.optional("temperature", self.temperature.as_ref());
            let is_field = |key: &str| ["provider", "model", "temperature"].contains(&key);
            if let Some(key) = self.other.keys().find(|key| is_field(key)) {
                line.refuse(Misfit::Taken(key.clone()));
            }
            line.members(&self.other, is_field, LineWriter::json);
        });
    }
}

impl<'a> FieldValue<'a> for Program<'a> {
    const KIND: Kind = Kind::Program;

    fn parse(raw: &'a str) -> Option<Self> {
        let (mut name, mut version) = (None, None);
        for (key, value) in members(raw)?.0 {
            match &*key {
                "name" => name = Some(text(value)?),
                "version" => version = Some(text(value)?),
                _ => {}
            }
        }
        Some(Self {
            name: name?,
            version: version?,
        })
    }

    fn write(&self, line: &mut LineWriter<'_>) {
        line.nested(|line| {
            line.required("name", &self.name);
            line.required("version", &self.version);
        });
    }
}
