//! What a log says, however it arrives.

use super::folded_run::{FoldedRun, reports};
use super::random::Random;
use super::{proved, quick_or_soak};

/// A log of one segment in which nearly everything happens, and floats whose last digit counts.
fn lines(random: &mut Random) -> Vec<String> {
    let mut lines = vec![
        r#"{"seq":0,"ts":"2024-12-03T14:00:00Z","type":"segment.opened","segment":"s"}"#.to_owned(),
        r#"{"seq":1,"ts":"2024-12-03T14:00:00Z","type":"run.started","project_id":"p","config":{"a":0.1,"b":1.7976931348623157e308,"c":5e-324,"d":0.30000000000000004,"e":123456789012345678901234567890}}"#.to_owned(),
    ];
    for seq in 2..40 {
        let issue = 1 + random.below(3);
        let is_odd = random.below(2) == 1;
        let payload = match random.below(8) {
            0 => format!(r#""type":"issue.started","issue":{issue},"title":"ü \" {seq}""#),
            1 => format!(r#""type":"issue.finished","issue":{issue},"status":"completed""#),
            2 => format!(r#""type":"agent.started","issue":{issue},"agent":"coding""#),
            3 => format!(
                r#""type":"agent.finished","issue":{issue},"agent":"coding","success":{is_odd}"#
            ),
            4 => {
                format!(r#""type":"llm.called","issue":{issue},"model":"m","cost_usd":0.{seq:09}"#)
            }
            5 => format!(
                r#""type":"pipeline.recorded","issue":{issue},"pipeline_id":{seq},"status":"failed""#
            ),
            6 => {
                format!(r#""type":"code.changed","issue":{issue},"test_coverage_percent":{seq}.7"#)
            }
            _ => format!(r#""type":"run.finished","status":"completed","n":{seq}"#),
        };
        let line =
            format!(r#"{{"seq":{seq},"ts":"2024-12-03T14:00:{seq:02}.{seq:06}Z",{payload}}}"#);
        lines.push(line);
    }
    lines.iter_mut().for_each(|line| line.push('\n'));
    lines
}

/// Says a line again here and there: it counts once.
fn repeated(lines: &[String], random: &mut Random) -> String {
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        text += line;
        if random.below(10) == 0 {
            text += &lines[usize::try_from(random.below(at as u64 + 1)).expect("small")];
        }
    }
    text
}

#[test]
#[ignore = "1,000 logs in pieces: `just guarantees` runs it"]
fn a_log_says_the_same_in_whatever_pieces_and_repetitions_it_arrives() {
    let logs = quick_or_soak(1_000, 20_000);
    let mut random = Random::new(7);
    let (mut pieces, mut repetitions) = (0, 0);
    for log in 0..logs {
        let lines = lines(&mut random);
        let whole = FoldedRun::new();
        whole.write("s.jsonl", lines.concat().as_bytes());
        let expected = whole.reports();
        assert_eq!(whole.reports(), expected, "read twice");

        let text = repeated(&lines, &mut random);
        repetitions += text.lines().count() - lines.len();
        let run = FoldedRun::new();
        let mut live = run.fold();
        let mut end = 0;
        while end < text.len() {
            let longest = [1, 10, 300, 5_000][usize::try_from(random.below(4)).expect("small")];
            let more = usize::try_from(1 + random.below(longest)).expect("small");
            // Of the smallest pieces few, at the ends of lines too.
            end = text.len().min(end + more.max(text.len() / 30));
            run.write("s.jsonl", &text.as_bytes()[..end]);
            if random.below(4) == 0 {
                run.write("s copy.jsonl", &text.as_bytes()[..end]);
            }
            live.catch_up().expect("readable");
            pieces += 1;
        }
        assert_eq!(reports(live.state()), expected, "log {log}");
        assert_eq!(run.reports(), expected, "log {log}");
    }
    proved(
        "R4",
        &format!("{logs} logs, {pieces} pieces, {repetitions} lines twice"),
    );
}
