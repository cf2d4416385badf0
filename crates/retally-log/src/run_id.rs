use crate::file_name::plain_or_escaped;
use crate::timestamp::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The id of a run, which is also the name of its folder: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
///
/// ```
/// use retally_log::RunId;
///
/// assert!(RunId::new("run_20241203_143022_project_168").is_ok());
/// assert!(RunId::new("../outside").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

/// A text that is no [`RunId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no run id (want 1 to 128 letters, digits, `.`, `_`, `-`, the first no `.` or `-`)"
)]
pub struct RunIdError(String);

const RUN_ID_BYTES_MAX: usize = 128;

impl RunId {
    /// Takes a text that may be a run's id.
    ///
    /// # Errors
    /// The text is no run id.
    pub fn new(text: impl Into<String>) -> Result<Self, RunIdError> {
        let text = text.into();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let starts_well = !text.starts_with(['.', '-']);
        if starts_well
            && (1..=RUN_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(is_allowed)
        {
            Ok(Self(text))
        } else {
            Err(RunIdError(text))
        }
    }

    /// Makes the usual id of a run: `run_20241203_143022_project_168`, its time in UTC.
    ///
    /// A project that a file name cannot hold is escaped and told apart by a hash.
    pub fn for_project(started: Timestamp, project: &str) -> Self {
        let time = started.to_datetime().format("%Y%m%d_%H%M%S");
        Self(format!(
            "run_{time}_project_{}",
            plain_or_escaped(project, '_')
        ))
    }

    /// Makes the id of a run that is imported from `source` by `format`, the same at each import.
    pub fn for_import(format: &str, source: &str) -> Self {
        Self(format!("{format}_{}", plain_or_escaped(source, '_')))
    }

    /// Returns the same id with a number behind it, for the second run of one second on.
    ///
    /// An id too long for that loses its end.
    #[must_use]
    pub fn numbered(&self, number: u64) -> Self {
        let suffix = format!("_{number}");
        let kept = self.0.len().min(RUN_ID_BYTES_MAX - suffix.len());
        Self(format!("{}{suffix}", &self.0[..kept]))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        Self::new(text)
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_leave_the_root_is_no_id() {
        let long = "a".repeat(129);
        for text in [
            "", ".", "..", ".hidden", "-rf", "a/b", "a\\b", "a b", "a\0", "ü", "a%2e", "a\n", &long,
        ] {
            assert!(RunId::new(text).is_err(), "{text:?}");
        }
        for text in ["a", "_", "7", "a..b", "run_1-2.3", &long[1..]] {
            assert!(RunId::new(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn the_id_of_a_projects_run_is_an_id_whatever_the_project() {
        let time = Timestamp::parse("2024-12-03T15:30:22+01:00").expect("a time");
        let check = |project: &str, expected: &str| {
            let id = RunId::for_project(time, project);
            assert_eq!(id.as_str(), expected);
            assert_eq!(RunId::new(id.as_str()), Ok(id));
        };
        check("168", "run_20241203_143022_project_168");
        check(
            "group/app",
            "run_20241203_143022_project_group_2Fapp-4658e38d",
        );
    }

    #[test]
    fn a_numbered_id_stays_within_the_length() {
        let id = RunId::new("a".repeat(128)).expect("an id");
        assert_eq!(
            RunId::new(id.numbered(12).as_str()).map(|id| id.as_str().len()),
            Ok(128)
        );
    }
}
