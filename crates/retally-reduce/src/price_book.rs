//! What model calls cost.

use crate::model_pattern::ModelPattern;
use crate::price_file::{self, PriceBookError};
use crate::quantity::{Usd, round_half_even};
use retally_log::{Decimal, LlmCalled, Root, Timestamp};
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::path::Path;

/// Prices of models, each valid from a day on.
///
/// A call is priced by the most specific entry that fits it: of the entries whose model and
/// provider fit and that are valid at the call's `ts`, the one with the most specific model (a
/// plain name before a pattern, a longer pattern before a shorter one), then one that names the
/// provider of the call, then the latest `valid_from`, then the first in the file. An entry
/// without provider fits any; an entry with one fits the calls that state it or state none.
///
/// ```
/// use retally_reduce::PriceBook;
///
/// let text = "[[price]]\nmodel = 'deepseek-*'\ninput = 0.27\noutput = 1.10\n";
/// let book = PriceBook::parse(text, "prices.toml")?;
/// assert_ne!(book.digest(), PriceBook::built_in().digest());
/// # Ok::<(), retally_reduce::PriceBookError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook {
    entries: Vec<Price>,
    digest: String,
}

/// What a million tokens of some models cost from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    /// In lower case; empty where it fits any provider.
    pub(crate) providers: Vec<String>,
    /// Never empty.
    pub(crate) models: Vec<ModelPattern>,
    pub(crate) valid_from: Timestamp,
    /// In USD per million tokens, as the next three.
    pub(crate) input: Decimal,
    pub(crate) output: Decimal,
    pub(crate) cache_read: Decimal,
    pub(crate) cache_write: Decimal,
}

/// The name of the file in a root that replaces the built-in book.
pub const PRICES_FILE: &str = "prices.toml";

const BUILT_IN: &str = include_str!("prices.toml");

impl PriceBook {
    /// Returns the book that comes with retally: list prices of a day that its file states.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN, "the built-in price book").expect("a test reads the built-in book")
    }

    /// Reads the text of a price book; `source` is what errors call it.
    ///
    /// # Errors
    /// The text is not TOML, or not a price book; the error names the line and the cure.
    pub fn parse(text: &str, source: &str) -> Result<Self, PriceBookError> {
        let entries = price_file::parse(text, source)?;
        let digest = digest(&entries);
        Ok(Self { entries, digest })
    }

    /// Returns the book of a root: its [`PRICES_FILE`] where it has one, else the built-in one.
    ///
    /// # Errors
    /// The file is there and cannot be read, is no regular file, or is no price book.
    pub fn for_root(root: &Path) -> Result<Self, PriceBookError> {
        let path = root.join(PRICES_FILE);
        match Root::new(root).read_file(PRICES_FILE) {
            Ok(Some(text)) => Self::parse(&text, &path.display().to_string()),
            Ok(None) => Ok(Self::built_in()),
            Err(source) => Err(PriceBookError::Read { path, source }),
        }
    }

    /// Returns what tells books of different prices apart: SHA-256 of all entries, hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns what a call cost: what it recorded, else by its tokens, or `None` where neither is
    /// known. A price holds for a time, so a call without one costs only what it recorded.
    pub fn cost_of(&self, time: Option<Timestamp>, call: &LlmCalled<'_>) -> Option<Usd> {
        let recorded = call
            .cost_usd
            .map(|usd| Usd::from_nanos(usd.as_nanos().into()));
        recorded.or_else(|| self.cost(time?, call))
    }

    /// Returns what a call at `time` costs by its tokens, or `None` where no price fits or the
    /// call states no tokens.
    ///
    /// Input includes cached tokens and output includes reasoning, as in OpenTelemetry: cached
    /// tokens are taken off the input and priced by themselves.
    pub fn cost(&self, time: Timestamp, call: &LlmCalled<'_>) -> Option<Usd> {
        let stated = [
            call.input_tokens,
            call.output_tokens,
            call.cache_read_tokens,
            call.cache_write_tokens,
        ];
        if stated.iter().all(Option::is_none) {
            return None;
        }
        let price = self.find(time, call.provider.as_deref(), &call.model)?;
        let [input, output, cache_read, cache_write] = stated.map(Option::unwrap_or_default);
        let plain = input.saturating_sub(cache_read).saturating_sub(cache_write);
        let parts = [
            (plain, price.input),
            (output, price.output),
            (cache_read, price.cache_read),
            (cache_write, price.cache_write),
        ];
        let total = parts
            .iter()
            .map(|(tokens, price)| u128::from(*tokens) * u128::from(price.as_nanos()))
            .sum();
        Some(Usd::from_nanos(round_half_even(total, TOKENS_PER_PRICE)))
    }

    /// Finds the entry by which a call is priced, by the rule of the type.
    fn find(&self, time: Timestamp, provider: Option<&str>, model: &str) -> Option<&Price> {
        let fits = |price: &&Price| price.valid_from <= time && price.fits_provider(provider);
        let rank =
            |(at, price): (usize, _)| Some((rank(price, provider, model)?, Reverse(at), price));
        self.entries
            .iter()
            .filter(fits)
            .enumerate()
            .filter_map(rank)
            .max_by_key(|(rank, at, _)| (*rank, *at))
            .map(|(.., price)| price)
    }
}

/// Prices are for a million tokens.
const TOKENS_PER_PRICE: u128 = 1_000_000;

/// How well an entry fits; the greatest rank wins.
type Rank = ((bool, usize), bool, Timestamp);

fn rank(price: &Price, provider: Option<&str>, model: &str) -> Option<Rank> {
    let fitting = price.models.iter().filter(|pattern| pattern.matches(model));
    let specificity = fitting.map(ModelPattern::specificity).max()?;
    let names_provider = provider.is_some() && !price.providers.is_empty();
    Some((specificity, names_provider, price.valid_from))
}

impl Price {
    fn fits_provider(&self, provider: Option<&str>) -> bool {
        let Some(provider) = provider else {
            return true;
        };
        let is_it = |own: &String| own.eq_ignore_ascii_case(provider);
        self.providers.is_empty() || self.providers.iter().any(is_it)
    }
}

/// Hashes one line of JSON an entry, in the order of the file, which decides between equals.
fn digest(entries: &[Price]) -> String {
    let mut hasher = Sha256::new();
    for price in entries {
        let models: Vec<&str> = price.models.iter().map(ModelPattern::as_str).collect();
        let prices = [
            price.input,
            price.output,
            price.cache_read,
            price.cache_write,
        ];
        let nanos = prices.map(Decimal::as_nanos);
        let from = price.valid_from.to_string();
        let line = serde_json::to_vec(&(&price.providers, models, from, nanos));
        hasher.update(line.expect("a tuple of texts and integers is JSON"));
        hasher.update(b"\n");
    }
    let mut digest = String::with_capacity(64);
    for byte in hasher.finalize() {
        write!(digest, "{byte:02x}").expect("a String takes every write");
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use retally_log::{Draft, Event};

    /// Prices a call given as JSON, at a time, by a book given as TOML.
    fn check(book: &str, time: &str, call: &str, expected: Option<&str>) {
        let book = PriceBook::parse(book, "prices.toml").expect("a price book");
        let json = format!(r#"{{"type":"llm.called",{call}}}"#);
        let draft = Draft::from_json(json.as_bytes()).expect("an event");
        let Event::LlmCalled(event) = draft.event else {
            panic!("{json} is no llm.called");
        };
        let time = time.parse().expect("a time");
        let cost = book.cost(time, &event).map(|usd| usd.to_string());
        assert_eq!(cost.as_deref(), expected, "{call} at {time}");
    }

    const BOOK: &str = r#"
        [[price]]
        model = "m*"
        input = 1
        output = 2.5
        cache_read = "0.1"
        cache_write = 1.25

        [[price]]
        model = ["m-large", "m-huge"]
        valid_from = 2025-01-01
        input = 10
        output = 20

        [[price]]
        model = "m-large"
        valid_from = "2025-06-01"
        input = 5
        output = 10

        [[price]]
        provider = ["Cheap", "cheaper"]
        model = "m*"
        input = 0.5
        output = 1e0
    "#;

    #[test]
    fn the_most_specific_entry_that_is_valid_prices_a_call() {
        let million = |model: &str| format!(r#""model":"{model}","input_tokens":1000000"#);
        check(
            BOOK,
            "2025-07-01T00:00:00Z",
            &million("m-large"),
            Some("5.0"),
        );
        check(
            BOOK,
            "2025-06-01T00:00:00Z",
            &million("m-large"),
            Some("5.0"),
        );
        check(
            BOOK,
            "2025-05-31T23:59:59Z",
            &million("m-large"),
            Some("10.0"),
        );
        check(
            BOOK,
            "2024-12-31T23:59:59Z",
            &million("m-large"),
            Some("1.0"),
        );
        check(
            BOOK,
            "2025-07-01T00:00:00Z",
            &million("M-HUGE"),
            Some("10.0"),
        );
        check(BOOK, "2025-07-01T00:00:00Z", &million("m"), Some("1.0"));
        check(BOOK, "2025-07-01T00:00:00Z", &million("n"), None);
        let with_provider = |provider: &str| format!(r#"{},"provider":"{provider}""#, million("m"));
        check(
            BOOK,
            "2025-07-01T00:00:00Z",
            &with_provider("cheap"),
            Some("0.5"),
        );
        check(
            BOOK,
            "2025-07-01T00:00:00Z",
            &with_provider("CHEAPER"),
            Some("0.5"),
        );
        check(
            BOOK,
            "2025-07-01T00:00:00Z",
            &with_provider("other"),
            Some("1.0"),
        );
    }

    #[test]
    fn an_entry_with_a_provider_fits_calls_that_state_none() {
        let book = "[[price]]\nprovider = \"p\"\nmodel = \"m\"\ninput = 1\noutput = 1\n";
        let time = "2025-01-01T00:00:00Z";
        check(
            book,
            time,
            r#""model":"m","input_tokens":1000000"#,
            Some("1.0"),
        );
        check(
            book,
            time,
            r#""model":"m","provider":"q","input_tokens":1000000"#,
            None,
        );
    }

    #[test]
    fn cached_tokens_are_taken_off_the_input() {
        let time = "2024-01-01T00:00:00Z";
        check(
            BOOK,
            time,
            r#""model":"m","input_tokens":1000,"cache_read_tokens":600,"cache_write_tokens":300,"output_tokens":100,"reasoning_tokens":50"#,
            Some("0.000785"),
        );
        check(
            BOOK,
            time,
            r#""model":"m","input_tokens":10,"cache_read_tokens":1000000"#,
            Some("0.1"),
        );
    }

    #[test]
    fn what_has_no_tokens_has_no_cost() {
        let time = "2024-01-01T00:00:00Z";
        check(BOOK, time, r#""model":"m""#, None);
        check(BOOK, time, r#""model":"m","reasoning_tokens":5"#, None);
        check(BOOK, time, r#""model":"m","output_tokens":0"#, Some("0.0"));
    }

    #[test]
    fn the_largest_call_is_priced_without_overflow() {
        let book = "[[price]]\nmodel = \"m\"\ninput = 1e9\noutput = 1e9\n";
        let tokens = r#""model":"m","input_tokens":9007199254740991,"output_tokens":9007199254740991,"cache_read_tokens":9007199254740991,"cache_write_tokens":9007199254740991"#;
        let expected = "27021597764222973000.0";
        check(book, "2024-01-01T00:00:00Z", tokens, Some(expected));
    }

    #[test]
    fn the_digest_is_that_of_the_prices_not_of_the_text() {
        let digest = |text| PriceBook::parse(text, "x").expect("a book").digest;
        let plain = digest("[[price]]\nmodel='m'\ninput=1\noutput=2.50");
        let same = digest("# comment\n[[price]]\noutput='2.5'\ninput=1.0\nmodel='M'\n");
        let other = digest("[[price]]\nmodel='m'\ninput=1\noutput=2.51");
        assert_eq!(plain, same);
        assert_ne!(plain, other);
        assert_eq!(plain.len(), 64);
    }

    #[test]
    fn the_built_in_book_is_one() {
        let book = PriceBook::built_in();
        assert!(book.entries.len() > 20);
        check(
            BUILT_IN,
            "2024-12-03T14:30:22Z",
            r#""provider":"deepseek","model":"deepseek-chat","input_tokens":1000000"#,
            Some("0.14"),
        );
    }
}
