use crate::age::Age;
use crate::setting::{Setting, complain};
use anyhow::Result;
use retally_log::{RunDir, Timestamp};
use retally_reduce::RunOutcome;

/// A run whose log has rested, as far as what is kept is concerned.
pub(crate) struct AgedRun {
    pub(crate) run: RunDir,
    /// What its reports say of how it goes.
    pub(crate) status: RunOutcome,
    /// When its log changed last.
    pub(crate) changed_at: Timestamp,
}

/// What was found where runs were selected by age.
#[derive(Default)]
pub(crate) struct Selection {
    pub(crate) runs: Vec<AgedRun>,
    /// How many are old enough and have no end.
    pub(crate) unfinished: usize,
    /// How many cannot be read.
    pub(crate) failed: usize,
}

impl Selection {
    /// Selects, of the named runs or of all, those that are old enough and have an end.
    pub(crate) fn of(
        setting: &Setting,
        names: &[String],
        age: Option<Age>,
        takes_unfinished: bool,
    ) -> Result<Self> {
        let limit = age.map(|age| age.limit(setting.clock.now()));
        let mut selection = Self::default();
        for run in setting.find_runs(names)? {
            let stamp = match run.log_stamp() {
                Ok(Some(stamp)) => stamp,
                Ok(None) => continue,
                Err(error) => {
                    selection.fail(&run, &error.into());
                    continue;
                }
            };
            let micros = stamp.modified_seconds().saturating_mul(1_000_000);
            let changed_at = Timestamp::from_micros_saturating(micros);
            if limit.is_some_and(|limit| changed_at >= limit) {
                continue;
            }
            let state = match setting.fold_without_costs(&run) {
                Ok(state) => state,
                Err(error) => {
                    selection.fail(&run, &error);
                    continue;
                }
            };
            if !state.has_ended() && !takes_unfinished {
                selection.unfinished += 1;
                continue;
            }
            let status = state.run_report().status;
            selection.runs.push(AgedRun {
                run,
                status,
                changed_at,
            });
        }
        Ok(selection)
    }

    fn fail(&mut self, run: &RunDir, error: &anyhow::Error) {
        self.failed += 1;
        complain(&format!("run `{}`: {error:#}", run.id()));
    }

    /// Says which runs were passed over.
    pub(crate) fn mention_unfinished(&self, setting: &Setting) {
        if self.unfinished > 0 {
            let count = self.unfinished;
            setting.say(&format!(
                "passed over, as they have no end: {count} (--unfinished takes them too)"
            ));
        }
    }
}
