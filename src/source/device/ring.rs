//! Ring buffer between the capture callback and the reader.
//!
//! Two lock-free queues. One carries samples; when it is full, new samples are dropped. The other
//! carries the position and length of each loss, so that the reader sets `gap` at exactly that
//! position. A loss is announced before any sample that follows it, and the reader looks at the
//! samples first; it therefore never sees samples whose loss is not announced.

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::audio::{Block, Span};

/// Capacity of the queue of losses.
const LOSSES: usize = 64;

/// Lost samples, counted per channel.
#[derive(Debug, Clone, Copy)]
struct SampleLoss {
    /// Index of the first lost sample, counting lost ones.
    at: u64,
    /// Number of lost samples; 0 if unknown.
    count: u64,
}

/// Writing end, used by the callback.
pub struct RingWriter {
    samples: HeapProd<f32>,
    losses: HeapProd<SampleLoss>,
    channels: usize,
    position: u64,
    /// Loss that is not announced yet: it continues, or the queue of losses is full.
    pending: Option<SampleLoss>,
}

/// Reading end.
pub struct RingReader {
    samples: HeapCons<f32>,
    losses: HeapCons<SampleLoss>,
    channels: usize,
    position: u64,
}

/// Creates a ring of `capacity` samples for each of `channels` channels; both at least 1.
pub fn ring(channels: u16, capacity: usize) -> (RingWriter, RingReader) {
    let channels = usize::from(channels.max(1));
    let (samples_in, samples_out) = HeapRb::new(capacity.max(1) * channels).split();
    let (losses_in, losses_out) = HeapRb::new(LOSSES).split();
    (
        RingWriter { samples: samples_in, losses: losses_in, channels, position: 0, pending: None },
        RingReader { samples: samples_out, losses: losses_out, channels, position: 0 },
    )
}

impl RingWriter {
    /// Appends interleaved samples while there is room and returns the number lost per channel.
    ///
    /// Runs on the audio thread: it neither allocates, locks, logs nor panics.
    pub(super) fn write(&mut self, values: impl ExactSizeIterator<Item = f32>) -> u64 {
        let offered = values.len() / self.channels;
        let mut room = self.samples.vacant_len() / self.channels;
        if let Some(loss) = self.pending
            && room > 0
        {
            if self.losses.try_push(loss).is_ok() {
                self.pending = None;
            } else {
                // Samples after an unannounced loss would take the indices of the lost ones.
                room = 0;
            }
        }
        let kept = offered.min(room);
        self.samples.push_iter(values.take(kept * self.channels));
        let lost = (offered - kept) as u64;
        if lost > 0 {
            let at = self.position + kept as u64;
            self.pending.get_or_insert(SampleLoss { at, count: 0 }).count += lost;
        }
        self.position += offered as u64;
        lost
    }

    /// Records that an unknown number of samples was lost before the next one.
    ///
    /// Runs on the audio thread; see [`RingWriter::write`].
    pub(super) fn interrupt(&mut self) {
        self.pending.get_or_insert(SampleLoss { at: self.position, count: 0 });
    }
}

impl RingReader {
    /// Number of waiting samples per channel.
    pub fn available(&self) -> usize {
        self.samples.occupied_len() / self.channels
    }

    /// Refills `block` with at most `most` samples per channel, up to the next loss. Returns false
    /// if none wait.
    ///
    /// Sets samples, channels, span and gap.
    pub fn read(&mut self, block: &mut Block, most: usize) -> bool {
        let available = self.available();
        if available == 0 {
            return false;
        }
        block.gap = false;
        let mut until = u64::MAX;
        while let Some(loss) = self.losses.try_peek().copied() {
            if loss.at > self.position {
                until = loss.at - self.position;
                break;
            }
            self.position += loss.count;
            block.gap = true;
            self.losses.skip(1);
        }
        let count = available.min(most).min(usize::try_from(until).unwrap_or(usize::MAX));
        block.interleaved.resize(count * self.channels, 0.0);
        self.samples.pop_slice(&mut block.interleaved);
        block.channels = self.channels as u16;
        block.span = Span { start: self.position, end: self.position + count as u64 };
        self.position = block.span.end;
        true
    }
}

impl std::fmt::Debug for RingWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("position", &self.position).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RingReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("position", &self.position).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    fn block() -> Block {
        Block::with_capacity(SampleRate::new(1000).unwrap(), 1, 0)
    }

    /// Samples whose value is their own index, so that a read can verify its position.
    fn counting(from: u64, count: u64, channels: u16) -> Vec<f32> {
        (from..from + count).flat_map(|index| vec![index as f32; usize::from(channels)]).collect()
    }

    /// Reads everything that waits; returns (start, end, gap) of each block.
    fn drain(reader: &mut RingReader, most: usize) -> Vec<(u64, u64, bool)> {
        let mut block = block();
        let mut seen = Vec::new();
        while reader.read(&mut block, most) {
            let expected = counting(block.span.start, block.span.len(), block.channels);
            assert_eq!(block.interleaved, expected);
            seen.push((block.span.start, block.span.end, block.gap));
        }
        seen
    }

    #[test]
    fn what_fits_is_kept_and_what_does_not_is_a_gap() {
        let (mut writer, mut reader) = ring(2, 10);
        assert_eq!(writer.write(counting(0, 6, 2).into_iter()), 0);
        assert_eq!(writer.write(counting(6, 6, 2).into_iter()), 2);
        assert_eq!(writer.write(counting(12, 3, 2).into_iter()), 3);
        assert_eq!(drain(&mut reader, 4), [(0, 4, false), (4, 8, false), (8, 10, false)]);
        // A loss is announced with the first samples that follow it.
        assert_eq!(writer.write(counting(15, 4, 2).into_iter()), 0);
        assert_eq!(drain(&mut reader, 100), [(15, 19, true)]);
        writer.interrupt();
        writer.write(counting(19, 2, 2).into_iter());
        assert_eq!(drain(&mut reader, 100), [(19, 21, true)]);
    }

    #[test]
    fn a_gap_splits_what_waits() {
        let (mut writer, mut reader) = ring(1, 10);
        assert_eq!(writer.write(counting(0, 12, 1).into_iter()), 2);
        let mut part = block();
        assert!(reader.read(&mut part, 5));
        assert_eq!(writer.write(counting(12, 5, 1).into_iter()), 0);
        assert_eq!(drain(&mut reader, 100), [(5, 10, false), (12, 17, true)]);
    }

    #[test]
    fn more_losses_than_can_be_announced_merge() {
        let (mut writer, mut reader) = ring(1, 1000);
        let mut position = 0;
        for _ in 0..2 * LOSSES {
            writer.interrupt();
            writer.write(counting(position, 1, 1).into_iter());
            position += 1;
        }
        let seen = drain(&mut reader, 100);
        assert_eq!(seen.len(), LOSSES);
        writer.write(counting(position, 5, 1).into_iter());
        let after = drain(&mut reader, 100);
        assert_eq!(after, [(position, position + 5, true)]);
    }

    #[test]
    fn two_threads_lose_nothing_that_is_not_announced() {
        let (mut writer, mut reader) = ring(2, 500);
        let total = 200_000;
        let handle = std::thread::spawn(move || {
            let (mut position, mut lost, mut state) = (0, 0, 1_u32);
            while position < total {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let count = u64::from(state >> 24);
                lost += writer.write(counting(position, count, 2).into_iter());
                position += count;
                if state % 3 == 0 {
                    std::thread::yield_now();
                }
            }
            (position, lost)
        });
        let (mut received, mut end, mut jumped) = (0, 0, 0);
        loop {
            let done = handle.is_finished();
            for (start, stop, gap) in drain(&mut reader, 300) {
                assert!(gap || start == end);
                jumped += start - end;
                received += stop - start;
                end = stop;
            }
            if done {
                break;
            }
        }
        let (position, lost) = handle.join().unwrap();
        assert_eq!(received + lost, position);
        assert!(jumped <= lost);
    }
}
