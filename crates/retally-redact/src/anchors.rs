//! Finds many short words in a text at once, in any case.

/// How many bits of a byte tell it from others: those in which both cases of a letter agree.
const BYTE_BITS: u32 = 5;

/// A word is looked for by its first so many bytes.
const WINDOW_BYTES: usize = 3;

const CODES: usize = 1 << (BYTE_BITS as usize * WINDOW_BYTES);

/// Some words by the codes of their first three bytes.
///
/// Nearly all places of a text are done with by one look into a table of 32 KiB.
pub(crate) struct Anchors {
    words: Vec<&'static [u8]>,
    /// Which codes a word begins with.
    begins: Box<[bool; CODES]>,
    /// Codes with the numbers of their words, sorted.
    numbers: Vec<(usize, usize)>,
}

impl Anchors {
    /// Takes words of two bytes or more. Of one of two a place at the very end of a text is not
    /// found.
    pub(crate) fn new(words: impl IntoIterator<Item = &'static str>) -> Self {
        let words: Vec<&[u8]> = words.into_iter().map(str::as_bytes).collect();
        let mut begins = Box::new([false; CODES]);
        let mut numbers = Vec::with_capacity(words.len());
        for (number, word) in words.iter().enumerate() {
            let missing = WINDOW_BYTES.saturating_sub(word.len());
            for rest in 0..1_usize << (BYTE_BITS as usize * missing) {
                let known = word
                    .iter()
                    .take(WINDOW_BYTES)
                    .fold(0, |code, byte| with(code, *byte));
                let code = known << (BYTE_BITS as usize * missing) | rest;
                begins[code] = true;
                numbers.push((code, number));
            }
        }
        numbers.sort_unstable();
        Self {
            words,
            begins,
            numbers,
        }
    }

    /// Hands the number of a word to `hit` for each place where it stands.
    pub(crate) fn find(&self, bytes: &[u8], mut hit: impl FnMut(usize)) {
        let mut code = bytes
            .iter()
            .take(WINDOW_BYTES - 1)
            .fold(0, |code, byte| with(code, *byte));
        let ends = bytes.iter().skip(WINDOW_BYTES - 1);
        for (start, byte) in ends.enumerate() {
            code = with(code, *byte) % CODES;
            if !self.begins[code] {
                continue;
            }
            let first = self.numbers.partition_point(|(other, _)| *other < code);
            let same = self.numbers[first..]
                .iter()
                .take_while(|(other, _)| *other == code);
            for (_, number) in same {
                let end = start + self.words[*number].len();
                let found = bytes.get(start..end);
                if found.is_some_and(|found| found.eq_ignore_ascii_case(self.words[*number])) {
                    hit(*number);
                }
            }
        }
    }
}

const fn with(code: usize, byte: u8) -> usize {
    code << BYTE_BITS | (byte & ((1 << BYTE_BITS) - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORDS: [&str; 7] = ["sk-", "sk-ant-", "SK", "token", "://", "Q~", "ken"];

    proptest! {
        /// Property: what is found is what a search for each word at each place finds.
        #[test]
        fn each_place_of_each_word_is_found(
            parts in prop::collection::vec(prop_oneof![
                prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
                "[a-zA-Z:/~. -]{0,4}",
                "\\PC{0,3}",
            ], 0..12)
        ) {
            let text = parts.concat() + "  ";
            let bytes = text.as_bytes();
            let mut expected = Vec::new();
            for start in 0..bytes.len() {
                for (number, word) in WORDS.iter().enumerate() {
                    let found = bytes.get(start..start + word.len());
                    if found.is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes())) {
                        expected.push(number);
                    }
                }
            }
            let mut found = Vec::new();
            Anchors::new(WORDS).find(bytes, |number| found.push(number));
            // Two words at one place are found in the order of their codes.
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
