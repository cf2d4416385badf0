use std::fmt;
use std::process::ExitCode;

/// How the command ends, as its help and the README say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was asked to do.
    Done,
    /// It did, and found what it was asked to look for.
    Found,
    /// It was asked in a way that it does not understand; the argument parser says so too.
    WrongUsage,
    /// It could not do it.
    Failed,
}

impl Exit {
    /// Returns the number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Found => 1,
            Self::WrongUsage => 2,
            Self::Failed => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What the help says of the exit codes.
pub(crate) const EXIT_CODES_HELP: &str = "\
Exit codes:
  0  done
  1  done, and found what it was asked to look for (check, rebuild --dry-run,
     compare --fail-if, alerts --fail-if), or left out damaged lines (redact)
  2  wrong usage
  3  could not do it";

/// An error in what was asked, not in the doing.
#[derive(Debug)]
pub(crate) struct WrongUsage(String);

pub(crate) fn wrong_usage(text: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(WrongUsage(text.into()))
}

impl fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}
