//! A progress bar on a terminal, and nothing in a pipe.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Counts files on standard error.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for `files` files; invisible when there is but one, or standard error is no terminal.
    pub fn new(files: usize) -> Self {
        let target = if files > 1 { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(files as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {wide_msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// The next file begins.
    pub fn begin(&self, file: &Path) {
        self.0.set_message(file.display().to_string());
    }

    /// A file is done; `report` prints what there is to say about it, with the bar out of the way.
    pub fn done<T>(&self, report: impl FnOnce() -> T) -> T {
        self.0.inc(1);
        self.0.suspend(report)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
