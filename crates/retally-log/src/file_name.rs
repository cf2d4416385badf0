//! Names of files made from texts that anybody may have chosen.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The longest part of a text, in bytes, that enters a name.
const NAME_BYTES_MAX: usize = 80;

/// Names that Windows and DOS file systems keep for devices, whatever follows a dot.
const DEVICE_STEMS: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Returns the text where it can stand in a file name as it is, else an escaped, cut form of it
/// with a hash: different texts have different names, and none leaves its folder.
///
/// Plain is `[A-Za-z0-9._-]{1,80}` that is no name of a device and not made of dots. The escaped
/// form has `%XX` for each UTF-8 byte outside of that set, is cut to 80 bytes and ends in `-` and
/// the first 8 hex digits of the SHA-256 of the text.
///
/// ```
/// assert_eq!(retally_log::file_stem("PROJ-7"), "PROJ-7");
/// assert_eq!(retally_log::file_stem("../x"), "..%2Fx-d6b96a97");
/// ```
pub fn file_stem(text: &str) -> String {
    plain_or_escaped(text, '%')
}

/// Does the work of [`file_stem`], with the character that begins an escape.
pub(crate) fn plain_or_escaped(text: &str, escape: char) -> String {
    if is_plain(text, escape) {
        return text.to_owned();
    }
    let mut name = String::new();
    for byte in text.bytes().take(NAME_BYTES_MAX) {
        if is_plain_byte(byte) {
            name.push(char::from(byte));
        } else {
            write!(name, "{escape}{byte:02X}").expect("a String takes every write");
        }
    }
    name.truncate(NAME_BYTES_MAX);
    name.push('-');
    name + &short_hash(text)
}

/// Returns the first eight hexadecimal digits of the SHA-256 of a text.
///
/// ```
/// assert_eq!(retally_log::short_hash("PROJ-7"), "f78e07f8");
/// ```
pub fn short_hash(text: &str) -> String {
    let mut digits = String::new();
    for byte in &Sha256::digest(text.as_bytes())[..4] {
        write!(digits, "{byte:02x}").expect("a String takes every write");
    }
    digits
}

fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

/// Returns whether a text can stand in a name as it is, and is not what another one becomes.
fn is_plain(text: &str, escape: char) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(is_plain_byte)
        && !text.bytes().all(|byte| byte == b'.')
        && !is_device(text)
        && !looks_escaped(text, escape)
}

/// Returns whether a text could be the escaped form of another: a hash behind what is not plain,
/// or behind an escape.
fn looks_escaped(text: &str, escape: char) -> bool {
    let Some((head, hash)) = text.rsplit_once('-') else {
        return false;
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_upper_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let has_escape = || {
        head.split(escape)
            .skip(1)
            .any(|rest| rest.bytes().take(2).filter(is_upper_hex).count() == 2)
    };
    hash.len() == 8 && hash.bytes().all(is_hex) && (!is_plain(head, escape) || has_escape())
}

fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text).to_ascii_lowercase();
    let is_port = |port: &str| {
        stem.strip_prefix(port)
            .is_some_and(|n| matches!(n.as_bytes(), [b'0'..=b'9']))
    };
    DEVICE_STEMS.contains(&stem.as_str()) || is_port("com") || is_port("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(file_stem(text), expected, "{text:?}");
    }

    #[test]
    fn a_plain_text_is_its_own_name() {
        for text in [
            "123",
            "PROJ-7",
            "a.b_c-d",
            "..a",
            "console",
            "com",
            "com10",
            &"a".repeat(80),
        ] {
            check(text, text);
        }
    }

    #[test]
    fn any_other_text_is_escaped_and_hashed() {
        check("", "-e3b0c442");
        check("..", "..-5ec1f7e7");
        check("CON", "CON-a3dbc4b6");
        check("con.txt", "con.txt-d3bde286");
        check("a/b", "a%2Fb-c14cddc0");
        check("ü", "%C3%BC-607474ca");
        check("a\0b", "a%00b-59b271ae");
        check(&"a".repeat(81), &format!("{}-8c48280d", "a".repeat(80)));
    }

    #[test]
    fn what_looks_like_the_name_of_another_text_gets_one_of_its_own() {
        for text in ["", "..", "CON", "a/b", "nul.x"] {
            for escape in ['%', '_'] {
                let name = plain_or_escaped(text, escape);
                let next = plain_or_escaped(&name, escape);
                assert_ne!(name, next, "{text:?}");
                assert_ne!(plain_or_escaped(&next, escape), next, "{text:?}");
            }
        }
        check("release-20241203", "release-20241203");
    }

    #[test]
    fn no_name_leaves_its_folder_or_outgrows_a_file_system() {
        for text in [
            "../../x",
            "/etc/passwd",
            "..\\x",
            "%2e%2e",
            "a\nb",
            "-rf",
            ".",
            &"ü".repeat(300),
        ] {
            let name = file_stem(text);
            assert!(name.len() <= 89, "{name}");
            assert!(!name.contains(['/', '\\', '\0', '\n']), "{name}");
        }
    }
}
