use crate::mark::Found;
use aho_corasick::{AhoCorasick, MatchKind};

/// Values that are secret wherever they stand.
#[derive(Clone, Debug)]
pub(crate) struct SecretValues {
    search: AhoCorasick,
    names: Vec<String>,
}

/// A shorter value would be found in texts that have nothing to do with it.
const VALUE_BYTES_MIN: usize = 8;
/// What names a variable that holds a secret.
const SECRET_WORDS: [&str; 4] = ["KEY", "TOKEN", "SECRET", "PASSWORD"];
/// What ends the name of a variable that only says where one is.
const PLACE_ENDS: [&str; 4] = ["_FILE", "_PATH", "_DIR", "_SOCK"];

impl SecretValues {
    /// Takes the values of variables whose names say that they are secret.
    pub(crate) fn of_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut secrets: Vec<(String, String)> = variables
            .into_iter()
            .filter(|(name, value)| is_secret(name, value))
            .collect();
        secrets.sort();
        let (names, values): (Vec<_>, Vec<_>) = secrets.into_iter().unzip();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(values)
            .or_else(|_| AhoCorasick::new([""; 0]));
        Self {
            search: search.expect("nothing to look for is not too much"),
            names,
        }
    }

    /// Adds the values that stand in a text.
    pub(crate) fn find<'k>(&'k self, text: &str, found: &mut Vec<Found<'k>>) {
        if self.names.is_empty() {
            return;
        }
        found.extend(self.search.find_iter(text).map(|hit| Found {
            start: hit.start(),
            end: hit.end(),
            kind: &self.names[hit.pattern().as_usize()],
        }));
    }

    /// Returns whether this is the name of a variable whose value is looked for.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_uppercase();
    let is_named_so = SECRET_WORDS.iter().any(|word| name.contains(word));
    let is_place = PLACE_ENDS.iter().any(|end| name.ends_with(end));
    is_named_so && !is_place && value.len() >= VALUE_BYTES_MIN
}
