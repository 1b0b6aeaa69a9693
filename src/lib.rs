//! Streaming, real-time music-genre classifier.

pub mod audio;
pub mod sink;
pub mod source;
pub mod thread;
