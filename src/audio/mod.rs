//! Layer 0: types shared by all stages.
//!
//! A [`Block`] is a piece of input as a device or decoder delivers it. A *frame* is one analysis
//! segment of the front end. A [`Patch`] is the model's input, about three seconds of frames.

mod block;
mod patch;
mod source_id;

pub use block::{Block, Level, SampleRate, Span};
pub use patch::{Patch, PatchSpan};
pub use source_id::SourceId;
