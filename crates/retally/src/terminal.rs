//! What keeps data from logs from doing anything to the terminal but being read.

use crate::sheet::Format;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{BufWriter, IsTerminal, Write};
use unicode_width::UnicodeWidthChar as _;

/// How many marks one character may bear: no script needs more, and some terminals draw a heap of
/// them over the lines above, or become slow.
const MARKS_MAX: usize = 8;

/// Prints data to stdout. On a terminal, what machines read is shown with its active characters
/// as `\u202e`, which is the same JSON; a pipe gets the bytes as they are.
pub(crate) fn print_data(
    format: Format,
    print: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_for_people = matches!(format, Format::Table | Format::Md);
    if is_for_people || !std::io::stdout().is_terminal() {
        let mut out = BufWriter::new(anstream::stdout());
        print(&mut out)?;
        return Ok(out.flush()?);
    }
    let mut data = Vec::new();
    print(&mut data)?;
    let data = String::from_utf8_lossy(&data);
    std::io::stdout().write_all(escaped_for_json(&data).as_bytes())?;
    Ok(())
}

/// Returns JSON or CSV with every active character but the line feed as `\u202e`.
pub(crate) fn escaped_for_json(data: &str) -> Cow<'_, str> {
    let mut sieve = Sieve::default();
    if data.chars().all(|it| it == '\n' || !sieve.stops(it)) {
        return Cow::Borrowed(data);
    }
    let mut sieve = Sieve::default();
    let mut escaped = String::with_capacity(data.len() + 16);
    for character in data.chars() {
        if character == '\n' || !sieve.stops(character) {
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
    let mut sieve = Sieve::default();
    text.chars().any(|character| sieve.stops(character))
}

/// Returns the text with every character shown that a terminal would act on: controls, marks that
/// turn the direction of writing or take no room, and heaps of accents. They appear as `\u{1b}`; a
/// line feed as `\n`.
///
/// Data from logs comes from language models and their tools.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !has_active(text) {
        return Cow::Borrowed(text);
    }
    let mut sieve = Sieve::default();
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !sieve.stops(character) => shown.push(character),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            _ => shown.extend(character.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

/// Tells, one character of a text after the other, which a terminal must not get.
#[derive(Default)]
struct Sieve {
    /// How many marks the last character that takes room bears so far.
    marks: usize,
}

impl Sieve {
    fn stops(&mut self, character: char) -> bool {
        let is_mark = !character.is_ascii() && character.width() == Some(0);
        self.marks = if is_mark { self.marks + 1 } else { 0 };
        self.marks > MARKS_MAX || is_active(character)
    }
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
    fn a_character_bears_no_heap_of_marks() {
        let heap = |count| format!("a{}", "\u{301}".repeat(count));
        assert_eq!(printable(&heap(MARKS_MAX)), heap(MARKS_MAX));
        let shown = heap(MARKS_MAX) + "\\u{301}\\u{301}b\u{301}";
        assert_eq!(printable(&(heap(MARKS_MAX + 2) + "b\u{301}")), shown);
        let escaped = heap(MARKS_MAX) + "\\u0301";
        assert_eq!(escaped_for_json(&heap(MARKS_MAX + 1)), escaped);
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
