//! The two file formats of clips.

use std::io;

use super::chunk::{ClipPacket, ClipStream};
use super::flac_file::FlacFile;
#[cfg(feature = "opus")]
use super::ogg_file::OggFile;
use crate::event::ClipFormat;

/// Writer of one file format.
pub(super) enum ClipContainer {
    Flac(FlacFile),
    #[cfg(feature = "opus")]
    Ogg(Box<OggFile>),
}

impl ClipContainer {
    /// Packets that precede the first audible one, at most `convergence`.
    pub(super) fn lead_in(stream: &ClipStream, convergence: usize) -> usize {
        match stream.format {
            ClipFormat::Flac => 0,
            ClipFormat::Opus => convergence,
        }
    }

    /// Writer of a file that begins `skipped` samples after the first sample of its first packet,
    /// where the format can express that.
    ///
    /// # Errors
    /// The build lacks the format.
    pub(super) fn new(stream: &ClipStream, skipped: u32) -> io::Result<Self> {
        match stream.format {
            ClipFormat::Flac => Ok(Self::Flac(FlacFile::new(stream))),
            #[cfg(feature = "opus")]
            ClipFormat::Opus => {
                let file = OggFile::new(stream, skipped, fastrand::u32(..))?;
                Ok(Self::Ogg(Box::new(file)))
            }
            #[cfg(not(feature = "opus"))]
            ClipFormat::Opus => Err(io::Error::other(format!("no Opus in this build ({skipped} samples)"))),
        }
    }

    /// True if the file can begin within a packet.
    pub(super) fn is_exact(&self) -> bool {
        match self {
            Self::Flac(_) => false,
            #[cfg(feature = "opus")]
            Self::Ogg(_) => true,
        }
    }

    /// Header for the audio so far. Its length depends on the length of `comments` alone.
    ///
    /// # Errors
    /// None in practice: it is encoded in memory.
    pub(super) fn header(&self, comments: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Flac(file) => Ok(file.header(comments)),
            #[cfg(feature = "opus")]
            Self::Ogg(file) => file.header(comments),
        }
    }

    /// Adds a packet; appends what is finished to `out`.
    ///
    /// # Errors
    /// None in practice: it is encoded in memory.
    pub(super) fn add(&mut self, packet: &ClipPacket, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Flac(file) => {
                file.frame(packet, bytes, out);
                Ok(())
            }
            #[cfg(feature = "opus")]
            Self::Ogg(file) => file.packet(packet, bytes),
        }
    }

    /// Appends what is finished to `out`.
    #[cfg_attr(not(feature = "opus"), allow(unused_variables))]
    pub(super) fn take_finished(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Flac(_) => {}
            #[cfg(feature = "opus")]
            Self::Ogg(file) => file.take_pages(out),
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// None in practice: it is encoded in memory.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Flac(_) => Ok(()),
            #[cfg(feature = "opus")]
            Self::Ogg(file) => file.finish(),
        }
    }
}
