//! Native FLAC (RFC 9639): a demuxer for streams that are slow, damaged, or joined in the middle.
//!
//! - A frame is delivered as soon as its last byte has arrived, and no read waits for more than the
//!   next byte: digital silence is a hundred bytes per second.
//! - Only frames with a correct CRC-8 and CRC-16 are delivered. Everything between them is skipped:
//!   tags of other formats, metadata blocks with wrong lengths, damage.
//! - Frame headers take precedence over STREAMINFO, which may be wrong or missing.

mod frame;
mod input;
mod metadata;
mod probe;
mod reader;
mod wide;

pub(super) use probe::holds_frame;
pub(super) use reader::FlacReader;
