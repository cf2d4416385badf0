use crate::anchors::Anchors;
use crate::mark::{Found, has_marks, replace, spare_marks};
use crate::secret_patterns::SecretPatterns;
use crate::secret_values::SecretValues;
use crate::shapes::{Proof, SHAPES, SPACED_DOTS, Shape};
use crate::value::{is_credential, is_mixed, is_placeholder, is_random, is_secret_member};
use regex::Regex;
use retally_log::{Redactor, short_hash};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

/// Replaces secrets in texts by marks such as `[redacted:github]`.
///
/// ```
/// use retally_log::{Redactor, short_hash};
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
struct AnchoredShapes {
    anchors: Anchors,
    /// Of which shape each anchor is.
    shapes: Vec<usize>,
    /// Those that stand where two dots have six characters between them.
    of_spaced_dots: u128,
}

static ANCHORED_SHAPES: LazyLock<AnchoredShapes> = LazyLock::new(|| {
    const { assert!(SHAPES.len() <= u128::BITS as usize) };
    let anchored = SHAPES.iter().enumerate();
    let anchored =
        anchored.flat_map(|(at, shape)| shape.anchors.iter().map(move |anchor| (*anchor, at)));
    let (dots, words): (Vec<_>, Vec<_>) = anchored.partition(|(anchor, _)| *anchor == SPACED_DOTS);
    let (words, shapes): (Vec<_>, Vec<_>) = words.into_iter().unzip();
    AnchoredShapes {
        anchors: Anchors::new(words),
        shapes,
        of_spaced_dots: dots.iter().fold(0, |bits, (_, at)| bits | 1 << at),
    }
});

impl AnchoredShapes {
    /// Returns a bit for each shape of which an anchor stands in the text.
    fn find(&self, text: &str) -> u128 {
        let mut found = 0;
        self.anchors
            .find(text.as_bytes(), |anchor| found |= 1 << self.shapes[anchor]);
        if has_spaced_dots(text.as_bytes()) {
            found |= self.of_spaced_dots;
        }
        found
    }
}

fn has_spaced_dots(bytes: &[u8]) -> bool {
    const DISTANCE: usize = 7;
    memchr::memchr_iter(b'.', bytes).any(|at| bytes.get(at + DISTANCE) == Some(&b'.'))
}

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

    /// Looks for the values too of those variables whose names hold `KEY`, `TOKEN`, `SECRET`,
    /// `PASSWORD` or `PASSWD`, in whatever case, where they have 8 characters or more. Names that
    /// end in `_FILE`, `_URL`, `_TYPE` and the like, paths and numbers say no secret.
    #[must_use]
    pub fn with_variables(self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let values = SecretValues::of_variables(variables);
        Self { values, ..self }
    }

    /// Looks for the user's own patterns too, and leaves what they allow.
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
        self.patterns.find(text, &mut found);
        let mut anchored = ANCHORED_SHAPES.find(text);
        while anchored != 0 {
            find_shape(anchored.trailing_zeros() as usize, text, &mut found);
            anchored &= anchored - 1;
        }
        if !found.is_empty() {
            found.retain(|secret| !self.patterns.allows(&text[secret.start..secret.end]));
            spare_marks(text, |kind| self.is_kind(kind), &mut found);
        }
        found
    }

    /// Returns the text with marks in the places of secrets, and counts them.
    fn replaced(&self, text: &str, found: Vec<Found<'_>>) -> String {
        let counts = self.counts.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        for secret in &found {
            *counts.entry(secret.kind.to_owned()).or_default() += 1;
        }
        replace(text, found)
    }

    fn is_kind(&self, kind: &str) -> bool {
        SHAPES.iter().any(|shape| shape.kind == kind)
            || self.values.has(kind)
            || self.patterns.has(kind)
    }
}

impl Redactor for SecretRedactor {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text);
        match found.is_empty() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(self.replaced(text, found)),
        }
    }

    /// Two names in which a key of a service stood stay two: eight digits of the hash of each follow
    /// it. Where all that stood in it may be guessed nothing follows: a guess could be checked.
    fn redact_name<'t>(&self, name: &'t str) -> Cow<'t, str> {
        let found = self.find(name);
        if found.is_empty() {
            return Cow::Borrowed(name);
        }
        let is_guessable = found.iter().all(|secret| secret.is_guessable);
        let redacted = self.replaced(name, found);
        Cow::Owned(match is_guessable {
            true => redacted,
            false => format!("{redacted}-{}", short_hash(name)),
        })
    }

    /// A text under a key such as `db_password` is a secret as a whole.
    fn redact_member<'t>(&self, key: &str, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text);
        let is_whole = |secret: &Found<'_>| secret.start == 0 && secret.end == text.len();
        let is_secret = is_secret_member(key, text)
            && !found.iter().any(is_whole)
            && !has_marks(text, |kind| self.is_kind(kind))
            && !self.patterns.allows(text);
        if is_secret {
            let whole = Found {
                start: 0,
                end: text.len(),
                kind: MEMBER_KIND,
                is_guessable: true,
            };
            return Cow::Owned(self.replaced(text, vec![whole]));
        }
        match found.is_empty() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(self.replaced(text, found)),
        }
    }
}

/// What a secret is called that is one by the key under which it stands.
const MEMBER_KIND: &str = "assignment";

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

/// Adds the secrets of one shape, by its place in the table.
fn find_shape(at: usize, text: &str, found: &mut Vec<Found<'_>>) {
    let shape = &SHAPES[at];
    let regex = PATTERNS[at].get_or_init(|| compiled(shape));
    for groups in regex.captures_iter(text) {
        // Group 0 is the match as a whole.
        let Some(hit) = groups.iter().skip(1).flatten().next().or(groups.get(0)) else {
            continue;
        };
        if let Some(Range { start, end }) = proved(shape.proof, text, hit.range()) {
            let (kind, is_guessable) = (shape.kind, shape.is_guessable());
            found.push(Found {
                start,
                end,
                kind,
                is_guessable,
            });
        }
    }
}

/// Returns the part of a match that is a secret.
fn proved(proof: Proof, text: &str, hit: Range<usize>) -> Option<Range<usize>> {
    let matched = &text[hit.clone()];
    let is_proved = match proof {
        Proof::Shape => true,
        Proof::Mixed => is_mixed(matched),
        Proof::Random => is_random(matched),
        Proof::Filled => !is_placeholder(matched),
        Proof::Credential => is_credential(matched),
        Proof::Assigned(value) => return value.part(text, hit),
    };
    is_proved.then_some(hit)
}

#[cfg(test)]
mod tests;
