//! What is known of a run, on a whole screen.

use crate::columns::{end_of, start_of};
use crate::command::report::run_facts;
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
const FACTS_LINES: u16 = 10;
/// How many issues a page up or down goes.
const PAGE_ISSUES: isize = 10;
/// The least width of an issue's id: other columns are left out before it gets less.
const ISSUE_WIDTH_MIN: u16 = 24;

/// What is shown beside the state.
#[derive(Default)]
pub(crate) struct View {
    /// What happened last, or how long ago.
    pub(crate) happening: String,
    /// What goes wrong meanwhile.
    pub(crate) trouble: Option<String>,
    /// The keys, and how it plays.
    pub(crate) footer: String,
    /// The issue of the last event that was of one.
    pub(crate) latest: Option<IssueId<'static>>,
    /// The issue that somebody selected; else the latest is.
    pub(crate) selected: Option<IssueId<'static>>,
    pub(crate) has_color: bool,
}

/// A column of the table of issues.
struct Column {
    title: &'static str,
    width: u16,
    /// Those of greater rank are left out first where the screen is narrow.
    rank: u8,
    cell: fn(&View, &IssueReport) -> Cell<'static>,
}

const COLUMNS: [Column; 8] = [
    Column {
        title: "Status",
        width: 11,
        rank: 0,
        cell: View::status_cell,
    },
    Column {
        title: "Seconds",
        width: 10,
        rank: 3,
        cell: |_, issue| {
            let seconds = issue.duration_seconds.map(|seconds| seconds.to_string());
            right_aligned(seconds.unwrap_or("–".to_owned()), 10)
        },
    },
    Column {
        title: "Attempts",
        width: 8,
        rank: 2,
        cell: |_, issue| {
            let attempts = issue.agent_metrics.iter().map(|(_, agent)| agent.attempts);
            right_aligned(attempts.sum::<u64>().to_string(), 8)
        },
    },
    Column {
        title: "Retries",
        width: 7,
        rank: 7,
        cell: |_, issue| right_aligned(issue.total_agent_retries.to_string(), 7),
    },
    Column {
        title: "Pipelines",
        width: 9,
        rank: 1,
        cell: |_, issue| right_aligned(issue.pipeline_attempts.to_string(), 9),
    },
    Column {
        title: "Failed",
        width: 6,
        rank: 4,
        cell: |_, issue| right_aligned(issue.failed_pipelines.to_string(), 6),
    },
    Column {
        title: "Cycles",
        width: 6,
        rank: 6,
        cell: |_, issue| right_aligned(issue.debugging_cycles.to_string(), 6),
    },
    Column {
        title: "Errors",
        width: 6,
        rank: 5,
        cell: |_, issue| right_aligned(issue.total_errors.to_string(), 6),
    },
];

/// A number that has no room is not shown in part: that would be another one.
fn right_aligned(number: String, width: usize) -> Cell<'static> {
    let shown = if number.len() > width {
        "…".to_owned()
    } else {
        number
    };
    Cell::from(Line::from(shown).right_aligned())
}

/// Returns the columns that fit beside the ids, and the width of those.
fn columns_within(width: u16) -> (Vec<&'static Column>, u16) {
    let mut columns: Vec<&Column> = COLUMNS.iter().collect();
    loop {
        let taken: u16 = columns.iter().map(|column| column.width + 1).sum();
        let left = width.saturating_sub(taken);
        let widest = columns
            .iter()
            .enumerate()
            .max_by_key(|(_, column)| column.rank);
        match widest {
            Some((at, _)) if left < ISSUE_WIDTH_MIN => _ = columns.remove(at),
            _ => return (columns, left),
        }
    }
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
        let issues = state.issues_by_appearance();
        let place = self.place(&issues).saturating_add_signed(forward);
        let selected = issues.get(place.min(issues.len().saturating_sub(1)));
        self.selected = selected.map(|id| (*id).clone());
    }

    /// Returns the place of the selected issue.
    fn place(&self, issues: &[&IssueId<'static>]) -> usize {
        let wanted = self.selected.as_ref().or(self.latest.as_ref());
        let place = issues.iter().position(|id| Some(*id) == wanted);
        place.unwrap_or(0)
    }

    /// Draws everything.
    pub(crate) fn draw(&self, state: &RunState, frame: &mut Frame<'_>) {
        let issues = state.issues_by_appearance();
        let height = frame.area().height.saturating_sub(1);
        let head_lines = (FACTS_LINES + 1).min(height / 2);
        let left = height - head_lines;
        // The border and the header take two lines.
        let rows = u16::try_from(issues.len())
            .unwrap_or(u16::MAX)
            .saturating_add(2);
        let [head, table, detail, footer] = Layout::vertical([
            Constraint::Length(head_lines),
            Constraint::Length(rows.min(left.div_ceil(2).max(3)).min(left)),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.draw_facts(state, frame, head);
        let selected = self.draw_issues(state, &issues, frame, table);
        draw_detail(selected, frame, detail);
        let text = self.trouble.as_deref().unwrap_or(&self.footer);
        let style = match self.trouble {
            Some(_) => self.color(Color::Red),
            None => Style::new(),
        };
        let line = Line::from(printable(text)).style(style.add_modifier(Modifier::REVERSED));
        frame.render_widget(Paragraph::new(line), footer);
    }

    fn draw_facts(&self, state: &RunState, frame: &mut Frame<'_>, area: Rect) {
        let bytes = to_json_bytes(&state.metadata());
        // A report is JSON, being written by us.
        let report = serde_json::from_slice(&bytes).unwrap_or_default();
        let width = usize::from(area.width);
        let mut lines: Vec<Line<'_>> = run_facts(&report)
            .into_lines()
            .map(|(name, text)| {
                let text = start_of(&printable(&text), width.saturating_sub(11));
                Line::from(vec![format!("{name:10} ").bold(), Span::from(text)])
            })
            .collect();
        lines.truncate(usize::from(area.height.saturating_sub(1)));
        let happening = start_of(&printable(&self.happening), width);
        lines.push(Line::from(happening).style(self.color(Color::Cyan)));
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// Draws the issues that fit and returns the report of the selected one.
    fn draw_issues(
        &self,
        state: &RunState,
        issues: &[&IssueId<'static>],
        frame: &mut Frame<'_>,
        area: Rect,
    ) -> Option<IssueReport> {
        let (count, selected) = (issues.len(), self.place(issues));
        // The border and the header take two lines.
        let height = usize::from(area.height.saturating_sub(2)).max(1);
        let first = (selected + 1)
            .saturating_sub(height)
            .min(count.saturating_sub(height));
        let (columns, issue_width) = columns_within(area.width);
        let mut report = None;
        let mut rows = Vec::new();
        for (place, id) in issues.iter().enumerate().skip(first).take(height) {
            let Some(issue) = state.issue_report(id) else {
                continue;
            };
            let name = end_of(issue.issue_id.as_str(), usize::from(issue_width));
            let cells = columns.iter().map(|column| (column.cell)(self, &issue));
            let row = Row::new(std::iter::once(Cell::from(name)).chain(cells));
            rows.push(match place == selected {
                true => row.add_modifier(Modifier::REVERSED),
                false => row,
            });
            if place == selected {
                report = Some(issue);
            }
        }
        let titles = columns.iter().map(|column| match column.title {
            "Status" => Cell::from(column.title),
            title => Cell::from(Line::from(title).right_aligned()),
        });
        let header = Row::new(std::iter::once(Cell::from("Issue")).chain(titles)).bold();
        let widths = columns
            .iter()
            .map(|column| Constraint::Length(column.width));
        let widths = std::iter::once(Constraint::Fill(1)).chain(widths);
        let title = format!(" {count} {} ", if count == 1 { "issue" } else { "issues" });
        let block = Block::new().borders(Borders::TOP).title(title);
        frame.render_widget(Table::new(rows, widths).header(header).block(block), area);
        report
    }

    fn status_cell(&self, issue: &IssueReport) -> Cell<'static> {
        let status = issue.status.as_str();
        let color = match status {
            "completed" => Color::Green,
            "failed" => Color::Red,
            _ => Color::Yellow,
        };
        Cell::from(status).style(self.color(color))
    }

    fn color(&self, color: Color) -> Style {
        match self.has_color {
            true => Style::new().fg(color),
            false => Style::new(),
        }
    }
}

/// Draws what is known of one issue: its agents, and the newest of its pipelines and cycles.
fn draw_detail(issue: Option<IssueReport>, frame: &mut Frame<'_>, area: Rect) {
    let Some(issue) = issue else {
        return;
    };
    let width = usize::from(area.width);
    let title = issue.title.as_deref().unwrap_or("");
    let title = format!(" {} {title} ", issue.issue_id);
    let title = start_of(&printable(&title), width.saturating_sub(2));
    let kinds = [
        agent_lines(&issue),
        pipeline_lines(&issue),
        cycle_lines(&issue),
    ];
    let room = usize::from(area.height.saturating_sub(1));
    let mut lines = Vec::new();
    for (kind, room) in kinds
        .iter()
        .zip(shares(kinds.each_ref().map(Vec::len), room))
    {
        let shown = if kind.len() > room {
            room.saturating_sub(1)
        } else {
            kind.len()
        };
        lines.extend(
            kind[..shown]
                .iter()
                .map(|line| start_of(&printable(line), width)),
        );
        if shown < kind.len() && room > 0 {
            lines.push(format!("… {} more", kind.len() - shown));
        }
    }
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
    let block = Block::new().borders(Borders::TOP).title(title);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Shares lines out: each kind gets a third or what it needs, and who needs more what is left.
fn shares(wanted: [usize; 3], room: usize) -> [usize; 3] {
    let mut shares = wanted.map(|wanted| wanted.min(room / 3));
    let mut left = room - shares.iter().sum::<usize>();
    for (share, wanted) in shares.iter_mut().zip(wanted) {
        let more = (wanted - *share).min(left);
        *share += more;
        left -= more;
    }
    shares
}

fn agent_lines(issue: &IssueReport) -> Vec<String> {
    let agents = issue.agent_metrics.iter().map(|(name, agent)| {
        let seconds = agent
            .duration
            .map_or("unknown".to_owned(), |it| format!("{it}s"));
        format!(
            "agent {name}: {} attempts, {} successes, {} failures, {} retries, {seconds}",
            agent.attempts, agent.successes, agent.failures, agent.retries
        )
    });
    agents.collect()
}

fn pipeline_lines(issue: &IssueReport) -> Vec<String> {
    let pipelines = issue.pipeline_details.iter().rev().map(|pipeline| {
        let jobs = pipeline
            .failed_jobs
            .as_deref()
            .unwrap_or_default()
            .join(", ");
        let name = pipeline.name.as_deref().unwrap_or("");
        let failed = match jobs.is_empty() {
            true => String::new(),
            false => format!(" ({jobs})"),
        };
        format!(
            "pipeline {} {name} {}{failed}",
            pipeline.pipeline_id, pipeline.status
        )
    });
    pipelines.collect()
}

fn cycle_lines(issue: &IssueReport) -> Vec<String> {
    let cycles = issue.debugging_details.iter().rev().map(|cycle| {
        let outcome = match (cycle.open, cycle.resolved) {
            (true, _) => "open",
            (false, true) => "resolved",
            (false, false) => "not resolved",
        };
        format!(
            "debugging {} by {}: {outcome} after {} attempts: {}",
            cycle.error_type, cycle.agent, cycle.attempts, cycle.error_message
        )
    });
    cycles.collect()
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
            view.press(KeyEvent::from(KeyCode::Down), &hostile());
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
        "what happened                                                                   "
        " 2 issues ──────────────────────────────────────────────────────────────────────"
        "Issue                    Status         Seconds Attempts Pipelines Failed Errors"
        "1                        in_progress        3.0        1         1      1      0"
        "\u{202e}gnp.exe          failed             0.0        0         0      0      0"
        " 1 日本語 \u{1b}[31m ───────────────────────────────────────────────────────────" Hidden by multi-width symbols: [(4, " "), (6, " "), (8, " ")]
        "agent xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
        "pipeline \u{7}  failed (🎉)                                                     " Hidden by multi-width symbols: [(25, " ")]
        "                                                                                "
        "                                                                                "
        "                                                                                "
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
        assert_eq!(view.selected, Some("i2999".into()));
        assert!(screen(&view, &state, 80, 24).contains("i2999"));
        view.press(KeyEvent::from(KeyCode::Up), &state);
        assert!(screen(&view, &state, 80, 24).contains("i2998"));
    }
}
