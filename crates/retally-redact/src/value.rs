//! Tells values from code that only looks like one.

use std::ops::Range;

/// What is assigned to a word, by the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// To `password` and the like: somebody may have thought it up.
    Password,
    /// To `token`, `api_key` and the like: most are random.
    Token,
}

/// How the names of folders begin in which what is secret may stand.
const FOLDERS: [&str; 19] = [
    "~/",
    "./",
    "../",
    "/home/",
    "/root/",
    "/usr/",
    "/etc/",
    "/var/",
    "/tmp/",
    "/opt/",
    "/run/",
    "/mnt/",
    "/srv/",
    "/dev/",
    "/proc/",
    "/Users/",
    "/Library/",
    "/private/",
    "/nix/",
];

impl Value {
    /// Returns the part of a match that is the value, or `None` where that is code, a placeholder
    /// or plain words. The match is one of [`assigned!`](crate::shapes).
    pub(crate) fn part(self, text: &str, hit: Range<usize>) -> Option<Range<usize>> {
        let is_quoted = text[..hit.start].ends_with(['"', '\'']);
        let value = &text[hit.clone()];
        let value = match is_quoted {
            true => value,
            // What ends the sentence, or opens a block.
            false => value.trim_end_matches(['.', ':']),
        };
        let is_called = !is_quoted && text[hit.end..].starts_with(['(', '[', '{', '<']);
        let is_code = is_called || !is_quoted && self.is_name(value);
        let is_value = is_mixed(value)
            && !is_code
            && !is_placeholder(value)
            && !is_path(value)
            && !value.contains("://")
            && !is_date(value);
        is_value.then(|| hit.start..hit.start + value.len())
    }

    /// Returns whether a text is a name in a program: words with dots or colons between them, or
    /// words of which one says what is meant.
    fn is_name(self, text: &str) -> bool {
        let parts = text
            .split(['.', ':', '-', '/'])
            .filter(|part| !part.is_empty());
        let Some(parts) = parts.map(snake_words).collect::<Option<Vec<_>>>() else {
            return false;
        };
        if parts.len() > 1 && text.contains(['.', ':']) {
            return true;
        }
        let snake_words: Vec<&str> = parts.concat();
        let words: Vec<&str> = match self {
            Self::Password => snake_words,
            Self::Token => snake_words
                .into_iter()
                .filter_map(words)
                .flatten()
                .collect(),
        };
        words.len() > 1 && words.iter().any(|word| is_telling(word))
    }
}

/// Splits `some_words_2`; `None` where a part is neither made of words nor a small number behind
/// one.
fn snake_words(text: &str) -> Option<Vec<&str>> {
    const DIGITS_MAX: usize = 3;
    let parts = text.split('_').filter(|part| !part.is_empty());
    let is_number =
        |part: &str| part.len() <= DIGITS_MAX && part.bytes().all(|byte| byte.is_ascii_digit());
    let word = |(at, part)| match at > 0 && is_number(part) {
        true => Some(None),
        false => words(part).map(|_| Some(part)),
    };
    let parts: Option<Vec<Option<&str>>> = parts.enumerate().map(word).collect();
    Some(parts?.into_iter().flatten().collect())
}

/// Returns whether a text holds a digit and a letter.
pub(crate) fn is_mixed(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// Returns whether a text holds a digit and a letter, and a capital or many of both in a row: no
/// words with hyphens between them.
pub(crate) fn is_random(text: &str) -> bool {
    const RUN_BYTES_MIN: usize = 16;
    let is_long = |part: &str| part.len() >= RUN_BYTES_MIN && is_mixed(part);
    is_mixed(text)
        && (text.bytes().any(|byte| byte.is_ascii_uppercase())
            || text.split(['-', '_']).any(is_long))
}

/// Returns whether a text may be a credential: no word, no words, and nothing that is filled in
/// later.
pub(crate) fn is_credential(text: &str) -> bool {
    let is_word = |part: &str| part.is_empty() || words(part).is_some();
    let bytes = text.as_bytes();
    let has_digit = bytes.iter().any(u8::is_ascii_digit);
    let changes_case = bytes
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    (has_digit || changes_case && !text.split(['.', '_', '-', '/']).all(is_word))
        && !is_placeholder(text)
}

/// Returns whether the text of an object's member is a secret, by the member's key.
pub(crate) fn is_secret_member(key: &str, text: &str) -> bool {
    const PASSWORDS: [&str; 3] = ["password", "passwd", "passphrase"];
    const TOKENS: [&str; 8] = [
        "apikey",
        "accesskey",
        "secretkey",
        "privatekey",
        "authkey",
        "secret",
        "token",
        "authorization",
    ];
    const BYTES_MIN: usize = 8;
    const KEY_BYTES_MAX: usize = 512;
    if text.len() < BYTES_MIN || key.len() > KEY_BYTES_MAX {
        return false;
    }
    let plain = key.bytes().filter(u8::is_ascii_alphanumeric);
    let key: String = plain
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    let ends_in = |words: &[&str]| words.iter().any(|word| key.ends_with(word));
    let has_letter = text.bytes().any(|byte| !byte.is_ascii_digit());
    let may_be_value = !text.contains(char::is_whitespace)
        && !is_placeholder(text)
        && !is_path(text)
        && !text.contains("://")
        && !is_date(text);
    may_be_value && (ends_in(&PASSWORDS) && has_letter || ends_in(&TOKENS) && is_mixed(text))
}

/// Returns whether a text stands for a value that is filled in later, or was taken out.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let mut characters = text.chars();
    let is_filled_in = match characters.next() {
        None | Some('{' | '<' | '(' | '*') => true,
        Some('$') => !characters.next().is_some_and(|next| next.is_ascii_digit()),
        Some('%') => characters
            .next()
            .is_some_and(|next| matches!(next, 's' | '(' | '{')),
        Some('#') => characters.next() == Some('{'),
        Some(_) => false,
    };
    is_filled_in
        || text
            .chars()
            .all(|c| matches!(c, '*' | 'x' | 'X' | '.' | '-' | '_'))
}

/// Returns whether a text leads to a file, by the folder that it begins with.
pub(crate) fn is_path(text: &str) -> bool {
    FOLDERS.iter().any(|folder| text.starts_with(folder))
}

/// Returns whether a text begins with a day, as 2024-12-03.
fn is_date(text: &str) -> bool {
    let form = b"0000-00-00";
    let fits = |(byte, form): (u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == *form,
    };
    text.len() >= form.len() && text.bytes().zip(form).all(fits)
}

/// Splits `someWords2` where a capital begins one; `None` where a part is no word: letters of one
/// case but for the first, and few digits behind them.
fn words(text: &str) -> Option<Vec<&str>> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut start = 0;
    for end in 1..=bytes.len() {
        let begins = end == bytes.len()
            || bytes[end].is_ascii_uppercase() && !bytes[end - 1].is_ascii_uppercase();
        if begins {
            let word = &text[start..end];
            if !is_word(word) {
                return None;
            }
            words.push(word);
            start = end;
        }
    }
    Some(words)
}

fn is_word(text: &str) -> bool {
    const DIGITS_MAX: usize = 5;
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_of_letters = letters.bytes().all(|byte| byte.is_ascii_alphabetic());
    let rest = letters.get(1..).unwrap_or_default();
    let is_of_one_case = rest.bytes().all(|byte| byte.is_ascii_lowercase())
        || letters.bytes().all(|byte| byte.is_ascii_uppercase());
    !letters.is_empty()
        && text.len() - letters.len() <= DIGITS_MAX
        && is_of_letters
        && is_of_one_case
}

/// Returns whether a word says that what it names is a secret, or the type of one.
fn is_telling(word: &str) -> bool {
    const WORDS: [&str; 24] = [
        "api",
        "auth",
        "base",
        "bytes",
        "client",
        "config",
        "credential",
        "credentials",
        "env",
        "factory",
        "hash",
        "id",
        "key",
        "manager",
        "passwd",
        "password",
        "provider",
        "request",
        "response",
        "secret",
        "settings",
        "string",
        "token",
        "url",
    ];
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}
