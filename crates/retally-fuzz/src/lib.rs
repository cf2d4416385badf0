//! Inputs for the fuzz targets in `tests/`: good files that are broken by a script of edits.
//!
//! Bytes alone seldom get past a first check. Here the bytes that the fuzzer chooses are a script:
//! the first says which good file is taken, the others how it is changed. So each input is close
//! to one that is read to its end, and an engine that learns from coverage still steers it.
//!
//! This crate is no dependency of any other, and its targets are plain tests: `just fuzz 60` runs
//! each for a minute. Inputs that once found a fault stand in `tests/__fuzz__/TARGET/corpus` and
//! are tried first, in every run of the tests.
#![forbid(unsafe_code)]

/// What texts are made of that readers stumble over.
const TOKENS: &[&str] = &[
    "\n",
    "\r\n",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "-0",
    "1e999",
    "18446744073709551616",
    "9007199254740992",
    "0.1",
    "{\"seq\":",
    "{\"seq\":0,",
    ",\"crc\":\"00000000\"}",
    "\"ts\":\"",
    "\"type\":\"",
    "\"key\":",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "2024-12-03T14:30:22+24:00",
    "[[price]]",
    "model",
    "=",
    "'",
    "../",
    "%2e",
    "-00000000",
    "\u{1b}[31m",
    "🎉",
];

/// How many edits break a file: more would leave nothing of it.
const EDITS_MAX: usize = 12;

/// The longest stretch that one edit moves, in bytes.
const STRETCH_MAX: usize = 512;

/// Returns one of the good files, changed as the script says; a script that begins with 0xff is
/// itself what is returned.
pub fn broken(good: &[Vec<u8>], script: &[u8]) -> Vec<u8> {
    let mut script = Script(script);
    let first = script.byte();
    if first == 0xff || good.is_empty() {
        return script.0.to_vec();
    }
    let mut bytes = good[usize::from(first) % good.len()].clone();
    for _ in 0..EDITS_MAX {
        if !script.0.is_empty() {
            edit(&mut bytes, good, &mut script);
        }
    }
    bytes
}

fn edit(bytes: &mut Vec<u8>, good: &[Vec<u8>], script: &mut Script<'_>) {
    let kind = script.byte();
    let at = script.place(bytes.len());
    let end = (at + script.place(STRETCH_MAX)).min(bytes.len());
    match kind % 8 {
        0 => bytes.truncate(at),
        1 => _ = bytes.drain(at..end),
        2 => {
            let copied = bytes[at..end].to_vec();
            let to = script.place(bytes.len());
            bytes.splice(to..to, copied);
        }
        3 => {
            let token = TOKENS[usize::from(script.byte()) % TOKENS.len()];
            bytes.splice(at..at, token.bytes());
        }
        4 => {
            let token = TOKENS[usize::from(script.byte()) % TOKENS.len()];
            bytes.splice(at..end.min(at + token.len()), token.bytes());
        }
        5 => {
            let other = &good[usize::from(script.byte()) % good.len()];
            let from = script.place(other.len());
            let to = (from + STRETCH_MAX).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        6 => bytes.insert(at, script.byte()),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (script.byte() % 8);
            }
        }
    }
}

struct Script<'s>(&'s [u8]);

impl Script<'_> {
    /// Returns the next byte, or 0 at the end.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// Returns a place from 0 to `length`.
    fn place(&mut self, length: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        // Long files are reached everywhere, if not at every byte.
        let scaled = number * length.div_ceil(1 << 16).max(1);
        scaled % (length + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_breaks_a_good_file_and_an_empty_one_leaves_it() {
        let good = [b"one".to_vec(), b"two".to_vec()];
        assert_eq!(broken(&good, &[1]), b"two");
        assert_eq!(broken(&good, &[0xff, b'x']), b"x");
        assert_eq!(broken(&good, &[0, 0, 0, 1]), b"o");
        assert_eq!(broken(&good, &[0, 3, 0, 1, 0, 0, 0]), b"o\nne");
    }
}
