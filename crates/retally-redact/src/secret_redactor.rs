use crate::mark::{Found, marks, replace};
use crate::secret_patterns::SecretPatterns;
use crate::secret_values::SecretValues;
use crate::shapes::{SHAPES, Shape};
use aho_corasick::AhoCorasick;
use regex::Regex;
use retally_log::Redactor;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

/// Replaces secrets in texts by marks such as `[redacted:github]`.
///
/// ```
/// use retally_log::Redactor;
/// use retally_redact::SecretRedactor;
///
/// let redactor = SecretRedactor::new()
///     .with_variables([("DB_PASSWORD".to_owned(), "correct horse".to_owned())]);
/// let text = redactor.redact("login with correct horse failed");
/// assert_eq!(text, "login with [redacted:DB_PASSWORD] failed");
/// ```
#[derive(Debug)]
pub struct SecretRedactor {
    values: SecretValues,
    patterns: SecretPatterns,
    /// How often secrets of each kind were replaced.
    counts: Mutex<BTreeMap<String, u64>>,
}

/// Finds which shapes a text may hold, in one pass.
struct Anchors {
    search: AhoCorasick,
    /// Of which shape each anchor is.
    shapes: Vec<usize>,
}

static ANCHORS: LazyLock<Anchors> = LazyLock::new(|| {
    let anchored = SHAPES.iter().enumerate();
    let (anchors, shapes): (Vec<_>, Vec<_>) = anchored
        .flat_map(|(at, shape)| shape.anchors.iter().map(move |anchor| (*anchor, at)))
        .unzip();
    let search = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(anchors);
    let search = search.expect("the anchors are few");
    Anchors { search, shapes }
});

/// The patterns of the shapes, each compiled when a text first holds one of its anchors.
static PATTERNS: [OnceLock<Regex>; SHAPES.len()] = [const { OnceLock::new() }; SHAPES.len()];

impl Default for SecretRedactor {
    fn default() -> Self {
        Self::new()
    }
}

impl SecretRedactor {
    /// Knows the shapes of services' keys, and nothing else.
    pub fn new() -> Self {
        Self {
            values: SecretValues::of_variables([]),
            patterns: SecretPatterns::default(),
            counts: Mutex::default(),
        }
    }

    /// Looks for the values too of those variables whose names hold `KEY`, `TOKEN`, `SECRET` or
    /// `PASSWORD`, in whatever case, where they are 8 bytes or longer. Names that end in `_FILE`,
    /// `_PATH`, `_DIR` or `_SOCK` only say where a secret is.
    #[must_use]
    pub fn with_variables(self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let values = SecretValues::of_variables(variables);
        Self { values, ..self }
    }

    /// Looks for the user's own patterns too.
    #[must_use]
    pub fn with_patterns(self, patterns: SecretPatterns) -> Self {
        Self { patterns, ..self }
    }

    /// Returns how often secrets of each kind were replaced so far.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, text: &str) -> Vec<Found<'_>> {
        let mut found = Vec::new();
        self.values.find(text, &mut found);
        for pattern in &self.patterns.0 {
            find_pattern(&pattern.regex, text, &pattern.kind, |_| true, &mut found);
        }
        let anchored = anchored_shapes(text);
        for (at, shape) in SHAPES.iter().enumerate() {
            if anchored & 1 << at != 0 {
                let regex = PATTERNS[at].get_or_init(|| compiled(shape));
                let is_secret = |text: &str| !shape.is_mixed || is_mixed(text);
                find_pattern(regex, text, shape.kind, is_secret, &mut found);
            }
        }
        if !found.is_empty() {
            let marks = marks(text, |kind| self.is_kind(kind));
            let is_marked = |secret: &Found<'_>| {
                marks
                    .iter()
                    .any(|mark| secret.start < mark.end && mark.start < secret.end)
            };
            found.retain(|secret| !is_marked(secret));
        }
        found
    }

    fn is_kind(&self, kind: &str) -> bool {
        SHAPES.iter().any(|shape| shape.kind == kind)
            || self.values.has(kind)
            || self.patterns.0.iter().any(|pattern| pattern.kind == kind)
    }
}

impl Redactor for SecretRedactor {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let counts = self.counts.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        for secret in &found {
            *counts.entry(secret.kind.to_owned()).or_default() += 1;
        }
        Cow::Owned(replace(text, found))
    }
}

/// Returns a bit for each shape of which an anchor stands in the text.
fn anchored_shapes(text: &str) -> u64 {
    const { assert!(SHAPES.len() <= u64::BITS as usize) };
    let hits = ANCHORS.search.find_overlapping_iter(text);
    hits.fold(0, |shapes, hit| {
        shapes | 1 << ANCHORS.shapes[hit.pattern().as_usize()]
    })
}

/// What stands in front of a key: no word, or the end of an escape that looks like one.
const START: &str = r"(?:\b|\\[a-z]|%[0-9A-Fa-f]{2}|\x1b\[[0-9;]*m)";

fn compiled(shape: &Shape) -> Regex {
    let regex = |pattern: &str| {
        Regex::new(pattern).expect("each pattern of the table is compiled in a test")
    };
    let plain = regex(shape.pattern);
    match shape.pattern.strip_prefix(r"\b") {
        Some(rest) if plain.captures_len() > 1 => regex(&format!("{START}{rest}")),
        Some(rest) => regex(&format!("{START}({rest})")),
        None => plain,
    }
}

/// Adds what a pattern finds: its first group, or all of it.
fn find_pattern<'k>(
    regex: &Regex,
    text: &str,
    kind: &'k str,
    is_secret: impl Fn(&str) -> bool,
    found: &mut Vec<Found<'k>>,
) {
    for groups in regex.captures_iter(text) {
        let Some(hit) = groups.get(1).or_else(|| groups.get(0)) else {
            continue;
        };
        if is_secret(hit.as_str()) && !hit.is_empty() {
            let (start, end) = (hit.start(), hit.end());
            found.push(Found { start, end, kind });
        }
    }
}

/// Returns whether a text holds a digit and a letter.
fn is_mixed(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests;
