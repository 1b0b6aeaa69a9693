//! Layout of a FLAC file (RFC 9639): metadata, and the headers and checksums of frames.

use super::chunk::{ClipPacket, ClipStream};
use super::flac::MIN_BLOCK;

/// Types of metadata blocks; the last one of a file has the highest bit set.
const STREAM_INFO: u8 = 0;
const LAST_COMMENTS: u8 = 0x80 | 4;

/// Code of 24 bits per sample in a frame header.
const BITS_24: u8 = 0b1100;

/// Writer of a FLAC file.
#[derive(Debug)]
pub(super) struct FlacFile {
    rate: u32,
    channels: u16,
    packet_samples: u32,
    /// Samples per channel so far.
    samples: u64,
}

impl FlacFile {
    pub(super) fn new(stream: &ClipStream) -> Self {
        let ClipStream { rate, channels, packet_samples, .. } = *stream;
        Self { rate, channels, packet_samples, samples: 0 }
    }

    /// Marker and metadata, for the samples so far.
    pub(super) fn header(&self, comments: &[u8]) -> Vec<u8> {
        let mut bytes = b"fLaC".to_vec();
        bytes.extend_from_slice(&[STREAM_INFO, 0, 0, 34]);
        // Blocks differ in length: those before a gap are shorter.
        bytes.extend_from_slice(&(MIN_BLOCK as u16).to_be_bytes());
        bytes.extend_from_slice(&(self.packet_samples as u16).to_be_bytes());
        // Frame sizes: unknown.
        bytes.extend_from_slice(&[0; 6]);
        let bits_minus_one = 23;
        let packed = u64::from(self.rate) << 44
            | u64::from(self.channels - 1) << 41
            | bits_minus_one << 36
            | (self.samples & ((1 << 36) - 1));
        bytes.extend_from_slice(&packed.to_be_bytes());
        // MD5: unknown.
        bytes.extend_from_slice(&[0; 16]);
        bytes.push(LAST_COMMENTS);
        bytes.extend_from_slice(&(comments.len() as u32).to_be_bytes()[1..]);
        bytes.extend_from_slice(comments);
        bytes
    }

    /// Appends a frame with these subframes.
    pub(super) fn frame(&mut self, packet: &ClipPacket, subframes: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        // Synchronisation code, variable block size; block size in 16 bits, rate as in STREAMINFO.
        out.extend_from_slice(&[0xff, 0xf9, 0x70, packet.assignment << 4 | BITS_24]);
        coded_number(self.samples, out);
        out.extend_from_slice(&(packet.samples as u16 - 1).to_be_bytes());
        let checksum = crc8(&out[start..]);
        out.push(checksum);
        out.extend_from_slice(subframes);
        let checksum = crc16(&out[start..]);
        out.extend_from_slice(&checksum.to_be_bytes());
        self.samples += u64::from(packet.samples);
    }
}

/// Appends a number of up to 36 bits, coded like a character of UTF-8.
fn coded_number(number: u64, out: &mut Vec<u8>) {
    if number < 0x80 {
        out.push(number as u8);
        return;
    }
    // Each byte after the first has six bits; the first has fewer the more follow.
    let following = (1..6).find(|count| number < 1 << (6 * count + 6 - count)).unwrap_or(6);
    let lead = (0xff_u32 << (7 - following)) as u8 & if following == 6 { 0xfe } else { 0xff };
    out.push(lead | (number >> (6 * following)) as u8);
    out.extend((0..following).rev().map(|index| 0x80 | (number >> (6 * index)) as u8 & 0x3f));
}

fn crc8(bytes: &[u8]) -> u8 {
    const TABLE: [u8; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u8;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 0x80 != 0 { value << 1 ^ 0x07 } else { value << 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    bytes.iter().fold(0, |crc, byte| TABLE[usize::from(crc ^ byte)])
}

fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = (index as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 0x8000 != 0 { value << 1 ^ 0x8005 } else { value << 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    bytes.iter().fold(0, |crc, byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_coded_like_characters() {
        for character in ['\u{7f}', '\u{80}', '\u{7ff}', '\u{800}', '\u{ffff}', '\u{10000}', '\u{10ffff}'] {
            let mut out = Vec::new();
            coded_number(u64::from(u32::from(character)), &mut out);
            assert_eq!(out, character.to_string().as_bytes(), "{:x}", u32::from(character));
        }
        let mut out = Vec::new();
        coded_number((1 << 36) - 1, &mut out);
        assert_eq!(out, [0xfe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]);
    }

    #[test]
    fn checksums_are_those_of_the_catalogue() {
        assert_eq!(crc8(b"123456789"), 0xf4);
        assert_eq!(crc16(b"123456789"), 0xfee8);
    }
}
