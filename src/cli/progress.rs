//! A progress bar on a terminal, and nothing in a pipe.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Counts files on standard error.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for several files, a spinner for one; neither where standard error is no terminal.
    pub fn new(files: usize) -> Self {
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
