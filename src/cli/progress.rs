//! Progress bar, shown only on a terminal.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress over files, on standard error.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Creates a bar for several files or a spinner for one; hidden if standard error is no
    /// terminal.
    pub(crate) fn new(files: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::stderr());
        let template = match files {
            1 => "{spinner} {elapsed} {wide_msg}",
            _ => "{bar:30} {pos}/{len} {eta} {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self(bar)
    }

    /// Shows `file` as the current one.
    pub(crate) fn begin(&self, file: &Path) {
        self.0.set_message(file.display().to_string());
    }

    /// Counts a finished file. `report` prints its result while the bar is hidden.
    pub(crate) fn done<T>(&self, report: impl FnOnce() -> T) -> T {
        self.0.inc(1);
        self.0.suspend(report)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
