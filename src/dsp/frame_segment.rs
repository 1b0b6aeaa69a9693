//! Log-mel frames of one segment, and the patches that wait in it.

use std::collections::VecDeque;

use crate::audio::Patch;

/// Spare rows beyond those of a patch and a piece of input, so that rows are moved seldom.
pub(super) const SPARE_ROWS: usize = 64;

/// Frames since the last gap.
#[derive(Default)]
pub(super) struct FrameSegment {
    /// Number of the segment.
    pub(super) number: u64,
    /// Rows from `first` on, row-major.
    pub(super) rows: Vec<f32>,
    /// Frame number of the first row.
    pub(super) first: u64,
    /// Frame number after the last row.
    pub(super) end: u64,
    /// Index of the next patch of the segment.
    pub(super) next: u64,
    /// Complete patches with the number of their first frame. They wait for the frames after them,
    /// or for the rest of their group.
    pub(super) waiting: VecDeque<(Patch, u64)>,
}

impl FrameSegment {
    pub(super) fn restart(&mut self) {
        self.rows.clear();
        self.waiting.clear();
        self.number += 1;
        (self.first, self.end, self.next) = (0, 0, 0);
    }

    /// Drops the rows before frame `needed`, once there are enough of them to justify the move.
    pub(super) fn drop_before(&mut self, needed: u64, bands: usize) {
        let rows = needed.saturating_sub(self.first);
        if rows >= SPARE_ROWS as u64 {
            let gone = rows as usize * bands;
            self.rows.copy_within(gone.., 0);
            self.rows.truncate(self.rows.len() - gone);
            self.first = needed;
        }
    }
}
