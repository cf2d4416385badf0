//! An event as a line for people.

use crate::columns::{columns, end_of, fitting, start_of};
use crate::terminal::printable;
use anstyle::{AnsiColor, Style};
use retally_log::{
    Envelope, Event, IssueStatus, LlmCalled, PipelineRecorded, RunStatus, ToolCalled,
};
use std::fmt::Write as _;

/// A piece of a line with its style; texts are printable.
type Piece = (Style, String);

/// Widths of the columns, which longer texts go beyond.
const ISSUE_WIDTH: usize = 6;
const AGENT_WIDTH: usize = 10;
/// The longest run or agent that is shown whole, and the part of a terminal that a run may take.
const NAME_WIDTH_MAX: usize = 32;
const RUN_SHARE: usize = 5;
/// The part of a terminal that an issue or an agent may take.
const NAME_SHARE: usize = 4;

/// A terminal of fewer columns has no room for a column of runs, nor for gaps.
const WIDE_COLUMNS: usize = 70;
/// What stands between a time and what is said.
const GAP: usize = 2;

/// The room that a terminal leaves to a line, of which the time stands first.
#[derive(Clone, Copy, Default)]
pub(crate) struct Room {
    /// How wide the terminal is; `None` where there is none, and everything is shown.
    pub(crate) columns: Option<usize>,
}

impl Room {
    /// Whether the run is to stand on a line of its own, and all else close together.
    pub(crate) fn is_narrow(self) -> bool {
        self.columns.is_some_and(|columns| columns < WIDE_COLUMNS)
    }

    /// Returns how much of a time of day is shown: to the millisecond or to the second.
    pub(crate) fn time_bytes(self) -> usize {
        if self.is_narrow() { 8 } else { 12 }
    }

    /// Returns how many columns the time takes with what stands behind it.
    pub(crate) fn time_columns(self) -> usize {
        self.time_bytes() + GAP
    }

    /// Returns how wide the line may be without its time.
    fn left(self) -> Option<usize> {
        let left = |columns: usize| columns.saturating_sub(self.time_columns());
        self.columns.map(left)
    }
}

/// What is said of an event: pieces that are printed one behind the other.
struct Said {
    pieces: Vec<Piece>,
    room: Room,
}

/// Returns the line of an event without its time: the run where several are followed, issue,
/// agent, what happened. It is cut to the room there is.
pub(crate) fn event_line(run: Option<&str>, envelope: &Envelope<'_>, room: Room) -> String {
    let event = &envelope.event;
    let mut said = Said::new(room);
    said.run(run);
    let issue = event.issue().map_or("–", |issue| issue.as_str());
    said.column(Style::new().bold(), issue, ISSUE_WIDTH);
    let agent = event.agent().unwrap_or("");
    said.column(Style::new(), agent, AGENT_WIDTH);
    said.say(envelope);
    said.print()
}

/// Returns a line about something that is no event, cut likewise.
pub(crate) fn problem_line(run: Option<&str>, text: &str, room: Room) -> String {
    let mut said = Said::new(room);
    said.run(run);
    said.add(failed(), text);
    said.print()
}

fn succeeded() -> Style {
    AnsiColor::Green.on_default()
}

fn failed() -> Style {
    AnsiColor::Red.on_default()
}

fn other() -> Style {
    AnsiColor::Yellow.on_default()
}

impl Said {
    fn new(room: Room) -> Self {
        let pieces = Vec::new();
        Self { pieces, room }
    }

    fn add(&mut self, style: Style, text: &str) {
        self.pieces.push((style, printable(text).into_owned()));
    }

    /// Adds the run, if it is to be shown on this line.
    fn run(&mut self, run: Option<&str>) {
        let Some(run) = run.filter(|_| !self.room.is_narrow()) else {
            return;
        };
        let share = self.room.left().map(|left| left / RUN_SHARE);
        let share = share.unwrap_or(NAME_WIDTH_MAX);
        let shown = end_of(run, share.clamp(NAME_WIDTH_MAX / 3, NAME_WIDTH_MAX));
        self.add(Style::new().dimmed(), &format!("{shown}  "));
    }

    fn text(&mut self, text: &str) {
        self.add(Style::new(), text);
    }

    /// Adds a text padded to a width, and a gap; where there is little room, no more than it needs.
    fn column(&mut self, style: Style, text: &str, width: usize) {
        let (width, width_max) = match self.room.left() {
            Some(left) if self.room.is_narrow() => (0, left / NAME_SHARE),
            Some(left) => (width, NAME_WIDTH_MAX.min(left / NAME_SHARE)),
            None => (width, NAME_WIDTH_MAX),
        };
        if width == 0 && text.is_empty() {
            return;
        }
        let shown = start_of(&printable(text), width_max);
        let gap = width.saturating_sub(columns(&shown)) + GAP;
        self.pieces.push((style, shown));
        self.text(&" ".repeat(gap));
    }

    /// Says how something ended.
    fn outcome(&mut self, success: bool, yes: &str, no: &str) {
        let (style, word) = if success {
            (succeeded(), yes)
        } else {
            (failed(), no)
        };
        self.add(style, word);
    }

    /// Adds a text behind a colon or comma, if there is one.
    fn more(&mut self, before: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(before);
            self.text(text);
        }
    }

    fn say(&mut self, envelope: &Envelope<'_>) {
        match &envelope.event {
            Event::RunStarted(event) => {
                self.text(&format!("run started: project {}", event.project_id));
                if let Some(llm) = &event.llm {
                    self.more(", ", llm.provider.as_deref());
                    self.more("/", llm.model.as_deref());
                }
            }
            Event::RunFinished(event) => {
                self.text("run finished: ");
                let style = match event.status {
                    RunStatus::Completed => succeeded(),
                    RunStatus::Failed => failed(),
                    RunStatus::Stopped => other(),
                };
                self.add(style, event.status.as_str());
            }
            Event::RunScored(event) => {
                self.text("run scored: ");
                self.outcome(event.success, "success", "error");
            }
            Event::IssueStarted(event) => {
                self.text("issue started");
                self.more(": ", event.title.as_deref());
            }
            Event::IssueFinished(event) => {
                self.text("issue finished: ");
                let style = match event.status {
                    IssueStatus::Completed => succeeded(),
                    IssueStatus::Failed => failed(),
                    IssueStatus::Skipped => other(),
                };
                self.add(style, event.status.as_str());
            }
            Event::AgentStarted(_) => self.text("agent started"),
            Event::AgentFinished(event) => {
                self.text("agent finished: ");
                self.outcome(event.success, "success", "failure");
                self.more(", ", event.error.as_deref());
            }
            Event::PipelineRecorded(event) => self.say_pipeline(event),
            Event::DebugStarted(event) => {
                self.text(&format!(
                    "debugging started: {}: {}",
                    event.error_type, event.error_message
                ));
            }
            Event::DebugAttempted(_) => self.text("debugging: a fix was attempted"),
            Event::DebugFinished(event) => {
                self.text("debugging finished: ");
                self.outcome(event.resolved, "resolved", "not resolved");
                self.more(", ", event.resolution_method.as_deref());
            }
            Event::ErrorRecorded(event) => {
                self.add(failed(), "error");
                self.text(&format!(": {}: {}", event.error_type, event.message));
                self.more(", severity ", event.severity.as_deref());
            }
            Event::LlmCalled(event) => self.say_llm_call(event),
            Event::ToolCalled(event) => self.say_tool_call(event),
            Event::CodeChanged(event) => {
                let counts = [
                    ("files created", event.files_created),
                    ("modified", event.files_modified),
                    ("deleted", event.files_deleted),
                    ("lines added", event.lines_added),
                    ("deleted", event.lines_deleted),
                    ("commits", event.commits),
                ];
                let stated = counts
                    .into_iter()
                    .filter_map(|(what, count)| Some((what, count?)));
                let texts: Vec<String> = stated
                    .map(|(what, count)| format!("{count} {what}"))
                    .collect();
                self.text(&format!("code changed: {}", texts.join(", ")));
            }
            Event::NoteAdded(event) => self.text(&format!("note: {}", event.text)),
            event => {
                self.add(other(), event.type_name());
                // The issue stands in its column.
                let is_column = |(name, _): &(&str, &str)| *name == "issue";
                for (name, value) in envelope.extra.iter().filter(|field| !is_column(field)) {
                    self.text(&format!(" {name}={value}"));
                }
            }
        }
    }

    fn say_pipeline(&mut self, event: &PipelineRecorded<'_>) {
        self.text(&format!("pipeline {}", event.pipeline_id));
        self.more(" ", event.name.as_deref());
        if let Some(attempt) = event.attempt.filter(|attempt| *attempt > 1) {
            self.text(&format!(", attempt {attempt}"));
        }
        self.text(": ");
        let style = match &*event.status {
            "success" => succeeded(),
            "failed" | "failure" | "timed_out" | "startup_failure" => failed(),
            _ => other(),
        };
        self.add(style, &event.status);
        if let Some(jobs) = event.failed_jobs.as_ref().filter(|jobs| !jobs.is_empty()) {
            let jobs: Vec<String> = jobs.iter().map(ToString::to_string).collect();
            self.text(&format!(", failed jobs: {}", jobs.join(", ")));
        }
        self.more(", ", event.error_type.as_deref());
        self.duration(event.duration_ms);
    }

    fn say_llm_call(&mut self, event: &LlmCalled<'_>) {
        self.text(&format!("model {}", event.model));
        self.calls(event.calls);
        for (what, tokens) in [("in", event.input_tokens), ("out", event.output_tokens)] {
            if let Some(tokens) = tokens {
                self.text(&format!(", {tokens} tokens {what}"));
            }
        }
        if let Some(cost) = event.cost_usd {
            self.text(&format!(
                ", {} USD",
                retally_reduce::Usd::from_nanos(cost.as_nanos().into())
            ));
        }
        self.duration(event.duration_ms);
        self.success(event.success, event.error.as_deref());
    }

    fn say_tool_call(&mut self, event: &ToolCalled<'_>) {
        self.text(&format!("tool {}", event.tool));
        self.calls(event.calls);
        self.duration(event.duration_ms);
        self.success(event.success, event.error.as_deref());
    }

    fn calls(&mut self, calls: Option<u64>) {
        if let Some(calls) = calls.filter(|calls| *calls != 1) {
            self.text(&format!(", {calls} calls"));
        }
    }

    fn duration(&mut self, millis: Option<u64>) {
        if let Some(millis) = millis {
            let seconds = retally_reduce::Seconds::from_millis(millis.into());
            self.text(&format!(", {seconds}s"));
        }
    }

    fn success(&mut self, success: Option<bool>, error: Option<&str>) {
        if let Some(success) = success {
            self.text(": ");
            self.outcome(success, "success", "failure");
        }
        self.more(", ", error);
    }

    /// Returns the pieces as one line, cut to the room there is, with the codes of their colours.
    fn print(&self) -> String {
        let whole: usize = self.pieces.iter().map(|(_, text)| columns(text)).sum();
        let cuts = self.room.left().filter(|width| whole > *width);
        let mut left = cuts.map_or(usize::MAX, |width| width.saturating_sub(1));
        let mut line = String::new();
        for (style, text) in &self.pieces {
            let shown = fitting(text, left);
            left -= columns(shown).min(left);
            // A String takes every write.
            _ = write!(line, "{style}{shown}{style:#}");
            if shown.len() < text.len() {
                break;
            }
        }
        if cuts.is_some_and(|width| width > 0) {
            line.push('…');
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retally_log::{Draft, Timestamp};

    fn line(json: &str, columns: Option<usize>) -> String {
        let draft = Draft::from_json(json.as_bytes()).expect(json);
        let envelope = Envelope {
            seq: None,
            ts: Timestamp::MIN,
            key: None,
            event: draft.event,
            extra: draft.extra,
        };
        let line = event_line(None, &envelope, Room { columns });
        anstream::adapter::strip_str(&line).to_string()
    }

    fn check(json: &str, expected: &str) {
        assert_eq!(line(json, None), expected);
        for width in 0..100 {
            let room = Room {
                columns: Some(width),
            };
            let line = line(json, Some(width));
            let time = room.time_columns().min(width);
            assert!(time + columns(&line) <= width, "{json} in {width} columns");
        }
    }

    #[test]
    fn each_type_of_event_is_said_in_plain_words() {
        check(
            r#"{"type":"run.started","project_id":168,"llm":{"provider":"deepseek","model":"deepseek-chat"}}"#,
            "–                   run started: project 168, deepseek/deepseek-chat",
        );
        check(
            r#"{"type":"run.finished","status":"stopped"}"#,
            "–                   run finished: stopped",
        );
        check(
            r#"{"type":"run.scored","success":false}"#,
            "–                   run scored: error",
        );
        check(
            r#"{"type":"issue.started","issue":123,"title":"Login fails"}"#,
            "123                 issue started: Login fails",
        );
        check(
            r#"{"type":"issue.finished","issue":"PROJ-1234","status":"failed"}"#,
            "PROJ-1234              issue finished: failed",
        );
        check(
            r#"{"type":"agent.started","issue":1,"agent":"coding"}"#,
            "1       coding      agent started",
        );
        check(
            r#"{"type":"agent.finished","issue":1,"agent":"coding","success":false,"error":"timeout"}"#,
            "1       coding      agent finished: failure, timeout",
        );
        check(
            r#"{"type":"pipeline.recorded","issue":1,"pipeline_id":4259,"name":"ci","attempt":2,"status":"failed","failed_jobs":["test","lint"],"duration_ms":61500}"#,
            "1                   pipeline 4259 ci, attempt 2: failed, failed jobs: test, lint, 61.5s",
        );
        check(
            r#"{"type":"debug.started","issue":1,"agent":"a","error_type":"test_failure","error_message":"x is 3"}"#,
            "1       a           debugging started: test_failure: x is 3",
        );
        check(
            r#"{"type":"debug.attempted","issue":1}"#,
            "1                   debugging: a fix was attempted",
        );
        check(
            r#"{"type":"debug.finished","issue":1,"resolved":true,"resolution_method":"fixed_import"}"#,
            "1                   debugging finished: resolved, fixed_import",
        );
        check(
            r#"{"type":"error.recorded","error_type":"e","message":"m","severity":"high"}"#,
            "–                   error: e: m, severity high",
        );
        check(
            r#"{"type":"llm.called","issue":1,"model":"m","input_tokens":1200,"output_tokens":300,"cost_usd":0.0125,"duration_ms":900,"success":true,"calls":3}"#,
            "1                   model m, 3 calls, 1200 tokens in, 300 tokens out, 0.0125 USD, 0.9s: success",
        );
        check(
            r#"{"type":"tool.called","issue":1,"tool":"bash","success":false,"error":"exit 1"}"#,
            "1                   tool bash: failure, exit 1",
        );
        check(
            r#"{"type":"code.changed","issue":1,"lines_added":3,"commits":1}"#,
            "1                   code changed: 3 lines added, 1 commits",
        );
        check(
            r#"{"type":"note.added","text":"a\nb"}"#,
            "–                   note: a\\nb",
        );
        check(
            r#"{"type":"deploy.done","issue":1,"to":{"stage":"live"}}"#,
            r#"1                   deploy.done to={"stage":"live"}"#,
        );
    }

    #[test]
    fn what_a_terminal_would_act_on_is_shown_and_wide_texts_are_cut_by_their_width() {
        check(
            "{\"type\":\"note.added\",\"text\":\"\\u001b[2Jgone\\u202e\"}",
            "–                   note: \\u{1b}[2Jgone\\u{202e}",
        );
        check(
            r#"{"type":"note.added","text":"日本語🎉"}"#,
            "–                   note: 日本語🎉",
        );
        assert_eq!(
            line(
                r#"{"type":"note.added","text":"日本語語語語語語語語語語語語語語語語語"}"#,
                Some(70)
            ),
            "–                   note: 日本語語語語語語語語語語語語…"
        );
        let agent = format!(
            r#"{{"type":"agent.started","issue":1,"agent":"{}"}}"#,
            "x".repeat(200)
        );
        assert_eq!(
            line(&agent, None),
            format!("1       {}…  agent started", "x".repeat(31))
        );
    }

    #[test]
    fn a_narrow_terminal_has_room_for_the_message() {
        let json = r#"{"type":"agent.finished","issue":123,"agent":"coding","success":false,"error":"timeout"}"#;
        assert_eq!(
            line(json, Some(50)),
            "123  coding  agent finished: failure, t…"
        );
        assert_eq!(line(json, Some(40)), "123  coding  agent finished: …");
        assert_eq!(
            line(
                r#"{"type":"pipeline.recorded","issue":"a-branch-of-long-name","pipeline_id":1,"status":"failed"}"#,
                Some(40)
            ),
            "a-bran…  pipeline 1: failed"
        );
    }

    #[test]
    fn the_end_of_a_long_run_is_shown() {
        assert_eq!(
            end_of("run_20241203_143022_project_168", 20),
            "…_143022_project_168"
        );
    }
}
