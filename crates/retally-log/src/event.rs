//! The events of the format: one table, from which the types, their reader, their writer and
//! their schema are made.

use crate::canonical_line::Values;
use crate::field::{FieldValue, IssueStatus, Kind, Llm, Program, RunStatus, Times};
use crate::identifier::{Identifier, IssueId};
use crate::json::Object;
use crate::line_writer::LineWriter;
use crate::number::Decimal;
use crate::timestamp::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A field of an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its key on the line.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether an event without it is a misfit.
    pub is_required: bool,
}

/// An event type that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventType {
    /// What stands under `type` on the line.
    pub name: &'static str,
    /// The fields of the payload, in the order in which they are written.
    pub fields: &'static [Field],
}

impl EventType {
    /// All known types, in the order of the format's table.
    pub const ALL: &'static [Self] = EVENT_TYPES;

    /// Returns the type of this name, or `None` where this version does not know it.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|event_type| event_type.name == name)
    }

    /// Returns the field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// An event of a type that this version does not know: kept and counted.
///
/// All its fields are [extra fields](crate::ExtraFields) of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEvent<'a> {
    pub(crate) type_name: Cow<'a, str>,
    pub(crate) issue: Option<IssueId<'a>>,
}

impl<'a> UnknownEvent<'a> {
    /// Names a type that this version does not know, or returns `None` where it does.
    pub fn new(type_name: impl Into<Cow<'a, str>>) -> Option<Self> {
        let type_name = type_name.into();
        let issue = None;
        EventType::find(&type_name)
            .is_none()
            .then_some(Self { type_name, issue })
    }

    /// Returns what stands under `type`.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Returns the issue that the event names, in whose events its key is used up.
    pub fn issue(&self) -> Option<&IssueId<'a>> {
        self.issue.as_ref()
    }
}

/// Why a sound line is not an event of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// A required field is not there, or is `null`.
    #[error("`{field}` is missing (want {want})")]
    Missing {
        /// The field's key.
        field: &'static str,
        /// What it should hold.
        want: Cow<'static, str>,
    },
    /// A field holds something else.
    #[error("`{field}` is {got} (want {want})")]
    Wrong {
        /// The field's key.
        field: &'static str,
        /// The start of the JSON that stands there.
        got: String,
        /// What it should hold.
        want: Cow<'static, str>,
    },
    /// The writer was given an extra field under a name that has a meaning already.
    #[error("`{0}` is a field of its own and cannot be an extra one")]
    Taken(String),
}

impl Misfit {
    pub(crate) fn missing(field: &'static str, kind: Kind) -> Self {
        Self::Missing {
            field,
            want: kind.expectation(),
        }
    }

    pub(crate) fn wrong(field: &'static str, raw: &str, kind: Kind) -> Self {
        Self::wrong_for(field, raw, kind.expectation())
    }

    pub(crate) fn wrong_for(field: &'static str, raw: &str, want: Cow<'static, str>) -> Self {
        let got = shortened(raw, 60);
        Self::Wrong { field, got, want }
    }
}

/// Returns the first characters of a text of which an error needs no more.
pub(crate) fn shortened(text: &str, chars: usize) -> String {
    let mut short: String = text.chars().take(chars).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The members of a line in their order, each value as it stands.
pub(crate) type RawMembers<'a> = Vec<(Cow<'a, str>, &'a str)>;

macro_rules! slot {
    (required $T:ty) => { $T };
    (optional $T:ty) => { Option<$T> };
}

/// The key of a field on the line: its name, but for Rust's keyword.
macro_rules! key {
    (git_ref) => {
        "ref"
    };
    ($field:ident) => {
        stringify!($field)
    };
}

macro_rules! is_required {
    (required) => {
        true
    };
    (optional) => {
        false
    };
}

macro_rules! take {
    (required $slot:ident: $T:ty) => {
        $slot.ok_or_else(|| Misfit::missing(key!($slot), <$T as FieldValue>::KIND))?
    };
    (optional $slot:ident: $T:ty) => {
        $slot
    };
}

macro_rules! write {
    (required $line:ident, $self:ident.$field:ident) => {
        $line.required(key!($field), &$self.$field)
    };
    (optional $line:ident, $self:ident.$field:ident) => {
        $line.optional(key!($field), $self.$field.as_ref())
    };
}

/// Makes an `Option` of a field where it is the wanted one, `None` of all others.
macro_rules! only {
    (issue issue required $value:expr) => {
        Some($value)
    };
    (issue issue optional $value:expr) => {
        $value.as_ref()
    };
    (agent agent required $value:expr) => {
        Some(&**$value)
    };
    (agent agent optional $value:expr) => {
        $value.as_deref()
    };
    ($wanted:ident $field:ident $presence:ident $value:expr) => {
        None
    };
}

macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $name:literal $Type:ident $(<$lifetime:lifetime>)? {
            $($(#[$field_doc:meta])* $presence:ident $field:ident: $FieldType:ty,)*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $Type $(<$lifetime>)? {
                $($(#[$field_doc])* pub $field: slot!($presence $FieldType),)*
            }

            impl<'a> $Type $(<$lifetime>)? {
                const FIELDS: &'static [Field] = &[$(Field {
                    name: key!($field),
                    kind: <$FieldType as FieldValue>::KIND,
                    is_required: is_required!($presence),
                },)*];

                /// Takes the fields of the type out of `members`; what is left is unknown.
                fn from_members(members: &mut RawMembers<'a>) -> Result<Self, Misfit> {
                    $(let mut $field: Option<$FieldType> = None;)*
                    let mut misfit = None;
                    members.retain(|(key, raw)| {
                        match &**key {
                            $(key!($field) => {
                                if *raw != "null" {
                                    $field = <$FieldType as FieldValue>::parse(raw);
                                    if $field.is_none() && misfit.is_none() {
                                        let kind = <$FieldType as FieldValue>::KIND;
                                        misfit = Some(Misfit::wrong(key!($field), raw, kind));
                                    }
                                }
                                false
                            })*
                            _ => true,
                        }
                    });
                    if let Some(misfit) = misfit {
                        return Err(misfit);
                    }
                    Ok(Self { $($field: take!($presence $field: $FieldType),)* })
                }

                /// Reads the fields of a canonical line.
                #[inline(always)]
                fn from_canonical(values: &mut Values<'a>) -> Option<Self> {
                    Some(Self {
                        $($field: values.$presence::<$FieldType>(concat!(",\"", key!($field), "\":"))?,)*
                    })
                }

                fn write_fields(&self, line: &mut LineWriter<'_>) {
                    $(write!($presence line, self.$field);)*
                }
            }

            impl<'a> From<$Type $(<$lifetime>)?> for Event<'a> {
                fn from(event: $Type $(<$lifetime>)?) -> Self {
                    Self::$Type(event)
                }
            }
        )*

        /// A fact that happened, named in the past tense.
        ///
        /// Strings borrow from the line that they were read from.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event<'a> {
            $($(#[$doc])* $Type($Type $(<$lifetime>)?),)*
            /// An event of a type that this version does not know.
            Unknown(UnknownEvent<'a>),
        }

        impl<'a> Event<'a> {
            /// Returns what stands under `type` on the line.
            pub fn type_name(&self) -> &str {
                match self {
                    $(Self::$Type(_) => $name,)*
                    Self::Unknown(event) => &event.type_name,
                }
            }

            /// Returns the issue that the event names.
            pub fn issue(&self) -> Option<&IssueId<'a>> {
                match self {
                    $(Self::$Type(_event) => None$(.or(only!(issue $field $presence &_event.$field)))*,)*
                    Self::Unknown(event) => event.issue.as_ref(),
                }
            }

            /// Returns the agent that the event names.
            pub fn agent(&self) -> Option<&str> {
                match self {
                    $(Self::$Type(_event) => None$(.or(only!(agent $field $presence &_event.$field)))*,)*
                    Self::Unknown(_) => None,
                }
            }

            /// Reads the payload of a line whose type is `type_name`; what is left in `members`
            /// afterwards are fields that the type does not know.
            pub(crate) fn from_members(
                type_name: Cow<'a, str>,
                members: &mut RawMembers<'a>,
            ) -> Result<Self, Misfit> {
                match &*type_name {
                    $($name => $Type::from_members(members).map(Self::$Type),)*
                    _ => {
                        let issue = members.iter().find(|(key, _)| key == "issue");
                        let issue = issue.and_then(|(_, raw)| <IssueId as FieldValue>::parse(raw));
                        Ok(Self::Unknown(UnknownEvent { type_name, issue }))
                    }
                }
            }

            /// Reads the payload of a canonical line whose type is `type_name` and hands it to
            /// `then`; `None` where it is not one, or the type is not known.
            ///
            /// Handed on and not returned, for an event is some hundred bytes to move.
            #[inline]
            pub(crate) fn from_canonical<R>(
                type_name: &str,
                values: &mut Values<'a>,
                then: impl FnOnce(Self, &Values<'a>) -> Option<R>,
            ) -> Option<R> {
                match type_name {
                    $($name => then(Self::$Type($Type::from_canonical(values)?), values),)*
                    _ => None,
                }
            }

            pub(crate) fn write_fields(&self, line: &mut LineWriter<'_>) {
                match self {
                    $(Self::$Type(event) => event.write_fields(line),)*
                    Self::Unknown(_) => {}
                }
            }
        }

        const EVENT_TYPES: &[EventType] =
            &[$(EventType { name: $name, fields: $Type::FIELDS },)*];
    };
}

events! {
    /// The first line of a segment: what the file is. It is no event of the run.
    "segment.opened" SegmentOpened<'a> {
        /// The version of the format; absent means 1.
        optional format: u64,
        /// The run that the segment was written for.
        optional run: Cow<'a, str>,
        /// The segment's identity; without it the file's stem is.
        optional segment: Cow<'a, str>,
        /// Where the times come from; absent means `given`.
        optional times: Times,
        /// The host's name.
        optional host: Cow<'a, str>,
        /// Which start of the host's kernel.
        optional boot: Cow<'a, str>,
        /// The file's number on its file system, as it was created.
        optional inode: u64,
        /// The number of that file system, as it was mounted.
        optional device: u64,
        /// The process that created the file.
        optional pid: u64,
        /// The program that created the file.
        optional writer: Program<'a>,
    }

    /// A run began. The first one counts.
    "run.started" RunStarted<'a> {
        /// The project that is worked on.
        required project_id: Identifier<'a>,
        /// The language model that the run is configured with.
        optional llm: Llm<'a>,
        /// What the run was started to do, such as `implement_all`.
        optional mode: Cow<'a, str>,
        /// The one issue that the run was started for.
        optional specific_issue: IssueId<'a>,
        /// Anything else that configures the run.
        optional config: Object,
        /// Names and values to group runs by.
        optional tags: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    }

    /// A run ended. The last one counts.
    "run.finished" RunFinished<'a> {
        /// How it ended.
        required status: RunStatus,
        /// How many lines each segment had, by its id: a lower bound that shows a lost tail.
        optional segments: BTreeMap<Cow<'a, str>, u64>,
    }

    /// Something in the run was counted as a success or an error by its user.
    "run.scored" RunScored {
        /// Which of the two.
        required success: bool,
    }

    /// Work on an issue began.
    "issue.started" IssueStarted<'a> {
        /// The issue.
        required issue: IssueId<'a>,
        /// Its title.
        optional title: Cow<'a, str>,
    }

    /// Work on an issue ended.
    "issue.finished" IssueFinished<'a> {
        /// The issue.
        required issue: IssueId<'a>,
        /// How it ended.
        required status: IssueStatus,
    }

    /// An agent began an attempt at an issue.
    "agent.started" AgentStarted<'a> {
        /// The issue.
        required issue: IssueId<'a>,
        /// The agent.
        required agent: Cow<'a, str>,
        /// What pairs this start with its end.
        optional span: Cow<'a, str>,
    }

    /// An agent ended an attempt at an issue.
    "agent.finished" AgentFinished<'a> {
        /// The issue.
        required issue: IssueId<'a>,
        /// The agent.
        required agent: Cow<'a, str>,
        /// What pairs this end with its start.
        optional span: Cow<'a, str>,
        /// Whether the attempt succeeded.
        required success: bool,
        /// Why it did not.
        optional error: Cow<'a, str>,
    }

    /// A pipeline was seen in a status.
    "pipeline.recorded" PipelineRecorded<'a> {
        /// The issue.
        optional issue: IssueId<'a>,
        /// The pipeline's id at its CI service.
        required pipeline_id: Identifier<'a>,
        /// The status in GitLab's or GitHub's words; see `docs/format.md`.
        required status: Cow<'a, str>,
        /// The commit that it ran on.
        optional commit_sha: Cow<'a, str>,
        /// The workflow's name.
        optional name: Cow<'a, str>,
        /// The branch or tag that it ran on.
        optional git_ref: Cow<'a, str>,
        /// The number of the attempt, from 1; absent means 1.
        optional attempt: u64,
        /// When the attempt began.
        optional started_at: Timestamp,
        /// Who or what triggered it.
        optional triggered_by: Cow<'a, str>,
        /// The names of the jobs that failed.
        optional failed_jobs: Vec<Cow<'a, str>>,
        /// What kind of error it failed with.
        optional error_type: Cow<'a, str>,
        /// How long it waited for a runner, in milliseconds.
        optional queue_ms: u64,
        /// How long it ran, in milliseconds.
        optional duration_ms: u64,
        /// Where a person can look at it.
        optional url: Cow<'a, str>,
    }

    /// A debugging cycle began: an agent has to rework because of an error.
    "debug.started" DebugStarted<'a> {
        /// The issue.
        required issue: IssueId<'a>,
        /// The agent that has to rework.
        required agent: Cow<'a, str>,
        /// What kind of error it is.
        required error_type: Cow<'a, str>,
        /// What the error says.
        required error_message: Cow<'a, str>,
        /// What pairs the events of one cycle.
        optional span: Cow<'a, str>,
    }

    /// A fix was attempted in a debugging cycle.
    "debug.attempted" DebugAttempted<'a> {
        /// The issue.
        required issue: IssueId<'a>,
        /// The agent of the cycle.
        optional agent: Cow<'a, str>,
        /// What pairs the events of one cycle.
        optional span: Cow<'a, str>,
    }

    /// A debugging cycle ended.
    "debug.finished" DebugFinished<'a> {
        /// The issue.
        required issue: IssueId<'a>,
        /// The agent of the cycle.
        optional agent: Cow<'a, str>,
        /// What pairs the events of one cycle.
        optional span: Cow<'a, str>,
        /// Whether the error is gone.
        required resolved: bool,
        /// How it was resolved.
        optional resolution_method: Cow<'a, str>,
    }

    /// An error occurred.
    "error.recorded" ErrorRecorded<'a> {
        /// The issue.
        optional issue: IssueId<'a>,
        /// The agent.
        optional agent: Cow<'a, str>,
        /// What kind of error it is.
        required error_type: Cow<'a, str>,
        /// What it says.
        required message: Cow<'a, str>,
        /// How bad it is, in the user's own words.
        optional severity: Cow<'a, str>,
    }

    /// A language model was called.
    "llm.called" LlmCalled<'a> {
        /// The issue.
        optional issue: IssueId<'a>,
        /// The agent.
        optional agent: Cow<'a, str>,
        /// Who serves the model.
        optional provider: Cow<'a, str>,
        /// The model.
        required model: Cow<'a, str>,
        /// Tokens that went in, cached ones included.
        optional input_tokens: u64,
        /// Tokens that came out, reasoning included.
        optional output_tokens: u64,
        /// Input tokens that were read from a cache.
        optional cache_read_tokens: u64,
        /// Input tokens that were written to a cache.
        optional cache_write_tokens: u64,
        /// Output tokens that were spent on reasoning.
        optional reasoning_tokens: u64,
        /// What it cost, in USD.
        optional cost_usd: Decimal,
        /// How long it took, in milliseconds.
        optional duration_ms: u64,
        /// Whether it succeeded.
        optional success: bool,
        /// Why it did not.
        optional error: Cow<'a, str>,
        /// How many calls the event stands for; absent means 1.
        optional calls: u64,
    }

    /// A tool was called.
    "tool.called" ToolCalled<'a> {
        /// The issue.
        optional issue: IssueId<'a>,
        /// The agent.
        optional agent: Cow<'a, str>,
        /// The tool.
        required tool: Cow<'a, str>,
        /// Whether it succeeded.
        optional success: bool,
        /// How long it took, in milliseconds.
        optional duration_ms: u64,
        /// Why it did not succeed.
        optional error: Cow<'a, str>,
        /// How many calls the event stands for; absent means 1.
        optional calls: u64,
    }

    /// Code was changed.
    "code.changed" CodeChanged<'a> {
        /// The issue.
        required issue: IssueId<'a>,
        /// The agent.
        optional agent: Cow<'a, str>,
        /// Files that are new.
        optional files_created: u64,
        /// Files that were changed.
        optional files_modified: u64,
        /// Files that are gone.
        optional files_deleted: u64,
        /// Lines that are new.
        optional lines_added: u64,
        /// Lines that are gone.
        optional lines_deleted: u64,
        /// Commits that were made.
        optional commits: u64,
        /// The share of the code that tests cover, in percent.
        optional test_coverage_percent: Decimal,
    }

    /// Somebody made a note.
    "note.added" NoteAdded<'a> {
        /// What it says.
        required text: Cow<'a, str>,
        /// The issue.
        optional issue: IssueId<'a>,
        /// The agent.
        optional agent: Cow<'a, str>,
    }
}
