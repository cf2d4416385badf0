use crate::error::ImportError;
use crate::source::Source;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::Path;

/// The text of a file that holds JSON, in which every value knows its place.
pub(crate) struct JsonFile<'a> {
    path: &'a Path,
    text: &'a str,
    /// How many bytes of a byte order mark stand before the text.
    mark_bytes: usize,
}

impl<'a> JsonFile<'a> {
    /// Takes the text of a file; a byte order mark is passed over.
    pub(crate) fn new(source: &Source<'a>) -> Result<Self, ImportError> {
        let path = source.path;
        let whole = std::str::from_utf8(source.bytes).map_err(|error| ImportError::NotUtf8 {
            path: path.to_owned(),
            offset: error.valid_up_to() as u64,
        })?;
        let text = whole.strip_prefix('\u{feff}').unwrap_or(whole);
        let mark_bytes = whole.len() - text.len();
        Ok(Self {
            path,
            text,
            mark_bytes,
        })
    }

    /// Returns the JSON values of the file: one, or several behind each other as tools write them
    /// that fetch page by page.
    pub(crate) fn values(&self) -> Result<Vec<&'a RawValue>, ImportError> {
        let values = serde_json::Deserializer::from_str(self.text).into_iter();
        let values: Result<_, _> = values.collect();
        values.map_err(|error| self.cannot_read(self.text, error))
    }

    /// Reads a value as what the format has there.
    pub(crate) fn read<T: Deserialize<'a>>(&self, value: &'a RawValue) -> Result<T, ImportError> {
        serde_json::from_str(value.get()).map_err(|error| self.cannot_read(value.get(), error))
    }

    /// Returns where a value that was read from this file begins in it, in bytes.
    pub(crate) fn offset(&self, value: &RawValue) -> u64 {
        self.offset_of(value.get()) as u64
    }

    /// Says that the file holds something else than its format has.
    pub(crate) fn unlike(&self, value: Option<&RawValue>, want: &'static str) -> ImportError {
        ImportError::Shape {
            path: self.path.to_owned(),
            offset: value.map_or(0, |value| self.offset(value)),
            got: value.map_or("nothing".to_owned(), |value| shortened(value.get())),
            want,
        }
    }

    fn cannot_read(&self, text: &str, source: serde_json::Error) -> ImportError {
        ImportError::Json {
            path: self.path.to_owned(),
            offset: (self.offset_of(text) + place(text, &source)) as u64,
            source,
        }
    }

    /// Returns where a part of the text begins in the file.
    fn offset_of(&self, part: &str) -> usize {
        let start = self.text.as_ptr().addr();
        part.as_ptr().addr().saturating_sub(start) + self.mark_bytes
    }
}

/// Returns the byte of `text` that an error names by line and column: the one that should not
/// stand there, or the end where more should.
fn place(text: &str, error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return text.len();
    }
    let lines_before = error.line().saturating_sub(1);
    let line_start: usize = text
        .split_inclusive('\n')
        .take(lines_before)
        .map(str::len)
        .sum();
    (line_start + error.column().saturating_sub(1)).min(text.len())
}

/// Returns the beginning of a JSON text in one line, for messages.
pub(crate) fn shortened(json: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    let on_one_line = |sign: char| if sign.is_control() { ' ' } else { sign };
    let mut signs = json.chars();
    let mut shown: String = signs.by_ref().take(SHOWN_CHARS).map(on_one_line).collect();
    if signs.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let path = Path::new("dump.json");
        let source = Source {
            path,
            bytes,
            run: None,
        };
        let places = |file: &JsonFile<'_>| -> Result<Vec<String>, ImportError> {
            let values = file.values()?;
            let place = |value: &&RawValue| format!("{}@{}", value.get(), file.offset(value));
            Ok(values.iter().map(place).collect())
        };
        let actual = match JsonFile::new(&source).and_then(|file| places(&file)) {
            Ok(values) => values.join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expected);
    }

    #[test]
    fn each_value_of_a_file_knows_its_place() {
        check(b"", "");
        check(b" \n", "");
        check(b"{\"a\":1}", "{\"a\":1}@0");
        check(b"{\"a\":1}\n[2]", "{\"a\":1}@0 [2]@8");
        check(b"{}{}", "{}@0 {}@2");
        check(b"\xef\xbb\xbf {}", "{}@4");
    }

    #[test]
    fn an_error_names_the_byte() {
        let cut = "`dump.json` cannot be read at byte 9 (is the file whole, and of this format?)";
        check(b"{\"a\":1}\n[2 2]", &cut.replace('9', "11"));
        check(b"{\"a\":\nNaN}", &cut.replace('9', "6"));
        check(b"{}\n{\"a\":1", cut);
        check(b"nonsense", &cut.replace('9', "1"));
        check(
            b"{}\xff",
            "`dump.json` is not UTF-8 from byte 2 on (save it as UTF-8)",
        );
    }

    #[test]
    fn a_million_brackets_are_no_danger() {
        let brackets = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let source = Source {
            path: Path::new("deep.json"),
            bytes: brackets.as_bytes(),
            run: None,
        };
        let file = JsonFile::new(&source).expect("UTF-8");
        assert_eq!(file.values().map(|values| values.len()).ok(), Some(1));
    }
}
