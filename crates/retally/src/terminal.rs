//! What keeps data from logs from doing anything to the terminal but being read.

use crate::sheet::Format;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

/// Prints data to stdout. On a terminal, what machines read is shown with its active characters
/// as `\u202e`, which is the same JSON; a pipe gets the bytes as they are.
pub(crate) fn print_data(
    format: Format,
    print: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_for_people = matches!(format, Format::Table | Format::Md);
    if is_for_people || !std::io::stdout().is_terminal() {
        return print(&mut anstream::stdout());
    }
    let mut data = Vec::new();
    print(&mut data)?;
    let data = String::from_utf8_lossy(&data);
    std::io::stdout().write_all(escaped_for_json(&data).as_bytes())?;
    Ok(())
}

/// Returns JSON or CSV with every active character but the line feed as `\u202e`.
pub(crate) fn escaped_for_json(data: &str) -> Cow<'_, str> {
    let is_shown = |character: char| character == '\n' || !is_active(character);
    if data.chars().all(is_shown) {
        return Cow::Borrowed(data);
    }
    let mut escaped = String::with_capacity(data.len() + 16);
    for character in data.chars() {
        if is_shown(character) {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(escaped, "\\u{unit:04x}").expect("a String takes every write");
        }
    }
    Cow::Owned(escaped)
}

/// Returns what the argument parser says, whose own line feeds stay.
pub(crate) fn printable_lines(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// Returns whether a text holds anything that a terminal would act on.
pub(crate) fn has_active(text: &str) -> bool {
    text.contains(is_active)
}

/// Returns the text with every character shown that a terminal would act on: controls, and marks
/// that turn the direction of writing or take no room. They appear as `\u{1b}`; a line feed as `\n`.
///
/// Data from logs comes from language models and their tools.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            _ if is_active(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{3164}'
                | '\u{ffa0}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
    fn no_character_reaches_the_terminal_that_it_would_act_on() {
        let mut characters = 0;
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            let shown = printable(&text);
            let is_inert = |shown: char| {
                !shown.is_control()
                    && !matches!(shown, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(shown.chars().all(is_inert), "{character:?}");
            let json = escaped_for_json(&text);
            assert!(json == "\n" || json.chars().all(is_inert), "{character:?}");
            characters += 1;
        }
        println!("proved T9: {characters} characters, alone");
    }

    #[test]
    fn json_for_a_terminal_is_the_same_json() {
        let json = "{\"a\": \"\u{9b}31m\u{202e}\u{e0001}\u{7f}ü\"}\n";
        let escaped = escaped_for_json(json);
        assert_eq!(
            escaped,
            "{\"a\": \"\\u009b31m\\u202e\\udb40\\udc01\\u007fü\"}\n"
        );
        let parse =
            |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is JSON");
        assert_eq!(parse(&escaped), parse(json));
    }

    #[test]
    fn a_plain_text_stays_as_it_is() {
        assert_eq!(
            printable("3 Tests failed: ü 日本 🎉"),
            "3 Tests failed: ü 日本 🎉"
        );
        assert_eq!(printable("a\x1b[31mb\nc"), "a\\u{1b}[31mb\\nc");
    }
}
