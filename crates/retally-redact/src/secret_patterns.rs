use crate::allowed::Allowed;
use crate::mark::Found;
use regex::{Regex, RegexBuilder};
use retally_log::Root;
use serde::Deserialize;
use std::io;
use std::path::PathBuf;
use toml::Spanned;

/// The file in the root that holds the user's own patterns.
pub const REDACT_FILE: &str = "redact.toml";

/// The user's own patterns of what is secret, and what is allowed to stand whatever finds it.
///
/// ```
/// use retally_redact::SecretPatterns;
///
/// let text = "[[pattern]]\nkind = \"customer\"\nregex = 'CUST-(\\d{6})'\n";
/// assert_eq!(SecretPatterns::parse(text, "redact.toml")?.len(), 1);
/// # Ok::<(), retally_redact::PatternsError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SecretPatterns {
    patterns: Vec<SecretPattern>,
    allowed: Allowed,
}

#[derive(Clone, Debug)]
struct SecretPattern {
    kind: String,
    regex: Regex,
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
/// How much a file may allow.
const ALLOWED_MAX: usize = 1000;
/// How much memory a compiled pattern may take, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Behind so many places of one pattern in one text the rest of the text is taken for a secret: a
/// search may look at all that follows, so that many places could cost the square of the length.
const PLACES_MAX: usize = 1000;
/// How long the name of a kind may be.
const KIND_BYTES_MAX: usize = 40;

/// What an entry looks like, as errors say it.
const FORM: &str =
    "write `[[pattern]]` with `kind` and `regex`, or `[[allow]]` with `text` or `regex`";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    pattern: Vec<PatternEntry>,
    #[serde(default)]
    allow: Vec<Spanned<AllowEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternEntry {
    kind: Spanned<String>,
    regex: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowEntry {
    text: Option<String>,
    regex: Option<Spanned<String>>,
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
        let malformed = |(at, reason): Reason| PatternsError::Malformed {
            file: file.to_owned(),
            line: text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1,
            reason,
        };
        let parsed: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            malformed((at, format!("{} ({FORM})", error.message())))
        })?;
        if let Some(surplus) = parsed.pattern.get(PATTERNS_MAX) {
            let reason = format!("more than {PATTERNS_MAX} patterns (join some by `|`)");
            return Err(malformed((surplus.kind.span().start, reason)));
        }
        if let Some(surplus) = parsed.allow.get(ALLOWED_MAX) {
            let reason = format!("more than {ALLOWED_MAX} `[[allow]]` (join some by `|`)");
            return Err(malformed((surplus.span().start, reason)));
        }
        let patterns = parsed.pattern.into_iter().map(SecretPattern::new);
        let patterns: Result<_, Reason> = patterns.collect();
        let mut allowed = Allowed::default();
        for entry in parsed.allow {
            add_allowed(&mut allowed, entry).map_err(malformed)?;
        }
        Ok(Self {
            patterns: patterns.map_err(malformed)?,
            allowed,
        })
    }

    /// Adds the secrets that patterns find in a text.
    pub(crate) fn find<'k>(&'k self, text: &str, found: &mut Vec<Found<'k>>) {
        for SecretPattern { kind, regex } in &self.patterns {
            for (number, groups) in regex.captures_iter(text).enumerate() {
                let Some(hit) = groups.get(1).or_else(|| groups.get(0)) else {
                    continue;
                };
                let is_last = number == PLACES_MAX;
                let (start, end) = (hit.start(), if is_last { text.len() } else { hit.end() });
                if start < end {
                    let is_guessable = true;
                    found.push(Found {
                        start,
                        end,
                        kind,
                        is_guessable,
                    });
                }
                if is_last {
                    break;
                }
            }
        }
    }

    /// Returns whether a pattern finds secrets of this kind.
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.kind == kind)
    }

    /// Returns whether a text is allowed to stand, whatever finds it.
    pub(crate) fn allows(&self, secret: &str) -> bool {
        self.allowed.holds(secret)
    }

    /// Returns how many patterns there are.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

/// Where in the text something is wrong, and what, with the cure.
type Reason = (usize, String);

impl SecretPattern {
    fn new(entry: PatternEntry) -> Result<Self, Reason> {
        let at = entry.kind.span().start;
        let kind = entry.kind.into_inner();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if kind.is_empty() || kind.len() > KIND_BYTES_MAX || !kind.bytes().all(is_plain) {
            let reason = format!(
                "`kind` is {kind:?} (want 1 to {KIND_BYTES_MAX} letters, digits, `-` and `_`)"
            );
            return Err((at, reason));
        }
        let regex = compiled(&entry.regex, |regex| regex.to_owned())?;
        Ok(Self { kind, regex })
    }
}

fn add_allowed(allowed: &mut Allowed, entry: Spanned<AllowEntry>) -> Result<(), Reason> {
    let at = entry.span().start;
    let AllowEntry { text, regex } = entry.into_inner();
    match (text, regex) {
        (Some(text), None) => allowed.add_text(text),
        (None, Some(regex)) => {
            let whole = compiled(&regex, |regex| format!(r"\A(?:{regex})\z"))?;
            allowed.add_regex(whole);
        }
        _ => {
            let reason = "`[[allow]]` wants either `text` or `regex` (write two for both)";
            return Err((at, reason.to_owned()));
        }
    }
    Ok(())
}

/// Compiles a pattern as it is written, and then as it is to be looked for.
fn compiled(regex: &Spanned<String>, wrap: impl Fn(&str) -> String) -> Result<Regex, Reason> {
    let at = regex.span().start;
    let build = |regex: &str| {
        let built = RegexBuilder::new(regex)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        built.map_err(|error| {
            // The lines before the last show the pattern with a mark below.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            (at, format!("`regex` is none: {reason} (correct it)"))
        })
    };
    if build(regex.get_ref())?.is_match("") {
        let reason = "`regex` fits the empty text (make it ask for something)";
        return Err((at, reason.to_owned()));
    }
    build(&wrap(regex.get_ref()))
}
