//! Segments of a source that may yet be named otherwise.

use std::sync::Arc;

use crate::asrun::{Lufs, Ms, QuarterLoudness};
use crate::event::{NamedSegment, SourceState};

/// Shorter holes are no holes: time is anchored to the clock anew each minute.
const BRIDGED: Ms = 500;
/// Patches that may wait to be settled; where so many do, nobody will.
const WAITING: usize = 4096;

/// What a patch adds to the time before it.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Where the patch before it ended, or where it begins itself.
    pub start: Ms,
    /// Where it ends.
    pub end: Ms,
    /// The middle of that time in the source's seconds, which know nothing of a clock that is set or a connection that stalls.
    pub middle: f64,
    /// In LUFS, at least −70.
    pub lufs: f64,
    /// Patches that were dropped before it.
    pub dropped: u64,
    /// Posterior of the segment's label.
    pub posterior: Option<f32>,
}

/// What a segment is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    pub state: SourceState,
    /// A label, or the state.
    pub label: Arc<str>,
    pub title: Option<Arc<str>>,
}

/// A row of `segment`.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Where it has been written.
    pub id: Option<i64>,
    pub source: Arc<str>,
    pub start: Ms,
    pub end: Ms,
    pub name: Name,
    pub dropped: u64,
    /// Whether it is not as it was written.
    pub changed: bool,
    /// Sum and number of the posteriors of the label.
    confidence: (f64, u64),
    level: QuarterLoudness,
    /// Its patches while it may yet be cut or renamed; none once it is settled.
    patches: Vec<Heard>,
}

impl Segment {
    fn begin(source: &Arc<str>, name: &Name, start: Ms) -> Self {
        Self {
            id: None,
            source: source.clone(),
            start,
            end: start,
            name: name.clone(),
            dropped: 0,
            changed: true,
            confidence: (0.0, 0),
            level: QuarterLoudness::at(start),
            patches: Vec::new(),
        }
    }

    pub fn scored(&self) -> u64 {
        self.level.scored
    }

    pub fn confidence(&self) -> Option<f64> {
        let (sum, count) = self.confidence;
        (count > 0).then(|| sum / count as f64)
    }

    pub fn lufs(&self) -> Option<Lufs> {
        self.level.lufs()
    }

    fn add(&mut self, heard: Heard) {
        self.end = self.end.max(heard.end);
        self.dropped += heard.dropped;
        self.level.add(heard.lufs);
        if let Some(p) = heard.posterior {
            self.confidence = (self.confidence.0 + f64::from(p), self.confidence.1 + 1);
        }
        self.patches.push(heard);
        self.changed = true;
    }

    /// The same with these of its patches alone.
    fn part(&self, patches: &[Heard]) -> Self {
        let start = patches.first().map_or(self.start, |heard| heard.start);
        let mut part = Self::begin(&self.source, &self.name, start);
        patches.iter().for_each(|heard| part.add(*heard));
        part
    }

    /// It is what it is, or what `settled` says.
    fn settle(&mut self, settled: Option<&NamedSegment>) {
        self.patches = Vec::new();
        let Some(settled) = settled else { return };
        let verdict = &settled.verdict;
        (self.name.state, self.name.label) = (verdict.state, verdict.genre.clone());
        let count = self.scored();
        self.confidence = verdict.confidence.map_or((0.0, 0), |p| (f64::from(p) * count as f64, count));
    }

    /// Takes in the one after it, where both are settled, and are the same.
    fn join(&mut self, next: &Self) -> bool {
        let joins = self.patches.is_empty()
            && next.patches.is_empty()
            && self.name == next.name
            && (next.start - self.end).abs() <= BRIDGED;
        if joins {
            self.end = self.end.max(next.end);
            self.dropped += next.dropped;
            self.level.merge(&next.level);
            self.confidence = (self.confidence.0 + next.confidence.0, self.confidence.1 + next.confidence.1);
            self.changed = true;
        }
        joins
    }
}

/// The newest segments of a source, in order. While the decision stage has not settled what a stretch was, it is called what is
/// published; the last one that is settled is here as well, since the next may join it.
#[derive(Debug, Default)]
pub struct Draft {
    segments: Vec<Segment>,
    /// Whether the last one grows,
    grows: bool,
    /// or did until it was settled, and the next one only goes on with it.
    was_cut: bool,
}

impl Draft {
    /// Takes in a patch of the source, under a name; whether something new began with it.
    pub fn add(&mut self, source: &Arc<str>, name: &Name, heard: Heard) -> bool {
        let is_new = !self.grows && !std::mem::take(&mut self.was_cut);
        if !self.grows {
            self.segments.push(Segment::begin(source, name, heard.start));
            self.grows = true;
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.add(heard);
        }
        is_new
    }

    /// Whether what is heard from `start` to `end` goes on with what was heard up to `heard_to`. Patches overlap, so that one
    /// that is dropped need not leave a hole.
    pub fn goes_on(heard_to: Ms, start: Ms, end: Ms) -> bool {
        start <= heard_to + BRIDGED && end >= heard_to - BRIDGED
    }

    /// The next patch begins another segment; whether that is new.
    pub fn close(&mut self) -> bool {
        self.was_cut = false;
        std::mem::take(&mut self.grows)
    }

    /// Whether nobody will settle what waits.
    pub fn is_overdue(&self) -> bool {
        self.segments.iter().map(|segment| segment.patches.len()).sum::<usize>() >= WAITING
    }

    /// Names what lies in a stretch by it, and cuts segments at its ends, to the patch; what lies before it stays as it is. Without
    /// a stretch, everything does. Returns segments that will not change any more and are not as they were written, and rows that
    /// are not needed any more.
    pub fn settle(&mut self, settled: Option<&NamedSegment>) -> (Vec<Segment>, Vec<i64>) {
        let old = std::mem::take(&mut self.segments);
        let mut ids: Vec<i64> = old.iter().filter_map(|segment| segment.id).collect();
        let side = |heard: &Heard| match settled {
            Some(of) if heard.middle >= of.end => Side::After,
            Some(of) if heard.middle >= of.start => Side::Within,
            _ => Side::Before,
        };
        let mut new: Vec<Segment> = Vec::new();
        let mut push = |part: Segment| {
            if !new.last_mut().is_some_and(|last| last.join(&part)) {
                new.push(part);
            }
        };
        for segment in old {
            if segment.patches.is_empty() {
                push(segment);
                continue;
            }
            for patches in segment.patches.chunk_by(|one, next| side(one) == side(next)) {
                let mut part = segment.part(patches);
                match patches.first().map(side) {
                    Some(Side::Within) => part.settle(settled),
                    Some(Side::Before) => part.settle(None),
                    _ => {}
                }
                push(part);
            }
        }
        let is_cut = new.last().is_some_and(|last| last.patches.is_empty());
        self.was_cut |= self.grows && is_cut;
        self.grows &= !is_cut;
        ids.reverse();
        for segment in &mut new {
            let id = ids.pop();
            segment.changed |= segment.id != id;
            segment.id = id;
        }
        let last_settled = new.iter().rposition(|segment| segment.patches.is_empty());
        self.segments = new.split_off(last_settled.unwrap_or(0));
        new.retain(|segment| segment.changed);
        (new, ids)
    }

    /// Those that are not as they were written.
    pub fn changed(&mut self) -> impl Iterator<Item = &mut Segment> {
        self.segments.iter_mut().filter(|segment| segment.changed)
    }

    /// Nothing of it has been written.
    pub fn forget_ids(&mut self) {
        for segment in &mut self.segments {
            (segment.id, segment.changed) = (None, true);
        }
    }
}

/// Where a patch lies.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Before,
    Within,
    After,
}
