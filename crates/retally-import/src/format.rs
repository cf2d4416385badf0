use crate::error::ImportError;
use crate::parsed::Parsed;
use crate::source::Source;
use crate::{github_actions, jsonl};

/// A kind of file that can be imported.
///
/// ```
/// use retally_import::{Format, Source};
/// use std::path::Path;
///
/// let line = br#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":123}"#;
/// let format = Format::find("jsonl").expect("a known format");
/// let source = Source { path: Path::new("bot.jsonl"), bytes: line, run: None };
/// let parsed = format.parse(&source)?;
/// assert_eq!(parsed.runs[0].id.as_str(), "jsonl_bot");
/// # Ok::<(), retally_import::ImportError>(())
/// ```
#[derive(Debug)]
pub struct Format {
    /// Its name on the command line, and the first part of its runs' ids and keys.
    pub name: &'static str,
    /// What such files are, in one line.
    pub summary: &'static str,
    pub(crate) parse: for<'a> fn(&Source<'a>) -> Result<Parsed<'a>, ImportError>,
}

impl Format {
    /// All formats, sorted by name.
    pub const ALL: &'static [Self] = &[github_actions::FORMAT, jsonl::FORMAT];

    /// Returns the format of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|format| format.name == name)
    }

    /// Reads all runs that a file holds.
    ///
    /// # Errors
    /// The file as a whole is not of the format, or holds several runs though `source` names one.
    pub fn parse<'a>(&self, source: &Source<'a>) -> Result<Parsed<'a>, ImportError> {
        let mut parsed = (self.parse)(source)?;
        if let Some(run) = source.run {
            match parsed.runs.as_mut_slice() {
                [] => {}
                [only] => only.id = run.clone(),
                several => {
                    return Err(ImportError::SeveralRuns {
                        path: source.path.to_owned(),
                        got: several.len(),
                    });
                }
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests;
