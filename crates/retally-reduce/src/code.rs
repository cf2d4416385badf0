//! What was changed in the code.

use crate::quantity::Percent;
use retally_log::{CodeChanged, Decimal, Position};
use serde::{Deserialize, Serialize};

/// The sums of `code.changed` over one issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeMetrics {
    /// Files that are new.
    pub files_created: u128,
    /// Files that were changed.
    pub files_modified: u128,
    /// Files that are gone.
    pub files_deleted: u128,
    /// Lines that are new.
    pub lines_added: u128,
    /// Lines that are gone.
    pub lines_deleted: u128,
    /// Commits that were made.
    pub commits: u128,
    /// The last share of the code covered by tests that was stated, in log order.
    pub test_coverage_percent: Option<Percent>,
}

/// The changes of one issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    sums: CodeMetrics,
    /// The last stated coverage in billionths of a percent, with the place of the event that stated
    /// it.
    coverage: Option<(Position, u64)>,
}

impl Code {
    /// Takes in a change, in whatever order they arrive.
    pub(crate) fn change(&mut self, position: &Position, event: &CodeChanged<'_>) {
        let add = |sum: &mut u128, amount: Option<u64>| {
            *sum = sum.saturating_add(amount.unwrap_or(0).into());
        };
        add(&mut self.sums.files_created, event.files_created);
        add(&mut self.sums.files_modified, event.files_modified);
        add(&mut self.sums.files_deleted, event.files_deleted);
        add(&mut self.sums.lines_added, event.lines_added);
        add(&mut self.sums.lines_deleted, event.lines_deleted);
        add(&mut self.sums.commits, event.commits);
        let Some(stated) = event.test_coverage_percent else {
            return;
        };
        let is_later = |(last, _): &(Position, u64)| position > last;
        if self.coverage.as_ref().is_none_or(is_later) {
            self.coverage = Some((position.clone(), stated.as_nanos()));
        }
    }

    /// Returns the sums.
    pub(crate) fn metrics(&self) -> CodeMetrics {
        let whole = u128::from(Decimal::NANOS_PER_UNIT) * 100;
        let percent = |stated: u64| Percent::new(stated.into(), whole);
        let stated = self.coverage.as_ref().map(|(_, stated)| *stated);
        CodeMetrics {
            test_coverage_percent: stated.and_then(percent),
            ..self.sums.clone()
        }
    }

    /// Returns how much was created, modified, added and deleted, as complexity counts it.
    pub(crate) fn volume(&self) -> u128 {
        self.sums
            .files_created
            .saturating_add(self.sums.files_modified)
            .saturating_add(self.sums.lines_added)
            .saturating_add(self.sums.lines_deleted)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_helpers::check;

    #[test]
    fn changes_add_up_and_the_last_coverage_in_log_order_stands() {
        check(
            &[
                r#"2 "code.changed","issue":1,"files_created":1,"lines_added":10,"test_coverage_percent":81.256"#,
                r#"3 "code.changed","issue":1,"files_modified":2,"lines_deleted":4,"commits":1"#,
                r#"1 b "code.changed","issue":1,"files_deleted":5,"test_coverage_percent":70"#,
            ],
            &[(
                "1/code",
                r#"{"files_created":1,"files_modified":2,"files_deleted":5,"lines_added":10,
                    "lines_deleted":4,"commits":1,"test_coverage_percent":81.26}"#,
            )],
        );
        let note = r#"1 "note.added","issue":1,"text":"t""#;
        check(&[note], &[("1/code/test_coverage_percent", "null")]);
    }
}
