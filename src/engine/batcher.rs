//! Which source's work comes next, and what makes way when there is too much of it.
//!
//! Every source has a short queue of its own. Whoever has something in it stands in line, once however much it
//! has, and is served one piece at a time: under overload each source gets its turn, and none can fill the line.
//! A live source that finds its buffers used up skips ahead: it takes its own waiting patches back, which count as
//! dropped, and goes on with the newest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::feature::{Parcel, Work};

/// Notes that a source may have waiting beside its parcels.
const NOTES: usize = 4;

/// How long a note waits for room.
const PATIENCE: Duration = Duration::from_secs(5);

/// The end at which a source's work goes in.
pub struct Inlet {
    work: Sender<Work>,
    /// The other end, to take back what waits.
    waiting: Receiver<Work>,
    line: Line,
    /// Sources that have not ended.
    open: Arc<AtomicUsize>,
}

/// The end at which all of it comes out.
pub struct Outlet {
    sources: Vec<Receiver<Work>>,
    lines: Vec<Line>,
    line: Receiver<usize>,
    open: Arc<AtomicUsize>,
}

/// A source's place in the line.
#[derive(Clone)]
struct Line {
    source: usize,
    /// Whether it stands in it.
    standing: Arc<AtomicBool>,
    line: Sender<usize>,
}

impl Line {
    fn stand(&self) {
        if !self.standing.swap(true, Ordering::SeqCst) {
            // There is room for every source once.
            let _ = self.line.try_send(self.source);
        }
    }
}

/// Queues for `sources`, each of which has `parcels` in use at most.
pub fn queues(sources: usize, parcels: usize) -> (Vec<Inlet>, Outlet) {
    let (line_tx, line) = bounded(sources + 1);
    let open = Arc::new(AtomicUsize::new(sources));
    let mut outlet = Outlet { sources: Vec::new(), lines: Vec::new(), line, open: open.clone() };
    let inlets = (0..sources).map(|source| {
        let (work, waiting) = bounded(parcels + NOTES);
        let line = Line { source, standing: Arc::new(AtomicBool::new(false)), line: line_tx.clone() };
        outlet.sources.push(waiting.clone());
        outlet.lines.push(line.clone());
        Inlet { work, waiting, line, open: open.clone() }
    });
    let inlets = inlets.collect();
    (inlets, outlet)
}

impl Inlet {
    /// Puts work in. There is room for every parcel; a note too many waits a while, and is lost where nobody listens.
    pub fn send(&self, work: Work) {
        if self.work.send_timeout(work, PATIENCE).is_ok() {
            self.line.stand();
        }
    }

    /// Takes back the parcels that wait; notes stay.
    pub fn take_back(&self, mut taken: impl FnMut(Parcel)) {
        let mut notes = Vec::new();
        while let Ok(work) = self.waiting.try_recv() {
            match work {
                Work::Parcel(parcel) => taken(parcel),
                Work::Note(..) => notes.push(work),
            }
        }
        notes.into_iter().for_each(|note| self.send(note));
    }
}

impl Drop for Inlet {
    /// A source that has ended stands in line a last time, so that its end is seen.
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.line.stand();
    }
}

/// What [`Outlet::next`] may find.
#[derive(Debug)]
pub enum Next {
    /// The oldest work of the source whose turn it is.
    Work(Work),
    /// Nothing came in time.
    Nothing,
    /// Every source has ended, and nothing is left.
    Ended,
}

impl Outlet {
    /// The next work, waited for until `deadline`, or as long as it takes.
    pub fn next(&self, deadline: Option<Instant>) -> Next {
        loop {
            // Looked at before waiting: whoever ends after this stands in line.
            if self.open.load(Ordering::SeqCst) == 0 && self.sources.iter().all(Receiver::is_empty) {
                return Next::Ended;
            }
            let source = match deadline {
                Some(deadline) => self.line.recv_deadline(deadline),
                None => self.line.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match source.map(|source| self.serve(source)) {
                Ok(Some(work)) => return Next::Work(work),
                Ok(None) => {}
                Err(_) => return Next::Nothing,
            }
        }
    }

    /// One piece of a source's work; the source stands in line again where it has more.
    fn serve(&self, source: usize) -> Option<Work> {
        // First out of the line, then to the queue: what is put in meanwhile stands in line again.
        self.lines[source].standing.store(false, Ordering::SeqCst);
        let work = self.sources[source].try_recv().ok()?;
        if !self.sources[source].is_empty() {
            self.lines[source].stand();
        }
        Some(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SourceId;
    use crate::engine::feature::{Note, Parcel};

    fn parcel(source: usize, number: u64) -> Work {
        let mut parcel = Parcel::default();
        parcel.stretch.source = source;
        parcel.stretch.patches.push(number);
        Work::Parcel(parcel)
    }

    /// Source and number of the next piece; a note's number is `None`.
    fn next(outlet: &Outlet) -> Option<(usize, Option<u64>)> {
        match outlet.next(Some(Instant::now())) {
            Next::Work(Work::Parcel(parcel)) => {
                Some((parcel.stretch.source, Some(parcel.stretch.patches[0])))
            }
            Next::Work(Work::Note(SourceId(source), _)) => Some((source, None)),
            Next::Nothing | Next::Ended => None,
        }
    }

    #[test]
    fn a_source_with_much_to_do_does_not_keep_the_others_waiting() {
        let (inlets, outlet) = queues(3, 4);
        (0..4).for_each(|number| inlets[0].send(parcel(0, number)));
        inlets[1].send(parcel(1, 10));
        inlets[2].send(parcel(2, 20));
        let order: Vec<_> = std::iter::from_fn(|| next(&outlet)).collect();
        let expected = [(0, 0), (1, 10), (2, 20), (0, 1), (0, 2), (0, 3)];
        assert_eq!(order, expected.map(|(source, number)| (source, Some(number))));
    }

    #[test]
    fn parcels_are_taken_back_and_notes_stay() {
        let (inlets, outlet) = queues(1, 4);
        inlets[0].send(parcel(0, 1));
        inlets[0].send(Work::Note(SourceId(0), Note::Ended));
        inlets[0].send(parcel(0, 2));
        let mut back = Vec::new();
        inlets[0].take_back(|parcel| back.push(parcel.stretch.patches[0]));
        assert_eq!(back, [1, 2]);
        inlets[0].send(parcel(0, 3));
        assert_eq!(
            [next(&outlet), next(&outlet), next(&outlet)],
            [Some((0, None)), Some((0, Some(3))), None]
        );
    }

    #[test]
    fn it_ends_once_every_source_has_and_nothing_is_left() {
        let (mut inlets, outlet) = queues(2, 4);
        inlets[1].send(parcel(1, 7));
        inlets.pop();
        assert!(matches!(outlet.next(None), Next::Work(_)));
        assert!(matches!(outlet.next(Some(Instant::now())), Next::Nothing));
        inlets.pop();
        assert!(matches!(outlet.next(None), Next::Ended));
    }

    #[test]
    fn nothing_is_lost_or_reordered_between_threads() {
        const EACH: u64 = 5000;
        let (inlets, outlet) = queues(4, 8);
        let mut seen = [0_u64; 4];
        std::thread::scope(|scope| {
            for (source, inlet) in inlets.into_iter().enumerate() {
                scope.spawn(move || (0..EACH).for_each(|number| inlet.send(parcel(source, number))));
            }
            loop {
                match outlet.next(None) {
                    Next::Work(Work::Parcel(parcel)) => {
                        let source = parcel.stretch.source;
                        assert_eq!(parcel.stretch.patches[0], seen[source]);
                        seen[source] += 1;
                    }
                    Next::Ended => break,
                    other => panic!("{other:?}"),
                }
            }
        });
        assert_eq!(seen, [EACH; 4]);
    }
}
