//! Offline analysis: the daemon's own front end and model on finite audio, without threads.
//!
//! `classify`, `embed`, `features`, `train`, `eval` and the API share it, so that offline and live
//! answers cannot differ.

mod classification;
mod embedding;
mod error;
mod files;
mod joined;
mod record;
mod verdict;

#[cfg(feature = "web")]
pub(crate) use classification::Classification;
pub use classification::classify;
pub use embedding::EmbeddedAudio;
#[cfg(feature = "web")]
pub(crate) use embedding::FILE_BATCH;
pub use error::FileError;
pub use files::{descriptors, embed_altered_file, embed_file, features};
pub use joined::{Cut, Joined, embed_cuts};
#[cfg(feature = "web")]
pub(crate) use record::WindowRecord;
pub(crate) use record::{FileRecord, genre_or_state};
pub use verdict::{FileVerdict, WindowVerdict, score_patches, verdict_of};
