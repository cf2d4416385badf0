//! How a price book is written: TOML, every price an exact decimal.

use crate::model_pattern::ModelPattern;
use crate::price_book::Price;
use retally_log::{Decimal, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

/// Why there is no price book.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PriceBookError {
    /// The file is there and cannot be read.
    #[error("price book `{}` cannot be read (make it a regular file of at most 1 MiB, or remove it)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is no price book.
    #[error("price book `{book}`, line {line}: {reason}")]
    Malformed {
        /// What the book is called.
        book: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the cure.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    #[serde(default)]
    price: Vec<Entry>,
}

/// Values of which the text counts are not read: TOML would make floats of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: Option<OneOrMany>,
    model: OneOrMany,
    valid_from: Option<Spanned<IgnoredAny>>,
    input: Spanned<IgnoredAny>,
    output: Spanned<IgnoredAny>,
    cache_read: Option<Spanned<IgnoredAny>>,
    cache_write: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "want a string or an array of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// Reads the entries of a price book, in the order of the file.
pub(crate) fn parse(text: &str, book: &str) -> Result<Vec<Price>, PriceBookError> {
    let malformed = |at: usize, reason: String| PriceBookError::Malformed {
        book: book.to_owned(),
        line: text.as_bytes()[..at.min(text.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1,
        reason,
    };
    let parsed: Book = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        malformed(at, format!("{} ({FORM})", error.message()))
    })?;
    parsed
        .price
        .into_iter()
        .map(|entry| read_entry(text, entry).map_err(|(at, reason)| malformed(at.start, reason)))
        .collect()
}

/// What an entry looks like, as errors say it.
const FORM: &str = "write each entry as `[[price]]` with `model`, `input`, `output` and \
                    optionally `provider`, `valid_from`, `cache_read`, `cache_write`";

/// Reads one entry; what is wrong comes with the place in the text.
fn read_entry(text: &str, entry: Entry) -> Result<Price, (Range<usize>, String)> {
    let price = |value: &Spanned<IgnoredAny>| read_price(text, value.span());
    let input = price(&entry.input)?;
    let optional = |value: Option<Spanned<IgnoredAny>>| value.as_ref().map(price).transpose();
    let models = entry.model.into_vec();
    if models.is_empty() {
        let reason = "`model` is empty (name at least one model)".to_owned();
        return Err((entry.input.span(), reason));
    }
    let providers = entry.provider.map(OneOrMany::into_vec).unwrap_or_default();
    Ok(Price {
        providers: providers
            .iter()
            .map(|provider| provider.to_ascii_lowercase())
            .collect(),
        models: models
            .iter()
            .map(|model| ModelPattern::new(model))
            .collect(),
        valid_from: match entry.valid_from {
            Some(day) => read_day(text, day.span())?,
            None => Timestamp::MIN,
        },
        input,
        output: price(&entry.output)?,
        cache_read: optional(entry.cache_read)?.unwrap_or(input),
        cache_write: optional(entry.cache_write)?.unwrap_or(input),
    })
}

/// Reads a price from its text, so that no digit passes through a float.
fn read_price(text: &str, span: Range<usize>) -> Result<Decimal, (Range<usize>, String)> {
    let raw = &text[span.clone()];
    let literal = unquoted(raw).replace('_', "");
    Decimal::parse(literal.strip_prefix('+').unwrap_or(&literal)).map_err(|_| {
        let want = "a price in USD per million tokens, from 0 to 1000000000";
        (
            span,
            format!("got {}, want {want}, such as 0.27", shown(raw)),
        )
    })
}

/// Reads a day, which begins in UTC.
fn read_day(text: &str, span: Range<usize>) -> Result<Timestamp, (Range<usize>, String)> {
    let raw = &text[span.clone()];
    Timestamp::parse(&format!("{}T00:00:00Z", unquoted(raw))).map_err(|_| {
        let reason = format!("got {}, want a day such as 2025-02-08", shown(raw));
        (span, reason)
    })
}

fn unquoted(raw: &str) -> &str {
    let inner = |quote| raw.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(raw)
}

/// Cuts what stands in the file to what an error can show.
fn shown(raw: &str) -> String {
    format!("`{}`", raw.chars().take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let message = match parse(text, "prices.toml") {
            Ok(entries) => format!("{} entries", entries.len()),
            Err(error) => error.to_string().replace(&format!(" ({FORM})"), ""),
        };
        assert_eq!(message, expected, "{text}");
    }

    #[test]
    fn an_error_names_the_line_and_the_cure() {
        check("", "0 entries");
        check(
            "[[price]]\nmodel='m'\ninput=-1\noutput=1",
            "price book `prices.toml`, line 3: got `-1`, want a price in USD per million tokens, \
             from 0 to 1000000000, such as 0.27",
        );
        check(
            "[[price]]\nmodel='m'\ninput=1\noutput=nan",
            "price book `prices.toml`, line 4: got `nan`, want a price in USD per million tokens, \
             from 0 to 1000000000, such as 0.27",
        );
        check(
            "[[price]]\nmodel='m'\ninput=1\noutput=1\nvalid_from='soon'",
            "price book `prices.toml`, line 5: got `'soon'`, want a day such as 2025-02-08",
        );
        check(
            "[[price]]\nmodel=[]\ninput=1\noutput=1",
            "price book `prices.toml`, line 3: `model` is empty (name at least one model)",
        );
    }

    #[test]
    fn what_is_no_price_book_is_an_error() {
        for text in [
            "[[price]",
            "[[price]]\nmodel='m'\ninput=1\n",
            "[[price]]\nmodel='m'\ninput=1\noutput=1\ncached=1",
            "[[price]]\nmodel=1\ninput=1\noutput=1",
            "prices = []",
        ] {
            assert!(parse(text, "x").is_err(), "{text}");
        }
    }

    #[test]
    fn prices_are_read_digit_by_digit() {
        let text = "[[price]]\nmodel='m'\ninput=0.000000001\noutput=1_000.5\ncache_read='0.1'";
        let entries = parse(text, "x").expect("a book");
        let nanos = [entries[0].input, entries[0].output, entries[0].cache_read];
        assert_eq!(
            nanos.map(Decimal::as_nanos),
            [1, 1_000_500_000_000, 100_000_000]
        );
    }
}
