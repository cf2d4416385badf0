use crate::mark::Found;
use crate::value::is_path;
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Values that are secret wherever they stand, each also as JSON and URLs escape it and in base64.
#[derive(Clone)]
pub(crate) struct SecretValues {
    /// `None` where there is nothing to look for.
    search: Option<AhoCorasick>,
    /// For each text that is looked for the name of its variable.
    names: Vec<String>,
}

/// A shorter value would be found in texts that have nothing to do with it.
const VALUE_CHARS_MIN: usize = 8;
/// Longer values are passed over, and so is what goes beyond so many bytes of all: an environment
/// may hold megabytes, each of which takes some fifty times as much to be looked for.
const VALUE_BYTES_MAX: usize = 8 << 10;
const ALL_BYTES_MAX: usize = 128 << 10;
/// What names a variable that holds a secret.
const SECRET_WORDS: [&str; 5] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD"];
/// Words that hold one of these and mean something else.
const OTHER_WORDS: [&str; 4] = ["TOKENIZ", "KEYBOARD", "KEYMAP", "MONKEY"];
/// The last word of the name of a variable that only says where a secret is, or what it is like.
const PLACE_ENDS: [&str; 16] = [
    "ALGORITHM",
    "DIR",
    "ENDPOINT",
    "FILE",
    "FORMAT",
    "HOST",
    "ISSUER",
    "MODE",
    "NAME",
    "PATH",
    "REGION",
    "SOCK",
    "TYPE",
    "URI",
    "URL",
    "VERSION",
];

impl SecretValues {
    /// Takes the values of variables that are secret by their names and by what they hold.
    pub(crate) fn of_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let secrets: BTreeMap<String, String> = variables
            .into_iter()
            .map(|(name, value)| (name, value.trim().to_owned()))
            .filter(|(name, value)| is_secret_name(name) && is_secret_value(name, value))
            .collect();
        let mut room = ALL_BYTES_MAX;
        let (mut forms, mut names) = (Vec::new(), Vec::new());
        for (name, value) in secrets {
            let Some(left) = room.checked_sub(value.len()) else {
                continue;
            };
            room = left;
            for form in forms_of(&value) {
                forms.push(form);
                names.push(name.clone());
            }
        }
        let build = || {
            let search = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&forms);
            search.expect("an automaton holds 2³¹ bytes, these are far fewer")
        };
        Self {
            search: (!forms.is_empty()).then(build),
            names,
        }
    }

    /// Adds the values that stand in a text.
    pub(crate) fn find<'k>(&'k self, text: &str, found: &mut Vec<Found<'k>>) {
        let Some(search) = &self.search else { return };
        found.extend(search.find_iter(text).map(|hit| Found {
            start: hit.start(),
            end: hit.end(),
            kind: &self.names[hit.pattern().as_usize()],
            is_guessable: true,
        }));
    }

    /// Returns whether this is the name of a variable whose value is looked for.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

impl std::fmt::Debug for SecretValues {
    /// Shows no value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SecretValues").field(&self.names).finish()
    }
}

/// Returns whether a name says that a variable holds a secret.
fn is_secret_name(name: &str) -> bool {
    let mut name = name.to_ascii_uppercase();
    if PLACE_ENDS
        .iter()
        .any(|end| name.rsplit('_').next() == Some(end))
    {
        return false;
    }
    for other in OTHER_WORDS {
        name = name.replace(other, "");
    }
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Returns whether a value may be a secret: long enough, no path, and no number unless the name
/// says that it is a password or a secret.
fn is_secret_value(name: &str, value: &str) -> bool {
    if value.len() > VALUE_BYTES_MAX || value.chars().count() < VALUE_CHARS_MIN {
        return false;
    }
    let name = name.to_ascii_uppercase();
    let may_be_number = name.contains("PASSW") || name.contains("SECRET");
    let is_number = value
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".,-_".contains(&byte));
    !is_path(value) && (may_be_number || !is_number)
}

/// Returns a value as it may stand in a text.
fn forms_of(value: &str) -> Vec<String> {
    let mut forms = vec![
        value.to_owned(),
        json_escaped(value),
        url_escaped(value),
        base64(value),
    ];
    forms.sort();
    forms.dedup();
    forms
}

fn json_escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn url_escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Returns the value in base64, without what depends on what follows it.
fn base64(value: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(value.len().div_ceil(3) * 4);
    for chunk in value.as_bytes().chunks_exact(3) {
        let bits = chunk
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for shift in [18, 12, 6, 0] {
            encoded.push(char::from(DIGITS[bits >> shift & 63]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_secret_by_its_name_and_its_value() {
        let check = |name: &str, value: &str, expected: bool| {
            let actual = is_secret_name(name) && is_secret_value(name, value);
            assert_eq!(actual, expected, "{name}={value}");
        };
        for name in [
            "MY_TOKEN",
            "token",
            "APIKEY",
            "PGPASSWORD",
            "secretKeyBase",
            "AWS_KEY_1",
        ] {
            check(name, "hunter-22", true);
            check(name, "hunter2", false);
        }
        for name in [
            "PATH",
            "KEYBOARD_LAYOUT",
            "TOKENIZER",
            "TOKEN_TYPE",
            "SSH_KEY_FILE",
            "KEY_NAME",
        ] {
            check(name, "hunter-22", false);
        }
        check("SSH_KEY", "/home/me/.ssh/id_rsa", false);
        check("MAX_TOKENS", "1000000000", false);
        check("PASSWORD", "1000000000", true);
        check("MY_TOKEN", "密码密码密码密码", true);
        check("MY_TOKEN", &"x".repeat(VALUE_BYTES_MAX + 1), false);
    }

    #[test]
    fn a_value_is_found_in_each_of_its_forms_and_the_longest_first() {
        let variables = [
            ("A_KEY", "pass word"),
            ("B_KEY", " pass word\"more\"\n"),
            ("C", "pass word"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let values = SecretValues::of_variables(variables);
        let check = |text: &str, expected: &[(&str, &str)]| {
            let mut found = Vec::new();
            values.find(text, &mut found);
            let found: Vec<_> = found
                .iter()
                .map(|found| (&text[found.start..found.end], found.kind))
                .collect();
            assert_eq!(found, expected);
        };
        check("a pass word.", &[("pass word", "A_KEY")]);
        check("pass word\"more\"", &[("pass word\"more\"", "B_KEY")]);
        check(r#"pass word\"more\""#, &[(r#"pass word\"more\""#, "B_KEY")]);
        check("?p=pass%20word&", &[("pass%20word", "A_KEY")]);
        check("cGFzcyB3b3Jk==", &[("cGFzcyB3b3Jk", "A_KEY")]);
        check("passwords", &[]);
        assert!(!format!("{values:?}").contains("pass word"));
    }

    #[test]
    fn of_a_huge_environment_some_values_are_looked_for() {
        let value = |number: usize| format!("{number:0>8000}x");
        let variables = (0..100).map(|number| (format!("KEY_{number:03}"), value(number)));
        let values = SecretValues::of_variables(variables);
        assert!(values.has("KEY_000") && !values.has("KEY_099"));
    }
}
