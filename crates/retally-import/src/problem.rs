use std::fmt;

/// A record of a file that could not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counts the records of the file from 1; in a file of lines, the lines.
    pub record: u64,
    /// Where the record begins in the file, in bytes.
    pub offset: u64,
    /// What is wrong with it, with what was got and what is wanted.
    pub reason: String,
}

/// Reads as `record 17 at byte 2048: ...`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            record,
            offset,
            reason,
        } = self;
        write!(f, "record {record} at byte {offset}: {reason}")
    }
}
