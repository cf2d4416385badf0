use std::ops::Range;

/// A secret that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found<'k> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: &'k str,
    /// Whether it could be found by trying, with something to check a guess against.
    pub(crate) is_guessable: bool,
}

/// How the text begins that stands for a secret.
const MARK_START: &str = "[redacted:";
/// How long the name of a kind may be; that of a variable may be longer, and is then not known.
const KIND_BYTES_MAX: usize = 128;

/// Returns the text with a mark in the place of each secret. Secrets that overlap become one, of
/// the kind that begins first.
pub(crate) fn replace(text: &str, mut found: Vec<Found<'_>>) -> String {
    found.sort_by_key(|secret| (secret.start, std::cmp::Reverse(secret.end)));
    let mut merged: Vec<Found<'_>> = Vec::with_capacity(found.len());
    for secret in found {
        match merged.last_mut() {
            Some(last) if secret.start < last.end => last.end = last.end.max(secret.end),
            _ => merged.push(secret),
        }
    }
    let mut replaced = String::with_capacity(text.len());
    let mut copied = 0;
    for secret in merged {
        replaced += &text[copied..secret.start];
        replaced += &format!("{MARK_START}{}]", secret.kind);
        copied = secret.end;
    }
    replaced + &text[copied..]
}

/// Leaves out what is found in marks of a known kind alone, as what was redacted once stays as it
/// is. A secret that holds a mark and more takes all of the mark in.
pub(crate) fn spare_marks(text: &str, is_kind: impl Fn(&str) -> bool, found: &mut Vec<Found<'_>>) {
    let marks = marks(text, is_kind);
    found.retain_mut(|secret| {
        let end = secret.end;
        let first = marks.partition_point(|mark| mark.end <= secret.start);
        let inside = marks[first..].iter().take_while(|mark| mark.start < end);
        let mut rest = secret.start;
        let mut has_more = false;
        for mark in inside {
            has_more |= rest < mark.start;
            secret.start = secret.start.min(mark.start);
            secret.end = secret.end.max(mark.end);
            rest = mark.end;
        }
        has_more || rest < end
    });
}

/// Returns whether a mark of a known kind stands in a text.
pub(crate) fn has_marks(text: &str, is_kind: impl Fn(&str) -> bool) -> bool {
    !marks(text, is_kind).is_empty()
}

/// Returns where marks of a known kind stand.
fn marks(text: &str, is_kind: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut marks = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(MARK_START) {
        let start = from + at;
        from = start + MARK_START.len();
        let after = &text.as_bytes()[from..text.len().min(from + KIND_BYTES_MAX + 1)];
        if let Some(length) = after.iter().position(|byte| *byte == b']')
            && is_kind(&text[from..from + length])
        {
            from += length + 1;
            marks.push(start..from);
        }
    }
    marks
}
