//! Decoding of containers and codecs to blocks of samples. Only this folder uses `symphonia`.
//!
//! Input is untrusted: a packet that cannot be decoded is skipped and counted, a decoder that
//! panics ends only its stream, and implausible parameters are rejected.

mod aac;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub, reason = "re-exported by `fuzz_api`"))]
pub(super) mod adts;
mod arrived_reader;
mod bit_reader;
mod boxes;
mod codec_names;
mod decoder;
mod detect;
mod edit_list;
mod flac;
mod fragment_guard;
mod guard;
mod limits;
mod matroska;
mod moov;
mod mpeg;
mod ogg_opus;
mod open;
#[cfg(feature = "opus")]
mod opus;
mod packet_reader;
mod pcm;
mod refusal;
mod stoppable_file;
mod stream_start;
mod timeline;
mod titles;
mod track;

#[cfg(feature = "net")]
pub(super) use aac::core_config;
pub(super) use decoder::{Decoder, extension};
pub(super) use limits::ANY_RATE;
