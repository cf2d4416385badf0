use crate::json_file::shortened;
use retally_log::{COUNT_MAX, Json, Object, Timestamp};

/// A JSON object of a foreign file whose members are taken with a check of their kind.
///
/// Any member may be absent: then it is missing, `null`, or an empty string. What is there must
/// be of its kind, else the record cannot be used: half of it would use up the key under which a
/// mended one could be imported later.
pub(crate) struct Record<'r> {
    object: &'r Object,
    /// The JSON path before the names of the members: empty, or `jobs[3].`.
    path: String,
}

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("it is not sound JSON: {0}")]
    NotJson(String),
    #[error("it is {got} (want {RECORD})")]
    NotRecord { got: String },
    #[error("`{path}` is missing (want {want})")]
    Missing { path: String, want: &'static str },
    #[error("`{path}` is {got} (want {want})")]
    Wrong {
        path: String,
        got: String,
        want: &'static str,
    },
}

pub(crate) const TEXT: &str = "a string";
pub(crate) const IDENTIFIER: &str = "a string or an integer";
pub(crate) const ORDINAL: &str = "an integer from 1 to 9007199254740991";
pub(crate) const TIME: &str = "an RFC 3339 time with a zone";
pub(crate) const RECORD: &str = "an object";
pub(crate) const RECORDS: &str = "an array of objects";

/// Reads the object of a record: at most 64 levels deep, no key twice.
pub(crate) fn parse_object(text: &str) -> Result<Object, RecordError> {
    match Json::parse(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(RecordError::NotRecord {
            got: shortened(text),
        }),
        Err(error) => Err(RecordError::NotJson(error.to_string())),
    }
}

impl<'r> Record<'r> {
    pub(crate) fn new(object: &'r Object) -> Self {
        let path = String::new();
        Self { object, path }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'r str>, RecordError> {
        self.take(name, TEXT, |json| match json {
            Json::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Returns a string, or an integer as it stands.
    pub(crate) fn identifier(&self, name: &str) -> Result<Option<&'r str>, RecordError> {
        let is_integer = |literal: &str| {
            let digits = literal.strip_prefix('-').unwrap_or(literal);
            digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        self.take(name, IDENTIFIER, |json| match json {
            Json::Text(text) => Some(text.as_str()),
            Json::Number(number) if is_integer(number.as_str()) => Some(number.as_str()),
            _ => None,
        })
    }

    /// Returns an integer that counts from 1.
    pub(crate) fn ordinal(&self, name: &str) -> Result<Option<u64>, RecordError> {
        self.take(name, ORDINAL, |json| match json {
            Json::Number(number) => {
                let number = number.as_str().parse().ok();
                number.filter(|number| (1..=COUNT_MAX).contains(number))
            }
            _ => None,
        })
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, RecordError> {
        self.take(name, TIME, |json| match json {
            Json::Text(text) => Timestamp::parse(text).ok(),
            _ => None,
        })
    }

    pub(crate) fn record(&self, name: &str) -> Result<Option<Self>, RecordError> {
        self.take(name, RECORD, |json| match json {
            Json::Object(object) => Some(Self {
                object,
                path: format!("{}{name}.", self.path),
            }),
            _ => None,
        })
    }

    /// Returns the objects of an array; none where it is absent.
    pub(crate) fn records(&self, name: &str) -> Result<Vec<Self>, RecordError> {
        let items = self.take(name, RECORDS, |json| match json {
            Json::Array(items) => Some(items.as_slice()),
            _ => None,
        })?;
        let items = items.unwrap_or_default().iter().enumerate();
        items
            .map(|(at, item)| match item {
                Json::Object(object) => Ok(Self {
                    object,
                    path: format!("{}{name}[{at}].", self.path),
                }),
                _ => Err(wrong(format!("{}{name}[{at}]", self.path), item, RECORD)),
            })
            .collect()
    }

    /// Returns a member that the record cannot be used without.
    pub(crate) fn require<T>(
        &self,
        member: Option<T>,
        name: &str,
        want: &'static str,
    ) -> Result<T, RecordError> {
        member.ok_or_else(|| RecordError::Missing {
            path: format!("{}{name}", self.path),
            want,
        })
    }

    fn take<T>(
        &self,
        name: &str,
        want: &'static str,
        read: impl FnOnce(&'r Json) -> Option<T>,
    ) -> Result<Option<T>, RecordError> {
        match self.object.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) if text.is_empty() => Ok(None),
            Some(json) => match read(json) {
                Some(value) => Ok(Some(value)),
                None => Err(wrong(format!("{}{name}", self.path), json, want)),
            },
        }
    }
}

fn wrong(path: String, json: &Json, want: &'static str) -> RecordError {
    let got = serde_json::to_string(json).expect("free JSON has string keys only");
    RecordError::Wrong {
        path,
        got: shortened(&got),
        want,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug>(
        json: &str,
        read: impl Fn(&Record<'_>) -> Result<T, RecordError>,
        expected: &str,
    ) {
        let object = parse_object(&format!("{{\"a\":{json}}}")).expect("an object");
        let actual = match read(&Record::new(&object)) {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expected, "{json}");
    }

    #[test]
    fn a_record_is_one_sound_object() {
        let refusal = |text: &str| parse_object(text).map_err(|error| error.to_string());
        assert!(refusal("{\"a\":[{}]}").is_ok());
        assert_eq!(refusal("[1]"), Err("it is [1] (want an object)".to_owned()));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":"\ud800"}"#, &deep] {
            let reason = refusal(text).expect_err(text);
            assert!(reason.starts_with("it is not sound JSON: "), "{reason}");
        }
    }

    #[test]
    fn null_and_the_empty_string_are_absent() {
        for json in ["null", "\"\""] {
            check(
                json,
                |record| record.text("a").map(|text| text.is_none()),
                "true",
            );
            check(json, |record| record.ordinal("a"), "None");
            check(
                json,
                |record| record.records("a").map(|items| items.len()),
                "0",
            );
        }
        check(
            "1",
            |record| record.text("b").map(|text| text.is_none()),
            "true",
        );
    }

    #[test]
    fn a_member_of_another_kind_is_named_with_what_is_wanted() {
        let text =
            |json, expected| check(json, |r| r.text("a").map(|t| t.map(String::from)), expected);
        text("\"x\"", "Some(\"x\")");
        text("17", "`a` is 17 (want a string)");
        let ordinal = |json: &str, expected: &str| check(json, |r| r.ordinal("a"), expected);
        ordinal("17", "Some(17)");
        for json in [
            "0",
            "-1",
            "1.5",
            "1e3",
            "9007199254740992",
            "1e400",
            "\"17\"",
        ] {
            let expected = format!("`a` is {json} (want an integer from 1 to 9007199254740991)");
            ordinal(json, &expected);
        }
        let time = |json, expected| check(json, |r| r.time("a"), expected);
        time(
            "\"2026-08-04 20:02\"",
            "`a` is \"2026-08-04 20:02\" (want an RFC 3339 time with a zone)",
        );
        time(
            "1785873757",
            "`a` is 1785873757 (want an RFC 3339 time with a zone)",
        );
    }

    #[test]
    fn an_identifier_is_a_string_or_an_integer_of_any_length() {
        let id = |json, expected| {
            check(
                json,
                |r| r.identifier("a").map(|t| t.map(String::from)),
                expected,
            );
        };
        id("30946035499", "Some(\"30946035499\")");
        id(
            "123456789012345678901234567890",
            "Some(\"123456789012345678901234567890\")",
        );
        id("\"x-1\"", "Some(\"x-1\")");
        id("1e3", "`a` is 1e3 (want a string or an integer)");
        id("true", "`a` is true (want a string or an integer)");
    }

    #[test]
    fn a_member_of_a_member_is_named_by_its_path() {
        let login = |r: &Record<'_>| -> Result<Option<String>, RecordError> {
            let actor = r.record("a")?;
            let actor = r.require(actor, "a", RECORD)?;
            Ok(actor.text("login")?.map(String::from))
        };
        check(r#"{"login":"x"}"#, login, "Some(\"x\")");
        check(r#"{"login":[]}"#, login, "`a.login` is [] (want a string)");
        check("null", login, "`a` is missing (want an object)");
        let second = |r: &Record<'_>| r.records("a")?[1].ordinal("n");
        check(r#"[{},{"n":2}]"#, second, "Some(2)");
        check(
            r#"[{},{"n":{}}]"#,
            second,
            "`a[1].n` is {} (want an integer from 1 to 9007199254740991)",
        );
        check("[{},3]", second, "`a[1]` is 3 (want an object)");
    }

    #[test]
    fn a_long_value_is_shown_by_its_beginning() {
        let long = format!("\"{}\"", "a".repeat(100));
        let shown = format!("\"{}…", "a".repeat(59));
        check(
            &long,
            |r| r.ordinal("a"),
            &format!("`a` is {shown} (want {ORDINAL})"),
        );
    }
}
