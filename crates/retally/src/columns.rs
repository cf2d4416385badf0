//! How many columns of a terminal a text takes, and cutting it to that.
//!
//! Texts are cut between what people see as one character, and never measured less wide than a
//! terminal shows them.

use crate::terminal::printable;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// The longest text that people are shown whole; formats for machines hold all of it.
pub(crate) const TEXT_COLUMNS_MAX: usize = 400;

/// Returns how many columns a printable text takes.
pub(crate) fn columns(text: &str) -> usize {
    // The whole can be less wide than its parts, where letters join; not all terminals join them.
    text.graphemes(true).map(str::width).sum()
}

/// Returns as much of the beginning of a text as fits into so many columns.
pub(crate) fn fitting(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.grapheme_indices(true) {
        used += character.width();
        if used > width {
            return &text[..at];
        }
    }
    text
}

/// Returns as much of the end of a text as fits into so many columns.
fn fitting_end(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.grapheme_indices(true).rev() {
        used += character.width();
        if used > width {
            return &text[at + character.len()..];
        }
    }
    text
}

/// Returns a printable text, of which the end is left out where it is long.
pub(crate) fn start_of(text: &str, width: usize) -> String {
    let whole = fitting(text, width);
    if whole.len() == text.len() || width == 0 {
        return whole.to_owned();
    }
    format!("{}…", fitting(text, width - 1))
}

/// Returns a text, of which the beginning is left out where it is long: ids of runs differ at
/// their ends.
pub(crate) fn end_of(text: &str, width: usize) -> String {
    let text = printable(text);
    let whole = fitting_end(&text, width);
    if whole.len() == text.len() || width == 0 {
        return whole.to_owned();
    }
    format!("…{}", fitting_end(&text, width - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, width: usize, start: &str, end: &str) {
        assert_eq!(start_of(text, width), start, "{text} in {width} columns");
        assert_eq!(end_of(text, width), end, "{text} in {width} columns");
    }

    #[test]
    fn a_text_is_cut_between_what_people_see_as_characters() {
        check("abcdef", 6, "abcdef", "abcdef");
        check("abcdef", 4, "abc…", "…def");
        check("日本語", 5, "日本…", "…本語");
        check("日本語", 4, "日…", "…語");
        check("a\u{301}e\u{301}o\u{301}", 2, "a\u{301}…", "…o\u{301}");
        // A heart, a key cap and a flag take two columns each.
        check("\u{2764}\u{fe0f}ab", 3, "\u{2764}\u{fe0f}…", "…ab");
        check("ab\u{2764}\u{fe0f}", 3, "ab…", "…\u{2764}\u{fe0f}");
        check("1\u{fe0f}\u{20e3}ab", 3, "1\u{fe0f}\u{20e3}…", "…ab");
        check("🇩🇪🇫🇷", 3, "🇩🇪…", "…🇫🇷");
    }

    #[test]
    fn no_text_takes_more_columns_than_it_is_given() {
        let zalgo = format!("a{}", "\u{301}".repeat(100));
        let texts = [
            "abc",
            "日本語",
            "\u{2764}\u{fe0f}\u{2764}\u{fe0f}",
            "👩🏽🎉",
            "לח",
            "لا",
            &zalgo,
            "",
        ];
        for text in texts {
            for width in 0..8 {
                for cut in [start_of(text, width), end_of(text, width)] {
                    assert!(columns(&cut) <= width, "{cut:?} in {width} columns");
                    assert!(cut.width() <= width, "{cut:?} in {width} columns");
                }
            }
        }
    }
}
