//! What is known of a run, on a whole screen.

use crate::command::report::run_facts;
use crate::event_line::fitting;
use crate::terminal::printable;
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};
use retally_log::IssueId;
use retally_reduce::{IssueReport, RunState, to_json_bytes};

/// How many lines the facts of a run take.
const FACTS_LINES: u16 = 9;
/// How many issues a page up or down goes.
const PAGE_ISSUES: isize = 10;
/// How many lines of a detail list are shown: the last ones.
const DETAILS_SHOWN: usize = 3;

/// What is shown beside the state.
#[derive(Default)]
pub(crate) struct View {
    /// What happened last, or how long ago.
    pub(crate) happening: String,
    /// How it plays, and the keys.
    pub(crate) footer: String,
    /// Which issue is selected, by its place.
    pub(crate) selected: usize,
    pub(crate) has_color: bool,
}

impl View {
    pub(crate) fn new() -> Self {
        let choice = anstream::stdout().current_choice();
        Self {
            has_color: choice != anstream::ColorChoice::Never,
            ..Self::default()
        }
    }

    /// Returns whether a key asks to quit.
    pub(crate) fn quits(key: KeyEvent) -> bool {
        let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL;
        is_ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
    }

    /// Selects another issue, if the key asks for that.
    pub(crate) fn press(&mut self, key: KeyEvent, state: &RunState) {
        let forward = match key.code {
            KeyCode::Up => -1,
            KeyCode::Down => 1,
            KeyCode::PageUp => -PAGE_ISSUES,
            KeyCode::PageDown => PAGE_ISSUES,
            _ => return,
        };
        let last = state.issue_ids().count().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(forward).min(last);
    }

    /// Draws everything; costs what is visible.
    pub(crate) fn draw(&self, state: &RunState, frame: &mut Frame<'_>) {
        let [head, issues, detail, footer] = Layout::vertical([
            Constraint::Max(FACTS_LINES + 1),
            Constraint::Fill(2),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.draw_facts(state, frame, head);
        let selected = self.draw_issues(state, frame, issues);
        self.draw_detail(selected, frame, detail);
        let footer_line = Line::from(self.footer.as_str()).add_modifier(Modifier::REVERSED);
        frame.render_widget(Paragraph::new(footer_line), footer);
    }

    fn draw_facts(&self, state: &RunState, frame: &mut Frame<'_>, area: Rect) {
        let bytes = to_json_bytes(&state.metadata());
        // A report is JSON, being written by us.
        let report = serde_json::from_slice(&bytes).unwrap_or_default();
        let mut lines: Vec<Line<'_>> = run_facts(&report)
            .into_lines()
            .map(|(name, text)| {
                let text = printable(&text).into_owned();
                Line::from(vec![format!("{name:10} ").bold(), Span::from(text)])
            })
            .collect();
        lines.truncate(usize::from(FACTS_LINES));
        let happening = printable(&self.happening).into_owned();
        lines.push(Line::from(happening).style(self.color(Color::Cyan)));
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// Draws the issues that fit and returns the report of the selected one.
    fn draw_issues(
        &self,
        state: &RunState,
        frame: &mut Frame<'_>,
        area: Rect,
    ) -> Option<IssueReport> {
        let count = state.issue_ids().count();
        let selected = self.selected.min(count.saturating_sub(1));
        // The border and the header take two lines.
        let height = usize::from(area.height.saturating_sub(2)).max(1);
        let first = (selected + 1)
            .saturating_sub(height)
            .min(count.saturating_sub(height));
        let visible: Vec<&IssueId<'_>> = state.issue_ids().skip(first).take(height).collect();
        let mut report = None;
        let mut rows = Vec::new();
        for (place, id) in visible.into_iter().enumerate() {
            let Some(issue) = state.issue_report(id) else {
                continue;
            };
            rows.push(self.row(&issue, first + place == selected));
            if first + place == selected {
                report = Some(issue);
            }
        }
        let titles = [
            "Issue",
            "Status",
            "Seconds",
            "Attempts",
            "Retries",
            "Pipelines",
            "Failed",
            "Cycles",
            "Errors",
        ];
        let widths = [
            Constraint::Fill(1),
            Constraint::Length(11),
            Constraint::Length(10),
            Constraint::Length(8),
            Constraint::Length(7),
            Constraint::Length(9),
            Constraint::Length(6),
            Constraint::Length(6),
            Constraint::Length(6),
        ];
        let header = Row::new(titles).bold();
        let title = format!(" {count} {} ", if count == 1 { "issue" } else { "issues" });
        let block = Block::new().borders(Borders::TOP).title(title);
        frame.render_widget(Table::new(rows, widths).header(header).block(block), area);
        report
    }

    fn row(&self, issue: &IssueReport, is_selected: bool) -> Row<'static> {
        let attempts: u64 = issue
            .agent_metrics
            .iter()
            .map(|(_, agent)| agent.attempts)
            .sum();
        let seconds = issue
            .duration_seconds
            .map_or("–".to_owned(), |seconds| seconds.to_string());
        let status = issue.status.as_str();
        let color = match status {
            "completed" => Color::Green,
            "failed" => Color::Red,
            _ => Color::Yellow,
        };
        let number = |number: u64| Cell::from(Line::from(number.to_string()).right_aligned());
        let row = Row::new([
            Cell::from(printable(issue.issue_id.as_str()).into_owned()),
            Cell::from(status).style(self.color(color)),
            Cell::from(Line::from(seconds).right_aligned()),
            number(attempts),
            number(issue.total_agent_retries),
            number(issue.pipeline_attempts),
            number(issue.failed_pipelines),
            number(issue.debugging_cycles),
            number(issue.total_errors),
        ]);
        match is_selected {
            true => row.add_modifier(Modifier::REVERSED),
            false => row,
        }
    }

    fn draw_detail(&self, issue: Option<IssueReport>, frame: &mut Frame<'_>, area: Rect) {
        let Some(issue) = issue else {
            return;
        };
        let width = usize::from(area.width);
        let title = issue.title.as_deref().unwrap_or("");
        let title = format!(" {} {title} ", issue.issue_id);
        let title = fitting(&printable(&title), width.saturating_sub(2)).to_owned();
        let mut lines = Vec::new();
        for (name, agent) in &issue.agent_metrics {
            let seconds = agent
                .duration
                .map_or("unknown".to_owned(), |it| format!("{it}s"));
            lines.push(format!(
                "agent {name}: {} attempts, {} successes, {} failures, {} retries, {seconds}",
                agent.attempts, agent.successes, agent.failures, agent.retries
            ));
        }
        let pipelines = &issue.pipeline_details;
        for pipeline in &pipelines[pipelines.len().saturating_sub(DETAILS_SHOWN)..] {
            let jobs = pipeline
                .failed_jobs
                .as_deref()
                .unwrap_or_default()
                .join(", ");
            let name = pipeline.name.as_deref().unwrap_or("");
            let failed = if jobs.is_empty() {
                String::new()
            } else {
                format!(" ({jobs})")
            };
            lines.push(format!(
                "pipeline {} {name} {}{failed}",
                pipeline.pipeline_id, pipeline.status
            ));
        }
        let cycles = &issue.debugging_details;
        for cycle in &cycles[cycles.len().saturating_sub(DETAILS_SHOWN)..] {
            let outcome = match (cycle.open, cycle.resolved) {
                (true, _) => "open",
                (false, true) => "resolved",
                (false, false) => "not resolved",
            };
            lines.push(format!(
                "debugging {} by {}: {outcome} after {} attempts: {}",
                cycle.error_type, cycle.agent, cycle.attempts, cycle.error_message
            ));
        }
        let lines: Vec<Line<'_>> = lines
            .iter()
            .map(|line| Line::from(printable(line).into_owned()))
            .collect();
        let block = Block::new().borders(Borders::TOP).title(title);
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn color(&self, color: Color) -> Style {
        match self.has_color {
            true => Style::new().fg(color),
            false => Style::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use retally_log::{Draft, Envelope, Position, RunId, SegmentId, Times, Timestamp};
    use retally_reduce::PriceBook;
    use std::sync::Arc;

    fn state(events: &[String]) -> RunState {
        let run = RunId::new("run_1").expect("an id");
        let mut state = RunState::new(run, Arc::new(PriceBook::built_in()));
        let start: Timestamp = "2024-12-03T14:30:22Z".parse().expect("a time");
        for (index, json) in (0..).zip(events) {
            let draft = Draft::from_json(json.as_bytes()).expect(json);
            let ts = start.saturating_add_micros(index * 1_000_000);
            let (seq, key) = (None, None);
            let envelope = Envelope {
                seq,
                ts,
                key,
                event: draft.event,
                extra: draft.extra,
            };
            let index = u64::try_from(index).expect("small");
            let position = Position {
                time: ts,
                segment: SegmentId::new("a"),
                index,
            };
            state.apply(&position, Times::Stamped, &envelope);
        }
        state
    }

    fn screen(view: &View, state: &RunState, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal
            .draw(|frame| view.draw(state, frame))
            .expect("drawn");
        terminal.backend().to_string()
    }

    fn hostile() -> RunState {
        state(&[
            r#"{"type":"issue.started","issue":1,"title":"日本語 \u001b[31m"}"#.to_owned(),
            format!(r#"{{"type":"agent.started","issue":1,"agent":"{}"}}"#, "x".repeat(300)),
            r#"{"type":"issue.finished","issue":"\u202egnp.exe","status":"failed"}"#.to_owned(),
            r#"{"type":"pipeline.recorded","issue":1,"pipeline_id":"\u0007","status":"failed","failed_jobs":["🎉"]}"#.to_owned(),
        ])
    }

    #[test]
    fn a_screen_of_any_size_shows_what_fits() {
        let mut view = View {
            happening: "h".repeat(300),
            footer: "f".repeat(300),
            ..View::default()
        };
        for (width, height) in [(80, 24), (120, 40), (40, 10), (20, 5), (3, 3), (1, 1)] {
            let screen = screen(&view, &hostile(), width, height);
            assert!(
                !screen.contains(['\u{1b}', '\u{7}', '\u{202e}']),
                "{screen}"
            );
            view.selected += 1;
        }
    }

    #[test]
    fn a_screen_of_usual_size_shows_run_issues_and_the_selected_one() {
        let view = View {
            happening: "what happened".to_owned(),
            footer: "how it goes on".to_owned(),
            ..View::default()
        };
        insta::assert_snapshot!(screen(&view, &hostile(), 80, 20), @r#"
        "Run        run_1                                                                "
        "Project    unknown                                                              "
        "Status     running                                                              "
        "Model      unknown                                                              "
        "Time       2024-12-03 14:30:22 UTC, 3.0s                                        "
        "Issues     2: 1 failed, 1 in progress; success rate 0.0 %                       "
        "Pipelines  1 attempt: 0 succeeded, 1 failed (0.0 %); first pass 0 of 1 (0.0 %)  "
        "Debugging  0 cycles, 0 resolved                                                 "
        "Calls      0 of models, 0 of tools                                              "
        "what happened                                                                   "
        " 2 issues ──────────────────────────────────────────────────────────────────────"
        "Issue     Status      Seconds    Attempts Retries Pipelines Failed Cycles Errors"
        "1         in_progress        3.0        1       0         1      1      0      0"
        "\u{202e}g failed             0.0        0       0         0      0      0      0"
        "                                                                                "
        "                                                                                "
        " 1 日本語 \u{1b}[31m ───────────────────────────────────────────────────────────" Hidden by multi-width symbols: [(4, " "), (6, " "), (8, " ")]
        "agent xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "pipeline \u{7}  failed (🎉)                                                     " Hidden by multi-width symbols: [(25, " ")]
        "how it goes on                                                                  "
        "#);
    }

    #[test]
    fn the_selected_issue_is_always_visible() {
        let event = |issue| format!(r#"{{"type":"issue.started","issue":"i{issue:04}"}}"#);
        let state = state(&(0..3000).map(event).collect::<Vec<_>>());
        let mut view = View::default();
        let down = KeyEvent::from(KeyCode::PageDown);
        for _ in 0..400 {
            view.press(down, &state);
        }
        assert_eq!(view.selected, 2999);
        assert!(screen(&view, &state, 80, 24).contains("i2999"));
        view.press(KeyEvent::from(KeyCode::Up), &state);
        assert!(screen(&view, &state, 80, 24).contains("i2998"));
    }
}
