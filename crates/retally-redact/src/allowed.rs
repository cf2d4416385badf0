use regex::Regex;
use std::collections::BTreeSet;

/// What may stand, whatever finds it: made-up keys of a test suite, say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    texts: BTreeSet<String>,
    regexes: Vec<Regex>,
}

impl Allowed {
    /// Allows exactly this text.
    pub(crate) fn add_text(&mut self, text: String) {
        self.texts.insert(text);
    }

    /// Allows what fits, by a pattern that asks for the whole of a text.
    pub(crate) fn add_regex(&mut self, regex: Regex) {
        self.regexes.push(regex);
    }

    /// Returns whether all of a secret that was found is allowed.
    pub(crate) fn holds(&self, secret: &str) -> bool {
        self.texts.contains(secret) || self.regexes.iter().any(|regex| regex.is_match(secret))
    }
}
