//! The event log of retally: typed events in append-only JSON Lines segments.
//!
//! Any number of writers append to a run at once, each to a segment of its own; readers yield
//! the events of all segments in one order, and go on where they stopped as the files grow.
//!
//! What this crate promises: an event whose append returned is in the kernel's hands; no writer
//! changes or removes a line; a reader accounts for every byte, and damage costs only the lines
//! that it touches. What it never does: print, read the environment, or need a server.
#![forbid(unsafe_code)]

mod append_error;
mod appender;
mod archive;
mod audit;
mod canonical_line;
mod clock;
mod copied_line;
mod entry;
mod envelope;
mod event;
#[cfg(test)]
mod faulty_storage;
mod field;
mod file_name;
mod flat_object;
mod folder;
mod format;
mod group_commit;
mod held_segment;
mod host;
mod identifier;
mod index;
mod json;
mod line;
mod line_reader;
mod line_writer;
mod locked_segment;
mod log_error;
mod log_reader;
mod log_stamp;
mod mark;
#[cfg(test)]
mod modelled_storage;
mod number;
mod open_file;
mod position;
#[cfg(test)]
mod proof;
#[cfg(test)]
#[path = "../../../tests/guarantees/random.rs"]
mod random;
mod read_ahead;
mod redacted_keys;
mod redactor;
mod removal;
mod root;
mod root_file;
mod run_dir;
mod run_id;
mod segment;
mod segment_claim;
mod segment_file;
mod segment_lines;
mod segment_reader;
mod segment_tail;
mod shared_work;
mod source;
mod stamps;
mod storage;
mod timestamp;
mod words;
mod writer;

pub use append_error::AppendError;
pub use archive::{ArchiveError, Archived};
pub use audit::{Audit, Finding, Problem, SegmentAudit};
pub use clock::{Clock, ManualClock, SystemClock};
pub use copied_line::{StretchReader, append_copied_event, append_copied_misfit, line_time};
pub use entry::{Content, Entry, Logged, Place};
pub use envelope::{Draft, Envelope, ExtraFields};
pub use event::{
    AgentFinished, AgentStarted, CodeChanged, DebugAttempted, DebugFinished, DebugStarted,
    ErrorRecorded, Event, EventType, Field, IssueFinished, IssueStarted, LlmCalled, Misfit,
    NoteAdded, PipelineRecorded, RunFinished, RunScored, RunStarted, SegmentOpened, ToolCalled,
    UnknownEvent,
};
pub use field::{IssueStatus, Kind, Llm, Program, RunStatus, Times};
pub use file_name::{file_stem, short_hash};
pub use format::{
    COMPRESSED_SUFFIX, COUNT_MAX, DEPTH_MAX, EVENTS_DIR, FORMAT_VERSION, LINE_BYTES_MAX,
    SEGMENT_BYTES_MAX, SEGMENT_SUFFIX,
};
pub use host::Host;
pub use identifier::{Identifier, IssueId};
pub use json::{Json, Object};
pub use line::{Damage, DraftError};
pub use line_writer::EncodeError;
pub use log_error::LogError;
pub use log_reader::{LogReader, Unread};
pub use log_stamp::LogStamp;
pub use mark::Mark;
pub use number::{Decimal, Number, NumberError};
pub use position::{Position, SegmentId};
pub use redactor::Redactor;
pub use removal::RemoveError;
pub use root::{Root, RootError};
pub use run_dir::RunDir;
pub use run_id::{RunId, RunIdError};
pub use shared_work::may_share_work;
pub use timestamp::{Timestamp, TimestampError};
pub use writer::{Appended, Durability, Writer, WriterOptions};

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeExamples;
