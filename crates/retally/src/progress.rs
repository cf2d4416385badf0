use crate::setting::Setting;
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on stderr, where there is somebody to see it.
pub(crate) struct Progress(ProgressBar);

/// Fewer steps than this are over before a bar could be read.
const STEPS_MIN: usize = 20;

impl Progress {
    pub(crate) fn new(setting: &Setting, steps: usize, doing: &'static str) -> Self {
        if steps < STEPS_MIN || !setting.shows_progress() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} runs, {eta} left")
            .expect("the template is well-formed");
        Self(
            ProgressBar::new(steps as u64)
                .with_style(style)
                .with_message(doing),
        )
    }

    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
