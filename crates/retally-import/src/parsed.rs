use crate::problem::Problem;
use retally_log::{Draft, RunId, Times};

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The runs, each with one event or more, sorted by id. No id twice.
    pub runs: Vec<ImportedRun<'a>>,
    /// The records that could not be used, in the order of the file.
    pub problems: Vec<Problem>,
}

/// The events of one run that a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedRun<'a> {
    /// The run that they belong to; the same at each import of the same source.
    pub id: RunId,
    /// Where their times come from; never [`Times::Stamped`].
    pub times: Times,
    /// The events in the order in which they are appended. Each has a time, and a key that is the
    /// same whenever the same fact is imported.
    pub drafts: Vec<Draft<'a>>,
}
