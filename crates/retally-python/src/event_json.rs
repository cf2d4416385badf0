//! The fields of an event as Python has them, brought to what the event's type wants.

use crate::json_text::{number, plain, text, write_text, write_value};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDelta, PyDict, PyFloat, PyList, PyString, PyTuple};
use retally_log::{COUNT_MAX, Decimal, EventType, Kind, Number, Timestamp};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Other names of `issue`, as the log reads them.
const ISSUE_ALIASES: [&str; 2] = ["issue_id", "issue_iid"];
/// What has no meaning in what a caller hands over.
const OWN_KEYS: [&str; 3] = ["seq", "crc", "type"];
const MICROS_PER_SECOND: f64 = 1e6;
const MILLIS_PER_SECOND: f64 = 1e3;

/// Returns an event as one JSON object. `None` is left out, and so is a value that its field
/// cannot hold, such as a NaN where a count is wanted.
///
/// # Errors
/// The code of a value raised.
#[pyfunction]
#[pyo3(signature = (type_name, fields, micros = None, key = None))]
pub(crate) fn event_json(
    type_name: &Bound<'_, PyString>,
    fields: &Bound<'_, PyDict>,
    micros: Option<i64>,
    key: Option<&str>,
) -> PyResult<Vec<u8>> {
    let type_name = text(type_name.as_any())?;
    let event_type = EventType::find(&type_name);
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"type\":");
    write_text(&mut out, &type_name);
    if let Some(micros) = micros {
        let ts = Timestamp::from_micros_saturating(micros);
        out.extend_from_slice(format!(",\"ts\":\"{ts}\"").as_bytes());
    }
    if let Some(key) = key {
        out.extend_from_slice(b",\"key\":");
        write_text(&mut out, key);
    }
    for (name, value) in fields.iter() {
        let name = text(&name)?;
        let is_taken = (name == "ts" && micros.is_some()) || (name == "key" && key.is_some());
        if value.is_none() || is_taken || OWN_KEYS.contains(&&*name) {
            continue;
        }
        let start = out.len();
        out.push(b',');
        write_text(&mut out, &name);
        out.push(b':');
        if !write_field(&mut out, kind(event_type, &name), &value)? {
            out.truncate(start);
        }
    }
    out.push(b'}');
    Ok(out)
}

fn kind(event_type: Option<&EventType>, name: &str) -> Option<Kind> {
    match name {
        "ts" => Some(Kind::Time),
        "key" => Some(Kind::Text),
        _ => {
            let is_alias = ISSUE_ALIASES.contains(&name);
            let name = if is_alias { "issue" } else { name };
            Some(event_type?.field(name)?.kind)
        }
    }
}

/// Appends the value of a field, or returns `false` where the field cannot hold it.
fn write_field(out: &mut Vec<u8>, kind: Option<Kind>, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(kind) = kind else {
        write_value(out, value)?;
        return Ok(true);
    };
    match kind {
        Kind::Count => return write_literal(out, count(value)?),
        Kind::Flag => {
            let flag = plain(value)?.is_truthy()?;
            return write_literal(out, Some(flag.to_string()));
        }
        _ => {}
    }
    let value = &plain(value)?;
    if value.is_none() {
        return Ok(false);
    }
    match kind {
        Kind::Text | Kind::Word(_) => write_text(out, &text(value)?),
        Kind::Identifier => write_text(out, &identifier(value)?),
        Kind::Number => return write_literal(out, stated_number(value)?),
        Kind::Decimal => {
            let literal = stated_number(value)?;
            return write_literal(out, literal.filter(|it| Decimal::parse(it).is_ok()));
        }
        Kind::Time => return write_time(out, value),
        Kind::TextList => write_texts(out, value)?,
        Kind::TextMap => return write_map(out, value, |_| Some(Kind::Text)),
        Kind::Llm => {
            return write_map(out, value, |name| match name {
                "provider" | "model" => Some(Kind::Text),
                "temperature" => Some(Kind::Number),
                _ => None,
            });
        }
        Kind::Object if !value.is_instance_of::<PyDict>() => return Ok(false),
        _ => write_value(out, value)?,
    }
    Ok(true)
}

fn write_literal(out: &mut Vec<u8>, literal: Option<String>) -> PyResult<bool> {
    let Some(literal) = literal else {
        return Ok(false);
    };
    out.extend_from_slice(literal.as_bytes());
    Ok(true)
}

/// Returns the text that identifies; `123.0` is `123`.
fn identifier<'v>(value: &'v Bound<'_, PyAny>) -> PyResult<Cow<'v, str>> {
    let text = text(value)?;
    let is_float = value.is_instance_of::<PyFloat>();
    Ok(match text.strip_suffix(".0") {
        Some(whole) if is_float => Cow::Owned(whole.to_owned()),
        _ => text,
    })
}

/// Returns the literal of a number, or of a text that is one.
fn stated_number(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if value.is_instance_of::<PyString>() {
        let text = text(value)?;
        let text = text.trim().to_owned();
        return Ok(Number::new(text.as_str()).is_some().then_some(text));
    }
    if let Ok(flag) = value.cast_exact::<PyBool>() {
        return Ok(Some(u8::from(flag.is_true()).to_string()));
    }
    number(value)
}

/// Returns a count. Numbers are rounded, and a `timedelta` counts its milliseconds.
fn count(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let (value, scale) = match value.cast::<PyDelta>() {
        Ok(time) => (time.call_method0("total_seconds")?, MILLIS_PER_SECOND),
        Err(_) => (plain(value)?, 1.0),
    };
    let literal = stated_number(&value)?;
    let whole = literal.as_deref().and_then(|it| it.parse::<u64>().ok());
    let rounded = || {
        let number: f64 = literal.as_deref()?.parse().ok()?;
        let number = (number * scale).round_ties_even();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "the range is checked, and its ends are exact"
        )]
        (0.0..=COUNT_MAX as f64)
            .contains(&number)
            .then_some(number as u64)
    };
    let count = whole.filter(|_| scale == 1.0).or_else(rounded);
    Ok(count.filter(|it| *it <= COUNT_MAX).map(|it| it.to_string()))
}

/// Takes RFC 3339 with a zone, and seconds since 1970.
fn write_time(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let time = match number(value)? {
        Some(literal) => literal.parse::<f64>().ok().map(|seconds| {
            #[expect(clippy::cast_possible_truncation, reason = "a float saturates")]
            Timestamp::from_micros_saturating((seconds * MICROS_PER_SECOND).round() as i64)
        }),
        None => Timestamp::parse(&text(value)?).ok(),
    };
    if let Some(time) = time {
        write_text(out, &time.to_string());
    }
    Ok(time.is_some())
}

/// A single value is a list of one.
fn write_texts(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut texts = Vec::new();
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        for item in value.try_iter()? {
            texts.push(text(&item?)?.into_owned());
        }
    } else {
        texts.push(text(value)?.into_owned());
    }
    serde_json::to_writer(out, &texts).expect("a Vec takes every write, and texts are JSON");
    Ok(())
}

/// Writes a dictionary whose members are of the kinds that `kind` says by their names.
fn write_map(
    out: &mut Vec<u8>,
    value: &Bound<'_, PyAny>,
    kind: impl Fn(&str) -> Option<Kind>,
) -> PyResult<bool> {
    let Ok(members) = value.cast::<PyDict>() else {
        return Ok(false);
    };
    let mut seen = BTreeSet::new();
    out.push(b'{');
    for (name, value) in members.copy()?.iter() {
        let name = text(&name)?;
        if value.is_none() || !seen.insert(name.clone().into_owned()) {
            continue;
        }
        let start = out.len();
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        write_text(out, &name);
        out.push(b':');
        if !write_field(out, kind(&name), &value)? {
            out.truncate(start);
        }
    }
    out.push(b'}');
    Ok(true)
}
