//! What keeps data from logs from doing anything to the terminal but being read.

use std::borrow::Cow;

/// Returns the text with every character shown that a terminal would act on: controls, and marks
/// that turn the direction of writing. They appear as `\u{1b}`; a line feed as `\n`.
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
            '\u{61c}'
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
    fn no_character_reaches_the_terminal_that_it_would_act_on() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            let shown = printable(&text);
            let is_inert = |shown: char| {
                !shown.is_control()
                    && !matches!(shown, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(shown.chars().all(is_inert), "{character:?}");
        }
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
