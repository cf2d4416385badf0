//! What is said on stderr quotes what was given, and ends in the logs of CI jobs: it goes through a
//! redactor too, whatever the options say.

use retally_log::{Redactor as _, Root};
use retally_redact::{SecretPatterns, SecretRedactor};
use std::ffi::OsString;
use std::sync::{LazyLock, OnceLock};

/// The root whose patterns are looked for too.
static ROOT: OnceLock<Root> = OnceLock::new();

static REDACTOR: LazyLock<SecretRedactor> = LazyLock::new(|| {
    let patterns = ROOT.get().map(SecretPatterns::for_root);
    // A broken file is an error where it matters, and may be the one that is to be said.
    let patterns = patterns.and_then(Result::ok).unwrap_or_default();
    of_environment().with_patterns(patterns)
});

/// Stands for the rest of a text that was cut off: characters that every kind of key may hold, and
/// more than any has.
const REST: &str = "2345672345672345672345672345672345672345672345672345672345672345672345672345672345\
    672345672345672345672345672345672345672345672345672345672345672345672345672345672345";

/// How many places are looked at where something is cut off: no error quotes as many.
const CUTS_MAX: usize = 16;

/// Makes the patterns of a root count for what is said from now on; the first root that is named
/// counts.
pub(crate) fn of_root(root: &Root) {
    _ = ROOT.set(root.clone());
}

/// Returns a redactor that knows the values of the environment.
pub(crate) fn of_environment() -> SecretRedactor {
    let utf8 = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    SecretRedactor::new().with_variables(std::env::vars_os().filter_map(utf8))
}

/// Returns a text as it may be said. Of what is cut off behind `…` that part goes too that is the
/// beginning of a secret.
pub(crate) fn without_secrets(text: &str) -> String {
    let pieces = text.split_inclusive('…').enumerate();
    let cleaned = pieces.map(|(number, piece)| match piece.strip_suffix('…') {
        Some(start) if number < CUTS_MAX => without_beginning(start) + "…",
        _ => REDACTOR.redact(piece).into_owned(),
    });
    cleaned.collect()
}

/// Returns the text without its secrets, nor what is one with any part of [`REST`] behind it: some
/// keys have one length only.
fn without_beginning(start: &str) -> String {
    let with_rest = |bytes: usize| {
        let rest = &REST[..bytes];
        let redacted = REDACTOR.redact(&format!("{start}{rest}")).into_owned();
        if redacted.ends_with(rest) {
            return None;
        }
        // What follows the last mark is of the rest, which no key is long enough for.
        let end = redacted.rfind(']').map_or(0, |at| at + 1);
        Some(redacted[..end].to_owned())
    };
    let mut bytes = (1..=REST.len()).rev();
    let redacted = bytes.find_map(with_rest);
    redacted.unwrap_or_else(|| REDACTOR.redact(start).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_cut_off_is_one_too() {
        let key = format!("{}_{}", "ghp", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6");
        for (text, expected) in [
            (key.clone(), "[redacted:github]"),
            (
                format!("got \"a {}…, want", &key[..9]),
                "got \"a [redacted:github]…, want",
            ),
            (
                format!("dapi{}… and {key}", "0a1b2c"),
                "[redacted:databricks]… and [redacted:github]",
            ),
            (format!("AKIA{}…", "A2B3C4"), "[redacted:aws]…"),
            ("got \"some text…, want".into(), "got \"some text…, want"),
            ("a … b … 2345672345".into(), "a … b … 2345672345"),
            (
                "got `password=hunter…`".into(),
                "got `password=[redacted:assignment]…`",
            ),
        ] {
            assert_eq!(without_secrets(&text), expected);
        }
    }
}
