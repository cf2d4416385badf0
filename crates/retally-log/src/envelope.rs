use crate::event::Event;
use crate::json::Json;
use crate::line::{DraftError, parse_draft};
use crate::timestamp::Timestamp;
use std::borrow::Cow;

/// An event as it stands on a line, with the place that the line gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Counts the lines of the segment from 0; foreign lines may have none.
    pub seq: Option<u64>,
    /// When it happened.
    pub ts: Timestamp,
    /// The idempotency key: among the events of one issue, or of the run itself, that bear the
    /// same key, the first in log order counts.
    pub key: Option<Cow<'a, str>>,
    /// What happened.
    pub event: Event<'a>,
    /// Fields that the event's type does not know.
    pub extra: ExtraFields<'a>,
}

/// Fields that an event's type does not know, as JSON, in the order of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraFields<'a>(pub(crate) Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> ExtraFields<'a> {
    /// Returns the names and the JSON texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, raw)| (&**key, &**raw))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field. Whether its name is free is checked when the event is appended.
    pub fn push(&mut self, name: impl Into<Cow<'a, str>>, value: &Json) {
        let raw = serde_json::to_string(value).expect("free JSON has string keys only");
        self.0.push((name.into(), Cow::Owned(raw)));
    }
}

/// An event on its way into a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft<'a> {
    /// When it happened, for segments whose times the caller gives; ignored where retally stamps.
    pub ts: Option<Timestamp>,
    /// The idempotency key.
    pub key: Option<Cow<'a, str>>,
    /// What happened.
    pub event: Event<'a>,
    /// Fields that the event's type does not know.
    pub extra: ExtraFields<'a>,
}

impl<'a> Draft<'a> {
    /// Reads an event from one JSON object, as it would stand on a line. `seq` and `crc` are
    /// dropped, `ts` may be missing.
    ///
    /// ```
    /// use retally_log::Draft;
    ///
    /// let draft = Draft::from_json(br#"{"type":"issue.started","issue":123}"#)?;
    /// assert_eq!(draft.event.type_name(), "issue.started");
    /// # Ok::<(), retally_log::DraftError>(())
    /// ```
    ///
    /// # Errors
    /// The text is not one JSON object, or breaks the rules of its type.
    pub fn from_json(text: &'a [u8]) -> Result<Self, DraftError> {
        parse_draft(text)
    }
}

impl<'a, E: Into<Event<'a>>> From<E> for Draft<'a> {
    fn from(event: E) -> Self {
        Draft {
            ts: None,
            key: None,
            event: event.into(),
            extra: ExtraFields::default(),
        }
    }
}
