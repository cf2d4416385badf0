//! Every name and limit of the format on disk, shared by writer and reader.
//!
//! `docs/format.md` explains them; a change here is a change of the format.

/// The version of the format that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u64 = 1;

/// The folder of a run that holds its segments.
pub const EVENTS_DIR: &str = "events";

/// How the file name of a segment ends.
pub const SEGMENT_SUFFIX: &str = ".jsonl";

/// How the file name of a compressed segment ends.
pub const COMPRESSED_SUFFIX: &str = ".jsonl.zst";

/// The longest line in bytes, its LF not counted.
///
/// One line must fit in memory whatever a log holds; the longest prompt that is worth an event
/// is far shorter.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// How deep a line may nest, the line's own object included.
///
/// Parsers that recurse must survive a line of brackets.
pub const DEPTH_MAX: usize = 64;

/// The greatest count or number of milliseconds: 2⁵³ − 1, which every JSON parser reads exactly.
pub const COUNT_MAX: u64 = (1 << 53) - 1;

/// A segment of this many bytes is not continued.
pub const SEGMENT_BYTES_MAX: u64 = 256 << 20;

/// A segment whose last stamp is further ahead of the clock than this is not continued.
pub(crate) const CLOCK_AHEAD_MICROS_MAX: i64 = 3_600_000_000;

/// The bytes at the end of a growing file in which damage is looked at twice before it counts.
///
/// A network file system can show the pages of a write one by one, zeros first.
pub(crate) const UNSETTLED_BYTES: u64 = 4096;

/// The keys that no payload may use.
pub(crate) const RESERVED_KEYS: [&str; 5] = ["seq", "ts", "type", "key", "crc"];

/// The names under which the `issue` of an event is also read, the first that occurs counts.
pub(crate) const ISSUE_ALIASES: [&str; 2] = ["issue_id", "issue_iid"];

/// How the program that wrote a segment is named in its first line.
pub(crate) const WRITER_NAME: &str = "retally";

/// The version of that program. Only the same version continues a segment.
pub(crate) const WRITER_VERSION: &str = env!("CARGO_PKG_VERSION");
