use crate::cli::Append;
use crate::exit::{Exit, wrong_usage};
use crate::setting::{NO_RUN, Setting, complain};
use anyhow::{Context, Result, bail};
use retally_log::{
    Draft, Durability, EventType, Field, Json, Kind, RunDir, Times, Writer, WriterOptions,
};
use std::cell::OnceCell;
use std::io::Read;

/// How much of stdin is read at once; what came by then is appended together.
const CHUNK_BYTES: usize = 256 << 10;
/// A line of stdin that is longer is refused; lines of a log are no longer than 1 MiB, and long
/// texts are cut to that.
const INPUT_LINE_BYTES_MAX: usize = 64 << 20;
/// What some programs put before UTF-8; it is passed over before any line, as files are joined.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// How many lines of stdin that could not be appended are named one by one.
const NAMED_LINES_MAX: u64 = 20;

pub(crate) fn run(setting: &Setting, options: &Append) -> Result<Exit> {
    let run_of_environment = std::env::var("RETALLY_RUN").ok();
    let (run, words) = split_words(&options.words, run_of_environment.as_deref())?;
    let appender = Appender::new(setting, setting.find_run(run)?, options.sync)?;
    let Some((type_name, fields)) = words.split_first() else {
        return appender.append_lines(std::io::stdin().lock());
    };
    check_type(type_name)?;
    let json = event_json(type_name, fields)?;
    let draft = Draft::from_json(json.as_bytes())
        .map_err(|error| wrong_usage(format!("`{type_name}` is not appended: {error}")))?;
    if draft
        .event
        .issue()
        .is_some_and(|issue| issue.as_str().is_empty())
    {
        return Err(wrong_usage("`issue` is empty (an unset variable?)"));
    }
    mention_unknown(setting, &draft);
    appender.append(&[draft])?;
    Ok(Exit::Done)
}

/// Refuses a word that stands where a type should and can only be a slip: the log would keep it.
fn check_type(word: &str) -> Result<()> {
    let is_type_like = |c: char| !c.is_whitespace() && !c.is_control() && c != '=';
    if word.is_empty() || word.starts_with('-') || !word.chars().all(is_type_like) {
        let text = format!(
            "`{word}` is no event type (want RUN TYPE KEY=VALUE..., as in `retally append latest issue.started issue=123`)"
        );
        return Err(wrong_usage(text));
    }
    Ok(())
}

/// Says what this version does not know in an event: it is kept, but it may be a slip.
fn mention_unknown(setting: &Setting, draft: &Draft<'_>) {
    let type_name = draft.event.type_name();
    let Some(event_type) = EventType::find(type_name) else {
        let known = EventType::ALL.iter().map(|known| known.name);
        let near = nearest(type_name, known);
        setting.say(&format!(
            "note: `{type_name}` is not a type that retally knows{near}; appended as it is"
        ));
        return;
    };
    for (field, _) in draft.extra.iter() {
        let near = nearest(field, event_type.fields.iter().map(|known| known.name));
        setting.say(&format!(
            "note: `{type_name}` has no field `{field}`{near}; appended as it is"
        ));
    }
}

/// Returns the known name that was probably meant, as it reads behind a statement.
fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    const SIMILAR: f64 = 0.85;
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| format!(" (`{known}`?)"))
        .unwrap_or_default()
}

/// Tells the run from the event. The run may be left out where the environment names one: then
/// the first word is a known type, or a field follows it.
fn split_words<'w>(words: &'w [String], run: Option<&'w str>) -> Result<(&'w str, &'w [String])> {
    if let Some(run) = run {
        let is_type = match words {
            [] => true,
            [first] => EventType::find(first).is_some(),
            [first, second, ..] => EventType::find(first).is_some() || second.contains('='),
        };
        if is_type {
            return Ok((run, words));
        }
    }
    match words.split_first() {
        Some((run, words)) => Ok((run, words)),
        None => Err(wrong_usage(NO_RUN)),
    }
}

/// Makes the JSON of an event from its type and `KEY=VALUE` or `KEY:=JSON` words.
fn event_json(type_name: &str, fields: &[String]) -> Result<String> {
    let event_type = EventType::find(type_name);
    let mut members = vec![format!("\"type\":{}", quoted(type_name))];
    for word in fields {
        let (key, value) = word.split_once('=').ok_or_else(|| {
            wrong_usage(format!("`{word}` is no field, want KEY=VALUE or KEY:=JSON"))
        })?;
        let (key, json) = match key.strip_suffix(':') {
            Some(key) => {
                let json = Json::parse(value);
                let json = json.map_err(|error| {
                    wrong_usage(format!("`{key}` is `{value}`, want JSON: {error}"))
                })?;
                (key, serde_json::to_string(&json)?)
            }
            None => {
                let name = if matches!(key, "issue_id" | "issue_iid") {
                    "issue"
                } else {
                    key
                };
                (
                    key,
                    typed(value, event_type.and_then(|known| known.field(name))),
                )
            }
        };
        if matches!(key, "seq" | "crc" | "type") {
            return Err(wrong_usage(format!(
                "`{key}` is set by retally itself (leave it out)"
            )));
        }
        members.push(format!("{}:{json}", quoted(key)));
    }
    Ok(format!("{{{}}}", members.join(",")))
}

/// Returns a value as the JSON that its field wants; what does not fit is left to be refused.
fn typed(value: &str, field: Option<&Field>) -> String {
    let is_literal = match field.map(|field| field.kind) {
        Some(Kind::Count | Kind::Number | Kind::Decimal) => {
            retally_log::Number::new(value).is_some()
        }
        Some(Kind::Flag) => matches!(value, "true" | "false"),
        Some(Kind::TextList | Kind::Object | Kind::TextMap | Kind::CountMap | Kind::Llm) => {
            Json::parse(value).is_ok()
        }
        _ => false,
    };
    if is_literal {
        value.to_owned()
    } else {
        quoted(value)
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// Appends drafts to one run: those that bear a time to a segment whose times are given, all
/// others to one that retally stamps.
struct Appender {
    run: RunDir,
    options: WriterOptions,
    stamped: OnceCell<Writer>,
    given: OnceCell<Writer>,
}

impl Appender {
    fn new(setting: &Setting, run: RunDir, sync: bool) -> Result<Self> {
        let durability = match sync {
            true => Durability::Power,
            false => Durability::Process,
        };
        Ok(Self {
            run,
            options: WriterOptions {
                durability,
                cuts_long_texts: true,
                ..setting.writer_options()?
            },
            stamped: OnceCell::new(),
            given: OnceCell::new(),
        })
    }

    fn writer(&self, times: Times) -> &Writer {
        let cell = if times == Times::Given {
            &self.given
        } else {
            &self.stamped
        };
        cell.get_or_init(|| {
            let options = self.options.clone();
            Writer::new(self.run.clone(), WriterOptions { times, ..options })
        })
    }

    /// Appends in the order given, a batch for each stretch of one kind.
    fn append(&self, drafts: &[Draft<'_>]) -> Result<()> {
        for stretch in drafts.chunk_by(|left, right| left.ts.is_some() == right.ts.is_some()) {
            let times = if stretch[0].ts.is_some() {
                Times::Given
            } else {
                Times::Stamped
            };
            self.writer(times).append_batch(stretch)?;
        }
        Ok(())
    }

    /// Appends each line of the input, as soon as it is there.
    ///
    /// A line that is no event is named and passed over; all others are appended.
    fn append_lines(&self, mut input: impl Read) -> Result<Exit> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut end = 0;
        let mut lines = Lines {
            count: 0,
            refused: 0,
        };
        loop {
            if buffer.len() - end < CHUNK_BYTES / 2 {
                buffer.resize(buffer.len() * 2, 0);
            }
            let length = match input.read(&mut buffer[end..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                result => result.context("cannot read stdin")?,
            };
            if length == 0 {
                break;
            }
            let searched = end;
            end += length;
            let last = buffer[searched..end]
                .iter()
                .rposition(|byte| *byte == b'\n');
            if let Some(last) = last {
                let whole = searched + last + 1;
                self.append_whole_lines(&buffer[..whole], &mut lines)?;
                buffer.copy_within(whole..end, 0);
                end -= whole;
            } else if end > INPUT_LINE_BYTES_MAX {
                bail!(
                    "line {} of stdin is longer than 64 MiB (nothing behind it was read)",
                    lines.count + 1
                );
            }
        }
        self.append_whole_lines(&buffer[..end], &mut lines)?;
        lines.finish()
    }

    fn append_whole_lines(&self, input: &[u8], lines: &mut Lines) -> Result<()> {
        let mut drafts = Vec::new();
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            lines.count += 1;
            let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match Draft::from_json(line) {
                Ok(draft) => drafts.push(draft),
                Err(error) => lines.refuse(&error.to_string()),
            }
        }
        if drafts.is_empty() {
            return Ok(());
        }
        self.append(&drafts)
    }
}

/// The lines of stdin so far.
struct Lines {
    count: u64,
    refused: u64,
}

impl Lines {
    fn refuse(&mut self, reason: &str) {
        self.refused += 1;
        if self.refused <= NAMED_LINES_MAX {
            complain(&format!(
                "line {} of stdin is not appended: {reason}",
                self.count
            ));
        }
    }

    fn finish(self) -> Result<Exit> {
        let Self { count, refused } = self;
        if refused == 0 {
            return Ok(Exit::Done);
        }
        bail!("{refused} of {count} lines of stdin were not appended (mend and append those again)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn check(words: &[&str], expected: &str) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let actual = match event_json(&words[0], &words[1..]) {
            Ok(json) => json,
            Err(error) => format!("{error:#}"),
        };
        assert_eq!(actual, expected);
    }

    #[test]
    fn values_are_typed_by_the_schema_of_the_event() {
        check(
            &[
                "agent.finished",
                "issue=123",
                "agent=7",
                "success=true",
                "key=true",
            ],
            r#"{"type":"agent.finished","issue":"123","agent":"7","success":true,"key":"true"}"#,
        );
        check(
            &[
                "llm.called",
                "model=m",
                "input_tokens=12",
                "cost_usd=0.10",
                "calls=x",
                "other=1",
            ],
            r#"{"type":"llm.called","model":"m","input_tokens":12,"cost_usd":0.10,"calls":"x","other":"1"}"#,
        );
        check(
            &["x.y", "a:=[1, 2]", "b=c=d"],
            r#"{"type":"x.y","a":[1,2],"b":"c=d"}"#,
        );
        check(
            &["x.y", "a"],
            "`a` is no field, want KEY=VALUE or KEY:=JSON",
        );
    }

    /// Returns a word as a shell script may pass it on, with data in it.
    fn word() -> impl Strategy<Value = String> {
        let tokens = prop::sample::select(vec![
            "issue",
            "agent",
            "success",
            "seq",
            "ts",
            "key",
            "crc",
            "type",
            "input_tokens",
            "tags",
            "config",
            "segments",
            "=",
            ":=",
            ":",
            "\"",
            "\\",
            "\n",
            ",",
            "{",
            "}",
            "[1]",
            "{\"a\":1}",
            "1",
            "-1",
            "true",
            "null",
            "2024-12-03T14:30:22Z",
            "\u{1b}",
            "ü",
            "",
            " ",
            "é=",
        ]);
        prop::collection::vec(tokens, 0..6).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        /// Property: words make an object of their own keys and of no other, or are refused.
        #[test]
        fn a_word_makes_one_field_whatever_it_holds(
            type_name in prop_oneof![word(), prop::sample::select(known_types())],
            words in prop::collection::vec(word(), 0..5),
        ) {
            _ = split_words(&words, Some("run_1"));
            if let Ok(json) = event_json(&type_name, &words) {
                let object: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(&json).expect("an object");
                let key = |word: &String| {
                    let key = word.split_once('=').expect("a field").0;
                    key.strip_suffix(':').unwrap_or(key).to_owned()
                };
                let keys: BTreeSet<_> = words.iter().map(key).chain(["type".to_owned()]).collect();
                prop_assert!(object.keys().eq(&keys), "{json}");
                if let Ok(draft) = Draft::from_json(json.as_bytes()) {
                    prop_assert_eq!(draft.event.type_name(), &type_name);
                }
            }
        }
    }

    fn known_types() -> Vec<String> {
        EventType::ALL
            .iter()
            .map(|known| known.name.to_owned())
            .collect()
    }

    #[test]
    fn the_run_may_be_left_out_where_the_environment_names_it() {
        let check = |words: &[&str], run: Option<&str>, expected: Option<(&str, usize)>| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let actual = split_words(&words, run)
                .ok()
                .map(|(run, rest)| (run, rest.len()));
            assert_eq!(actual, expected, "{words:?}");
        };
        check(&["r", "x.y", "a=1"], None, Some(("r", 2)));
        check(&["r"], None, Some(("r", 0)));
        check(&[], None, None);
        check(&[], Some("env"), Some(("env", 0)));
        check(
            &["run.scored", "success=true"],
            Some("env"),
            Some(("env", 2)),
        );
        check(&["x.y", "a=1"], Some("env"), Some(("env", 2)));
        check(&["r", "x.y", "a=1"], Some("env"), Some(("r", 2)));
        check(&["r"], Some("env"), Some(("r", 0)));
    }
}
