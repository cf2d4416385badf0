//! What reading makes of a log that was harmed in any way: never another event than those that were
//! written, and none is missing but those whose lines were touched.

use super::*;
use crate::line::parse_line;
use crate::line_reader::tests::ScriptedSource;
use crate::line_writer::{TextRules, encode_line};
use crate::proof::{proved, quick_or_soak};
use crate::random::Random;
use crate::{Draft, Event, Timestamp};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

const EVENTS: u64 = 300;

/// A log as a writer leaves it.
struct Log {
    bytes: Vec<u8>,
    /// Where each line stands, its LF included.
    lines: Vec<Range<usize>>,
}

/// What was found over many logs that were harmed.
#[derive(Default)]
struct Counts {
    logs: AtomicU64,
    damaged: AtomicU64,
    bytes: AtomicU64,
    /// First lines that lost only the name of their checksum.
    unchecked: AtomicU64,
}

/// The payload of a line, as JSON.
fn payload(seq: u64) -> String {
    let text = |start: &str, bytes: u64| {
        let rest = r#"ä\"1\\ {"#.repeat(usize::try_from(bytes).expect("small") / 8);
        format!("{start} {seq}: {rest}")
    };
    match (seq, seq % 5) {
        (0, _) => r#"{"type":"segment.opened","format":1,"segment":"s","times":"stamped","host":"h","boot":"b","inode":7,"device":8,"pid":9,"writer":{"name":"retally","version":"0.1.0"}}"#.to_owned(),
        (_, 0) => format!(
            r#"{{"type":"note.added","text":"{}","issue":{seq}}}"#, text("a note", 200 + seq % 90)
        ),
        (_, 1) => format!(
            r#"{{"type":"issue.started","issue":"PROJ-{seq}","title":"{}"}}"#, text("an issue", 60)
        ),
        (_, 2) => format!(
            r#"{{"type":"agent.finished","issue":{seq},"agent":"coding","success":false,"error":"{}"}}"#,
            text("an error", 300 + seq % 50)
        ),
        (_, 3) => format!(
            r#"{{"type":"llm.called","model":"m","input_tokens":{seq}000,"cost_usd":0.{seq}}}"#
        ),
        _ => format!(r#"{{"type":"my.event","issue":"{}","n":[1,{{"m":2.50}}]}}"#, text("x", 90)),
    }
}

impl Log {
    fn new() -> Self {
        let (mut bytes, mut lines) = (Vec::new(), Vec::new());
        for seq in 0..=EVENTS {
            let start = bytes.len();
            let payload = payload(seq);
            let draft = Draft::from_json(payload.as_bytes()).expect("an event");
            let micros = 1_733_236_222_000_000 + i64::try_from(seq * 7919).expect("small");
            let ts = Timestamp::from_micros_saturating(micros);
            encode_line(&mut bytes, seq, ts, &draft, TextRules::default()).expect("it fits");
            lines.push(start..bytes.len());
        }
        Self { bytes, lines }
    }

    /// Returns the lines that these bytes belong to.
    fn lines_of(&self, touched: &Range<usize>) -> Range<usize> {
        let first = self.lines.partition_point(|line| line.end <= touched.start);
        let end = self.lines.partition_point(|line| line.start < touched.end);
        first..end
    }

    /// Checks what is read once `touched` has become `with`.
    ///
    /// Only the lines that were touched are read, and one more where the last one's LF was; what
    /// stands before and behind them is the same lines to the reader. The soak reads all.
    fn check(&self, touched: Range<usize>, with: &[u8], counts: &Counts) {
        let lines = self.lines_of(&touched);
        let window = quick_or_soak(
            lines.start
                ..(lines.end + usize::from(touched.end == self.lines[lines.end - 1].end))
                    .min(self.lines.len()),
            0..self.lines.len(),
        );
        let bytes = self.lines[window.start].start..self.lines[window.end - 1].end;
        let harmed = [
            &self.bytes[bytes.start..touched.start],
            with,
            &self.bytes[touched.end..bytes.end],
        ]
        .concat();
        let is_sealed = window.start > 0;
        let mut expected = window
            .clone()
            .filter(|line| !lines.contains(line))
            .peekable();
        let mut last = None;
        counts.read(harmed, is_sealed, |line, is_checked| {
            let mut known = self.lines[window.clone()].iter().zip(window.clone());
            let found = known.find(|(range, _)| self.bytes[range.start..range.end - 1] == *line);
            let Some((_, at)) = found else {
                // Nothing told the reader yet that lines of this segment bear checksums.
                assert!(lines.start == 0 && !is_checked, "a wrong event");
                assert_eq!(
                    described(line),
                    described(&self.bytes[..self.lines[0].end - 1])
                );
                counts.unchecked.fetch_add(1, Ordering::Relaxed);
                return;
            };
            assert!(last < Some(at), "line {at} twice or out of order");
            last = Some(at);
            expected.next_if_eq(&at);
        });
        assert_eq!(
            expected.next(),
            None,
            "a line is missing that was not touched"
        );
    }
}

/// Returns what a first line says of its segment.
fn described(line: &[u8]) -> Event<'_> {
    parse_line(line)
        .expect("sound")
        .content
        .expect("no misfit")
        .event
}

impl Counts {
    /// Reads bytes to their end, hands the sound lines on, and checks that each byte is one
    /// stretch's, or pending.
    fn read(&self, bytes: Vec<u8>, is_sealed: bool, mut visit: impl FnMut(&[u8], bool)) {
        let visible = bytes.len();
        let mut reader = SegmentReader::new(ScriptedSource { bytes, visible });
        reader.resume(0, is_sealed, Vec::new());
        let mut next = 0;
        loop {
            let item = reader.next(|item| {
                assert_eq!(item.offset, next, "a byte is left out");
                next += item.length;
                match item.content {
                    Content::Sound(line, bytes) => visit(bytes, line.is_sealed),
                    Content::Damage(_) => _ = self.damaged.fetch_add(1, Ordering::Relaxed),
                    Content::Blank => {}
                }
            });
            if item.expect("a script does not fail").is_none() {
                break;
            }
        }
        assert_eq!(next + reader.pending_bytes(), visible as u64);
        self.logs.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(visible as u64, Ordering::Relaxed);
    }

    fn logs(&self) -> u64 {
        self.logs.load(Ordering::Relaxed)
    }

    /// Says what was done, and that it was accounted for.
    fn prove(&self, what: &str) {
        let logs = self.logs();
        let damaged = self.damaged.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        proved("R1", &format!("{logs} {what}"));
        proved(
            "R2",
            &format!("{bytes} bytes, {damaged} stretches set aside in {logs} {what}"),
        );
    }
}

/// Does `work` with each number below `count`, on two threads.
fn for_each(count: usize, work: impl Fn(usize) + Sync) {
    let half = count / 2;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..half).for_each(&work));
        (half..count).for_each(&work);
    });
}

#[test]
#[ignore = "each bit of a log: `just guarantees` runs it"]
fn a_flipped_bit_costs_only_the_lines_that_it_touches() {
    let (log, counts) = (Log::new(), Counts::default());
    for_each(log.bytes.len() * 8, |bit| {
        let at = bit / 8;
        log.check(at..at + 1, &[log.bytes[at] ^ 1 << (bit % 8)], &counts);
    });
    // Bits of the key `crc` of the first line, which says what it said, but unchecked.
    assert!(counts.unchecked.load(Ordering::Relaxed) < 24);
    counts.prove("flipped bits");
}

#[test]
#[ignore = "bursts all over a log: `just guarantees` runs it"]
fn a_burst_of_errors_costs_only_the_lines_that_it_touches() {
    let bursts_a_byte = quick_or_soak(3, 64);
    let (log, counts) = (Log::new(), Counts::default());
    for_each(log.bytes.len() - 5, |at| {
        let mut random = Random::new(at as u64);
        for _ in 0..bursts_a_byte {
            let (shift, length) = (random.below(8), 2 + random.below(31));
            let ends = 1 | 1 << (length - 1);
            let burst = ((random.next() & ((1 << length) - 1)) | ends) << shift;
            let bytes = usize::try_from((shift + length).div_ceil(8)).expect("small");
            let mut with = log.bytes[at..at + bytes].to_vec();
            for (byte, flips) in with.iter_mut().zip(burst.to_le_bytes()) {
                *byte ^= flips;
            }
            log.check(at..at + bytes, &with, &counts);
        }
    });
    counts.prove("bursts of up to 32 bits");
}

#[test]
#[ignore = "each byte of a log: `just guarantees` runs it"]
fn a_cut_or_a_swap_costs_only_the_lines_that_it_touches() {
    let (log, cuts, swaps) = (Log::new(), Counts::default(), Counts::default());
    for_each(log.bytes.len(), |at| {
        let line = log.lines[log.lines_of(&(at..at + 1)).start].clone();
        // Whatever stands behind the line is gone with its rest.
        cuts.read(
            log.bytes[line.start..at].to_vec(),
            line.start > 0,
            |_, _| {
                panic!("half a line");
            },
        );
        if let [first, second] = log.bytes[at..log.bytes.len().min(at + 2)]
            && first != second
        {
            log.check(at..at + 2, &[second, first], &swaps);
        }
    });
    cuts.prove("cuts");
    swaps.prove("swaps of two bytes");
}

#[test]
#[ignore = "100,000 splices: `just guarantees` runs it"]
fn zeros_and_splices_cost_only_the_lines_that_they_touch() {
    const SPLICE_BYTES_MAX: u64 = 600;
    let log = Log::new();
    let (zeros, splices) = (Counts::default(), Counts::default());
    for block in [512, 4096] {
        for start in (0..log.bytes.len()).step_by(block) {
            let end = log.bytes.len().min(start + block);
            log.check(start..end, &vec![0; end - start], &zeros);
        }
    }
    for_each(quick_or_soak(100_000, 1_000_000), |splice| {
        let mut random = Random::new(splice as u64);
        let mut range = || {
            let length = usize::try_from(1 + random.below(SPLICE_BYTES_MAX)).expect("small");
            let room = (log.bytes.len() - length) as u64;
            let start = usize::try_from(random.below(room)).expect("small");
            start..start + length
        };
        let (from, to) = (range(), range());
        log.check_splice(to, &log.bytes[from], &splices);
    });
    zeros.prove("blocks of zeros");
    splices.prove("splices");
}

impl Log {
    /// As `check`, where whole lines may come from elsewhere in the log.
    fn check_splice(&self, touched: Range<usize>, with: &[u8], counts: &Counts) {
        let lines = self.lines_of(&touched);
        let next = (lines.end + 1).min(self.lines.len());
        let bytes = self.lines[lines.start].start..self.lines[next - 1].end;
        let harmed = [
            &self.bytes[bytes.start..touched.start],
            with,
            &self.bytes[touched.end..bytes.end],
        ]
        .concat();
        let mut found = Vec::new();
        counts.read(harmed, true, |line, _| {
            let seq = parse_line(line)
                .expect("it is sound")
                .seq
                .expect("it has a number");
            let range = &self.lines[usize::try_from(seq).expect("small")];
            assert_eq!(
                self.bytes[range.start..range.end - 1],
                *line,
                "a wrong event"
            );
            found.push(usize::try_from(seq).expect("small"));
        });
        // The last line of the window was not touched.
        assert!(
            next == lines.end || found.last() == Some(&lines.end),
            "{touched:?}"
        );
    }
}

#[test]
#[ignore = "each cut of each line: `just guarantees` runs it"]
fn a_torn_line_never_costs_the_one_behind_it() {
    let (log, counts) = (Log::new(), Counts::default());
    for_each(log.lines.len() - 1, |at| {
        let (torn, next) = (
            &log.bytes[log.lines[at].clone()],
            &log.bytes[log.lines[at + 1].clone()],
        );
        for cut in 1..torn.len() {
            // What a writer of ours leaves ends the torn line; others' may not.
            for separator in ["\n", ""] {
                let bytes = [&torn[..cut], separator.as_bytes(), next].concat();
                let mut found = Vec::new();
                counts.read(bytes, at > 0, |line, _| found.push(line.to_vec()));
                assert_eq!(
                    found.pop().as_deref(),
                    next.strip_suffix(b"\n"),
                    "{at} cut at {cut}"
                );
                let is_whole = cut + 1 == torn.len() && separator == "\n";
                assert_eq!(found.len(), usize::from(is_whole), "{at} cut at {cut}");
            }
        }
    });
    proved(
        "R3",
        &format!("{} torn lines before another", counts.logs()),
    );
}
