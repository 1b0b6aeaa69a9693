//! x
pub mod audio;
pub mod decision;
pub mod dsp;
pub mod sink;
pub mod source;
pub mod stats;
pub mod thread;
