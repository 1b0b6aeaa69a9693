//! FLAC metadata blocks (RFC 9639, section 8).

use symphonia::core::io::BufReader;
use symphonia::core::meta::{MetadataBuilder, MetadataRevision};
use symphonia::default::meta::embedded::flac::{FLAC_METADATA_INFO, read_flac_comment_block};

use super::frame::MAX_SAMPLES;

/// Length of STREAMINFO, in bytes.
pub(super) const STREAM_INFO_LENGTH: usize = 34;

/// Maximum length of a parsed VORBIS_COMMENT block, in bytes.
const MAX_COMMENT: usize = 1 << 20;

/// Header of a metadata block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) is_last: bool,
    pub(super) kind: u8,
    pub(super) length: usize,
}

impl BlockHeader {
    pub(super) const LENGTH: usize = 4;
    pub(super) const STREAM_INFO: u8 = 0;
    pub(super) const VORBIS_COMMENT: u8 = 4;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[first, high, middle, low], _) = bytes.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        Some(Self { is_last: first & 0x80 != 0, kind: first & 0x7f, length })
    }

    /// Returns true if RFC 9639 defines the block's type. Other types are probably not blocks.
    pub(super) fn is_known(self) -> bool {
        self.kind <= 6
    }
}

/// Stream parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamInfo {
    /// Maximum number of samples per channel in a frame.
    pub(super) max_samples: u32,
    /// Sample rate in Hz; 0 if not stated.
    pub(super) rate: u32,
    pub(super) channels: u8,
    pub(super) bits: u32,
}

impl StreamInfo {
    pub(super) fn parse(block: &[u8]) -> Option<Self> {
        let block = block.get(..STREAM_INFO_LENGTH)?;
        Some(Self {
            max_samples: u32::from(block[2]) << 8 | u32::from(block[3]),
            rate: u32::from(block[10]) << 12 | u32::from(block[11]) << 4 | u32::from(block[12]) >> 4,
            channels: (block[12] >> 1 & 7) + 1,
            bits: (u32::from(block[12] & 1) << 4 | u32::from(block[13]) >> 4) + 1,
        })
    }

    /// Block that describes these parameters to a decoder, without lengths and checksum.
    pub(super) fn to_block(self) -> [u8; STREAM_INFO_LENGTH] {
        let mut block = [0; STREAM_INFO_LENGTH];
        block[1] = 16;
        block[2..4].copy_from_slice(&(self.max_samples.clamp(16, MAX_SAMPLES) as u16).to_be_bytes());
        let (rate, bits) = (self.rate.min(MAX_RATE), self.bits - 1);
        block[10] = (rate >> 12) as u8;
        block[11] = (rate >> 4) as u8;
        block[12] = (rate << 4) as u8 | (self.channels - 1) << 1 | (bits >> 4) as u8;
        block[13] = (bits << 4) as u8;
        block
    }
}

/// Maximum sample rate that decoders accept in STREAMINFO, in Hz.
const MAX_RATE: u32 = 655_350;

/// Tags of a VORBIS_COMMENT block, as far as it can be parsed.
pub(super) fn comments(block: &[u8]) -> Option<MetadataRevision> {
    let mut builder = MetadataBuilder::new(FLAC_METADATA_INFO);
    let block = block.get(..block.len().min(MAX_COMMENT))?;
    read_flac_comment_block(&mut BufReader::new(block), &mut builder).ok()?;
    Some(builder.build())
}
