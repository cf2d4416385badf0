//! Python values as JSON texts.
//!
//! Plain values are written here; what else there is (dates, paths, enumerations, scalars of
//! numpy) is first made plain by `retally._plain.plain`, step by step.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// How deep values may nest; the log takes 64 levels with those of the event itself.
const DEPTH_MAX: usize = 56;
/// What is beyond so many bytes is left out, so that the value fits on a line of 1 MiB.
const BYTES_MAX: usize = 700_000;
/// A text counts so many bytes at most: long ones are cut as it takes, to 256 bytes before escapes.
const TEXT_BYTES_MAX: usize = 1600;
/// How often a value is made plain before it is taken as a text.
const STEPS_MAX: usize = 8;
const TOO_DEEP: &str = "[nested too deeply]";
const TOO_LONG: &str = "[too long]";

/// Returns the value itself where it is plain, else what it is made to.
///
/// # Errors
/// The value's own code raised.
pub(crate) fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static PLAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let mut value = value.clone();
    for _ in 0..STEPS_MAX {
        if is_plain(&value) {
            return Ok(value);
        }
        value = PLAIN
            .import(value.py(), "retally._plain", "plain")?
            .call1((value,))?;
    }
    value.str().map(Bound::into_any)
}

fn is_plain(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_none()
        || value.is_exact_instance_of::<PyDict>()
        || value.is_exact_instance_of::<PyList>()
        || value.is_exact_instance_of::<PyTuple>()
}

/// Appends a value of any kind. A number that JSON has no word for is `null`.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let bytes_left = BYTES_MAX;
    ValueWriter { out, bytes_left }.write(value, DEPTH_MAX)
}

struct ValueWriter<'w> {
    out: &'w mut Vec<u8>,
    bytes_left: usize,
}

impl ValueWriter<'_> {
    fn write(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        let value = &plain(value)?;
        if let Ok(text) = value.cast_exact::<PyString>() {
            self.text(&text_of_str(text)?);
        } else if let Ok(flag) = value.cast_exact::<PyBool>() {
            self.literal(if flag.is_true() { "true" } else { "false" });
        } else if let Some(literal) = number(value)? {
            self.literal(&literal);
        } else if value.is_none() || value.is_exact_instance_of::<PyFloat>() {
            self.literal("null");
        } else if depth == 0 {
            self.text(TOO_DEEP);
        } else if let Ok(members) = value.cast_exact::<PyDict>() {
            self.members(members, depth)?;
        } else if let Ok(items) = value.cast_exact::<PyList>() {
            self.items(items.iter(), depth)?;
        } else if let Ok(items) = value.cast_exact::<PyTuple>() {
            self.items(items.iter(), depth)?;
        } else {
            // An integer that Python refuses to print.
            self.literal("null");
        }
        Ok(())
    }

    fn items<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: usize,
    ) -> PyResult<()> {
        self.literal("[");
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.literal(",");
            }
            if self.bytes_left == 0 {
                self.text(TOO_LONG);
                break;
            }
            self.write(&item, depth - 1)?;
        }
        self.literal("]");
        Ok(())
    }

    /// Of keys that become the same text, the first counts.
    fn members(&mut self, members: &Bound<'_, PyDict>, depth: usize) -> PyResult<()> {
        let mut seen = BTreeSet::new();
        self.literal("{");
        // A copy: the code of a value may change the original.
        for (key, value) in members.copy()?.iter() {
            let key = text(&key)?;
            if self.bytes_left == 0 {
                break;
            }
            if seen.contains(&*key) {
                continue;
            }
            if !seen.is_empty() {
                self.literal(",");
            }
            self.text(&key);
            self.literal(":");
            seen.insert(key.into_owned());
            self.write(&value, depth - 1)?;
        }
        self.literal("}");
        Ok(())
    }

    fn literal(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
        self.bytes_left = self.bytes_left.saturating_sub(json.len());
    }

    fn text(&mut self, text: &str) {
        let start = self.out.len();
        write_text(self.out, text);
        let bytes = (self.out.len() - start).min(TEXT_BYTES_MAX);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }
}

/// Returns the literal of an integer or a finite number, or `None` for any other value.
pub(crate) fn number(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if value.is_exact_instance_of::<PyInt>() {
        if let Ok(small) = value.extract::<i64>() {
            return Ok(Some(small.to_string()));
        }
        // Python refuses to print integers of thousands of digits.
        return Ok(value.repr().ok().map(|text| text.to_string()));
    }
    if value.is_exact_instance_of::<PyFloat>() {
        let number: f64 = value.extract()?;
        let literal = serde_json::to_string(&number).ok();
        return Ok(literal.filter(|_| number.is_finite()));
    }
    Ok(None)
}

/// Returns a value as a text: a string as it is, anything else as its JSON, numbers that JSON has
/// no word for as Python prints them.
pub(crate) fn text<'v>(value: &'v Bound<'_, PyAny>) -> PyResult<Cow<'v, str>> {
    if let Ok(text) = value.cast_exact::<PyString>() {
        return text_of_str(text);
    }
    let value = plain(value)?;
    if let Ok(text) = value.cast_exact::<PyString>() {
        return Ok(Cow::Owned(text_of_str(text)?.into_owned()));
    }
    if value.is_exact_instance_of::<PyFloat>() {
        return Ok(Cow::Owned(value.repr()?.to_string()));
    }
    let mut json = Vec::new();
    write_value(&mut json, &value)?;
    Ok(Cow::Owned(String::from_utf8_lossy(&json).into_owned()))
}

/// Returns a string. Surrogates that make a pair become the character that they mean, lone ones
/// U+FFFD.
fn text_of_str<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    if let Ok(text) = text.to_str() {
        return Ok(Cow::Borrowed(text));
    }
    let units: Vec<u8> = text
        .call_method1("encode", ("utf-16-le", "surrogatepass"))?
        .extract()?;
    let units = units.chunks_exact(2);
    let units: Vec<u16> = units
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .collect();
    Ok(Cow::Owned(String::from_utf16_lossy(&units)))
}

/// Appends a text as a JSON string.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    if text
        .bytes()
        .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
    {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    serde_json::to_writer(out, text).expect("a Vec takes every write, and a string is JSON");
}
