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
    let is_plain_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_plain = (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(is_plain_byte)
        && !text.bytes().all(|byte| byte == b'.')
        && !is_device(text);
    if is_plain {
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
    for byte in &Sha256::digest(text.as_bytes())[..4] {
        write!(name, "{byte:02x}").expect("a String takes every write");
    }
    name
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
