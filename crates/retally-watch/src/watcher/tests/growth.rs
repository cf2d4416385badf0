//! How a log that grows byte by byte shows in its reports.

use super::*;
use std::collections::VecDeque;

/// Numbers that look random and are the same in each run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// A log to which somebody appends without regard to where lines end.
struct Growth {
    text: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
    written: usize,
}

impl Growth {
    fn new(lines: usize) -> Self {
        let mut growth = Self {
            text: Vec::new(),
            ends: Vec::new(),
            written: 0,
        };
        for number in 0..lines {
            let tool = "x".repeat(number % 200);
            let event = format!(r#""tool.called","issue":{},"tool":"{tool}""#, number % 5);
            growth.text.extend(line(1, &event).into_bytes());
            growth.ends.push(growth.text.len());
        }
        growth
    }

    /// Appends so many bytes, and returns how many lines are whole now.
    fn append(&mut self, path: &Path, bytes: usize) -> usize {
        let end = self.text.len().min(self.written + bytes);
        let text = std::str::from_utf8(&self.text[self.written..end]).expect("ASCII");
        append(path, text).expect("appended");
        self.written = end;
        self.ends.partition_point(|line_end| *line_end <= end)
    }
}

/// Returns how many calls a run's report counts, and checks that it counts no damage.
fn calls_shown(world: &World) -> usize {
    let path = world.root().join("run_1/run_1_metadata.json");
    let Ok(report) = fs::read(path) else {
        return 0;
    };
    let report: serde_json::Value = serde_json::from_slice(&report).expect("a whole report");
    assert_eq!(report["damaged_lines"], 0, "half a line was taken for one");
    let calls = report["tool_calls"].as_u64().expect("a number");
    usize::try_from(calls).expect("few")
}

/// Appends so many lines, and fails where the reports show one before it is whole, or not within a
/// second of that. Returns at how many looks the log ended within a line.
fn check(lines: usize, hears: bool) -> u64 {
    let world = World::silent();
    let mut watcher = world.watcher();
    let mut growth = Growth::new(lines);
    let path = world.segment("run_1", "a");
    let mut random = Random(7);
    let mut halves = 0;
    // When so many lines were whole.
    let mut whole: VecDeque<(Duration, usize)> = VecDeque::new();
    while growth.written < growth.text.len() {
        let bytes = [1, 30, 300, 20_000][random.below(4) as usize];
        let lines = growth.append(&path, 1 + random.below(bytes) as usize);
        let is_half = lines == 0 || growth.ends[lines - 1] != growth.written;
        halves += u64::from(is_half);
        whole.push_back((world.clock.monotonic(), lines));
        if hears && random.below(2) == 0 {
            watcher.take_in(hint("run_1"));
        }
        // As `run` does: it wakes where something is due.
        let due = watcher
            .schedule
            .next_due()
            .saturating_sub(world.clock.monotonic());
        world
            .clock
            .advance(due.min(Duration::from_millis(random.below(250))));
        turn(&mut watcher);
        let shown = calls_shown(&world);
        assert!(shown <= lines, "{shown} of {lines} lines are shown");
        let now = world.clock.monotonic();
        let is_long_ago = |at: Duration| now.saturating_sub(at) >= Duration::from_secs(1);
        while whole.get(1).is_some_and(|(at, _)| is_long_ago(*at)) {
            whole.pop_front();
        }
        let (at, expected) = whole[0];
        assert!(
            !is_long_ago(at) || shown >= expected,
            "{shown} of {expected} lines are shown after a second"
        );
    }
    world.pass(&mut watcher, 1);
    assert_eq!(calls_shown(&world), lines);
    assert_eq!(world.differences(), [""; 0]);
    halves
}

#[test]
fn lines_show_once_they_are_whole_and_within_a_second() {
    check(300, true);
    check(300, false);
}

#[test]
#[ignore = "100,000 lines: `just guarantees` runs it"]
fn however_a_log_grows_its_whole_lines_show_within_a_second() {
    let lines = quick_or_soak(50_000, 500_000);
    let halves = check(lines, true) + check(lines, false);
    let counts = format!(
        "{} lines, half of them without notifications; {halves} looks at a log that ends in half a line",
        2 * lines
    );
    proved("W1", &counts);
}
