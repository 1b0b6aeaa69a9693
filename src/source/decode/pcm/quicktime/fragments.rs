//! Location of the audio of a movie fragment (ISO/IEC 14496-12, 8.8).

use super::super::super::boxes::{all, find, number, word};
use super::tables::push;

const BASE_OFFSET: u32 = 0x1;
const DESCRIPTION: u32 = 0x2;
const DEFAULT_DURATION: u32 = 0x8;
const DEFAULT_SIZE: u32 = 0x10;
const RUN_OFFSET: u32 = 0x1;
const RUN_FIRST_FLAGS: u32 = 0x4;
const RUN_SIZES: u32 = 0x200;
/// Durations, sizes, flags and composition offsets of each sample.
const RUN_FIELDS: [u32; 4] = [0x100, RUN_SIZES, 0x400, 0x800];

/// Fragment defaults of a track.
pub(super) struct FragmentDefaults {
    track: u32,
    /// Bytes per sample.
    size: u64,
}

impl FragmentDefaults {
    /// Parses an `mvex` box; a sample is one `frame` if it states no size.
    pub(super) fn of(mvex: &[u8], track: u32, frame: u64) -> Self {
        let size = all(mvex)
            .filter(|(kind, trex)| kind == b"trex" && word(trex, 4) == Some(track))
            .find_map(|(_, trex)| word(trex, 16));
        Self { track, size: size.map_or(frame, |size| u64::from(size).max(frame)) }
    }

    /// Positions and lengths of the track's audio in a `moof` box that begins at `begin`.
    pub(super) fn extents(&self, moof: &[u8], begin: u64) -> Vec<(u64, u64)> {
        let mut extents = Vec::new();
        for (_, traf) in all(moof).filter(|(kind, _)| kind == b"traf") {
            let Some(tfhd) = find(traf, &[b"tfhd"]) else { continue };
            if word(tfhd, 4) != Some(self.track) {
                continue;
            }
            let Some((base, size)) = self.header(tfhd, begin) else { continue };
            let mut at = base;
            for (_, trun) in all(traf).filter(|(kind, _)| kind == b"trun") {
                let Some((offset, bytes)) = run(trun, size) else { break };
                at = offset.map_or(at, |offset| base.saturating_add_signed(i64::from(offset)));
                push(&mut extents, at, bytes);
                at = at.saturating_add(bytes);
            }
        }
        extents
    }

    /// Base of offsets and bytes per sample, from a `tfhd` box.
    fn header(&self, tfhd: &[u8], begin: u64) -> Option<(u64, u64)> {
        let flags = word(tfhd, 0)? & 0x00ff_ffff;
        let (mut at, mut base, mut size) = (8, begin, self.size);
        if flags & BASE_OFFSET != 0 {
            base = number(tfhd.get(at..at + 8)?)?;
            at += 8;
        }
        for field in [DESCRIPTION, DEFAULT_DURATION] {
            at += if flags & field != 0 { 4 } else { 0 };
        }
        if flags & DEFAULT_SIZE != 0 {
            size = u64::from(word(tfhd, at)?);
        }
        Some((base, size))
    }
}

/// Stated offset, if any, and bytes of a `trun` box; `size` is that of a sample.
fn run(trun: &[u8], size: u64) -> Option<(Option<i32>, u64)> {
    let flags = word(trun, 0)? & 0x00ff_ffff;
    let count = word(trun, 4)?;
    let mut at = 8;
    let mut offset = None;
    if flags & RUN_OFFSET != 0 {
        offset = Some(word(trun, at)? as i32);
        at += 4;
    }
    at += if flags & RUN_FIRST_FLAGS != 0 { 4 } else { 0 };
    if flags & RUN_SIZES == 0 {
        return Some((offset, u64::from(count).saturating_mul(size)));
    }
    let present = |fields: &[u32]| 4 * fields.iter().filter(|field| flags & **field != 0).count();
    let (entry, skipped) = (present(&RUN_FIELDS), present(&RUN_FIELDS[..1]));
    let entries = trun.get(at..)?.chunks_exact(entry).take(count as usize);
    Some((offset, entries.filter_map(|entry| word(entry, skipped)).map(u64::from).sum()))
}
