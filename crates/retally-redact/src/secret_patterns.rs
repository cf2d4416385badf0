use crate::mark::Found;
use regex::{Regex, RegexBuilder};
use retally_log::Root;
use serde::Deserialize;
use std::io;
use std::path::PathBuf;
use toml::Spanned;

/// The file in the root that holds the user's own patterns.
pub const REDACT_FILE: &str = "redact.toml";

/// The user's own patterns of what is secret.
///
/// ```
/// use retally_redact::SecretPatterns;
///
/// let text = "[[pattern]]\nkind = \"customer\"\nregex = 'CUST-(\\d{6})'\n";
/// assert_eq!(SecretPatterns::parse(text, "redact.toml")?.len(), 1);
/// # Ok::<(), retally_redact::PatternsError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SecretPatterns(pub(crate) Vec<SecretPattern>);

#[derive(Clone, Debug)]
pub(crate) struct SecretPattern {
    pub(crate) kind: String,
    pub(crate) regex: Regex,
}

/// Why there are no patterns. Without them nothing should be appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatternsError {
    /// The file is there and cannot be read.
    #[error("`{}` cannot be read (make it a regular file of at most 1 MiB, or remove it)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text holds something else.
    #[error("`{file}`, line {line}: {reason}")]
    Malformed {
        /// What the file is called.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the cure.
        reason: String,
    },
}

/// How many patterns a file may hold: each is looked for in each text.
const PATTERNS_MAX: usize = 100;
/// How much memory a compiled pattern may take, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Behind so many places of one pattern in one text the rest of the text is taken for a secret: a
/// search may look at all that follows, so that many places could cost the square of the length.
const PLACES_MAX: usize = 1000;
/// How long the name of a kind may be.
const KIND_BYTES_MAX: usize = 40;

/// What an entry looks like, as errors say it.
const FORM: &str = "write each as `[[pattern]]` with `kind` and `regex`";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    pattern: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: Spanned<String>,
    regex: Spanned<String>,
}

impl SecretPatterns {
    /// Reads the file of a root; there are none where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or is malformed.
    pub fn for_root(root: &Root) -> Result<Self, PatternsError> {
        let path = root.path().join(REDACT_FILE);
        match root.read_file(REDACT_FILE) {
            Ok(Some(text)) => Self::parse(&text, &path.display().to_string()),
            Ok(None) => Ok(Self::default()),
            Err(source) => Err(PatternsError::Read { path, source }),
        }
    }

    /// Reads patterns; `file` is what errors call the text. The first group of a pattern is the
    /// secret; without one the whole match is.
    ///
    /// # Errors
    /// The text is malformed.
    pub fn parse(text: &str, file: &str) -> Result<Self, PatternsError> {
        let malformed = |at: usize, reason: String| PatternsError::Malformed {
            file: file.to_owned(),
            line: text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1,
            reason,
        };
        let parsed: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            malformed(at, format!("{} ({FORM})", error.message()))
        })?;
        let patterns = parsed.pattern.into_iter().enumerate().map(|(number, entry)| {
            let (kind_at, regex_at) = (entry.kind.span().start, entry.regex.span().start);
            if number >= PATTERNS_MAX {
                return Err(malformed(kind_at, format!("more than {PATTERNS_MAX} patterns (join some by `|`)")));
            }
            let kind = entry.kind.into_inner();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if kind.is_empty() || kind.len() > KIND_BYTES_MAX || !kind.bytes().all(is_plain) {
                let reason = format!("`kind` is {kind:?} (want 1 to {KIND_BYTES_MAX} letters, digits, `-` and `_`)");
                return Err(malformed(kind_at, reason));
            }
            let regex = entry.regex.into_inner();
            let compiled = RegexBuilder::new(&regex).size_limit(PATTERN_BYTES_MAX).build();
            let regex = compiled.map_err(|error| {
                // The lines before the last show the pattern with a mark below.
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default();
                let reason = reason.trim_start_matches("error: ");
                malformed(regex_at, format!("`regex` is none: {reason} (correct it)"))
            })?;
            if regex.is_match("") {
                return Err(malformed(regex_at, "`regex` fits the empty text (make it ask for something)".to_owned()));
            }
            Ok(SecretPattern { kind, regex })
        });
        patterns.collect::<Result<_, _>>().map(Self)
    }

    /// Adds the secrets that patterns find in a text.
    pub(crate) fn find<'k>(&'k self, text: &str, found: &mut Vec<Found<'k>>) {
        for SecretPattern { kind, regex } in &self.0 {
            for (number, groups) in regex.captures_iter(text).enumerate() {
                let Some(hit) = groups.get(1).or_else(|| groups.get(0)) else {
                    continue;
                };
                let is_last = number == PLACES_MAX;
                let (start, end) = (hit.start(), if is_last { text.len() } else { hit.end() });
                if start < end {
                    found.push(Found { start, end, kind });
                }
                if is_last {
                    break;
                }
            }
        }
    }

    /// Returns whether a pattern finds secrets of this kind.
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.0.iter().any(|pattern| pattern.kind == kind)
    }

    /// Returns how many patterns there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
